"""Simulated telemetry, sent to a server as it would come: paced, in batches, with retries."""

from mad.live.feed import Fed, feed
from mad.live.streams import Run, Slice, Stream, api, radar, shop, traces

__all__ = ["Fed", "Run", "Slice", "Stream", "api", "feed", "radar", "shop", "traces"]
