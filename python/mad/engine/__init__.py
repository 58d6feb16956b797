"""The pipeline that runs: what comes in is committed, judged and kept, by one thread."""

from mad.engine.batch import Batch, Taken, decoded
from mad.engine.clock import EventClock
from mad.engine.engine import Busy, Engine, StorageFailed
from mad.engine.figures import Figures

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
