"""Simulated systems: their telemetry as files with the truth (`world`), and as streams that are
sent to a server in real time (`feed`): paced, in batches, with retries."""

from mad.simulate.feed import FeedStats, feed
from mad.simulate.streams import Run, Slice, Stream, api, radar, shop, traces
from mad.simulate.systems import SYSTEMS, World, world

__all__ = [
    "SYSTEMS",
    "FeedStats",
    "Run",
    "Slice",
    "Stream",
    "World",
    "api",
    "feed",
    "radar",
    "shop",
    "traces",
    "world",
]
