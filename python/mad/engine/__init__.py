"""The running pipeline: one thread commits inputs to the journal, judges them and writes the
results."""

from mad.engine.batch import IngestReceipt
from mad.engine.clock import EventClock
from mad.engine.engine import Engine
from mad.engine.job import Busy, KeyReused, NotJudged, StorageFailed
from mad.engine.problems import Problem
from mad.engine.stats import EngineStats

__all__ = [
    "Busy",
    "Engine",
    "EngineStats",
    "EventClock",
    "IngestReceipt",
    "KeyReused",
    "NotJudged",
    "Problem",
    "StorageFailed",
]
