"""Simulated telemetry, sent to a server as it would come: paced, in batches, with retries."""

from mad.simulate.feed import Fed, feed
from mad.simulate.streams import Run, Slice, Stream, api, radar, shop, traces

__all__ = ["Fed", "Run", "Slice", "Stream", "api", "feed", "radar", "shop", "traces"]
