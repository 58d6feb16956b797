"""The pipeline that runs: what comes in is committed, judged and kept, by one thread."""

from mad.engine.batch import Batch, Taken, decoded
from mad.engine.clock import EventClock
from mad.engine.engine import Engine
from mad.engine.job import Busy, StorageFailed
from mad.engine.stats import Figures

__all__ = [
    "Batch",
    "Busy",
    "Engine",
    "EventClock",
    "Figures",
    "StorageFailed",
    "Taken",
    "decoded",
]
