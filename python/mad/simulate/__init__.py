"""Simulated telemetry that is sent to a server in real time: paced, in batches, with retries."""

from mad.simulate.feed import FeedStats, feed
from mad.simulate.streams import Run, Slice, Stream, api, radar, shop, traces

__all__ = ["FeedStats", "Run", "Slice", "Stream", "api", "feed", "radar", "shop", "traces"]
