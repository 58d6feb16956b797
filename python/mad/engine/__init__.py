"""The pipeline that runs: what comes in is committed, judged and kept, by one thread."""

from mad.engine.batch import Batch, IngestReceipt, decoded
from mad.engine.clock import EventClock
from mad.engine.engine import Engine
from mad.engine.job import Busy, StorageFailed
from mad.engine.stats import EngineStats

__all__ = [
    "Batch",
    "Busy",
    "Engine",
    "EngineStats",
    "EventClock",
    "IngestReceipt",
    "StorageFailed",
    "decoded",
]
