"""The health of the service: `ok`, `degraded` or `failing`, with the reasons."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from time import monotonic
from typing import Any

from mad.engine import Engine
from mad.engine.problems import Level, Problem
from mad.engine.sink_runner import SinkPool
from mad.engine.source_runner import SourcePool

#: Seconds that a response waits for present figures of the pipeline. Later it gives the last ones.
_WAIT_SECONDS = 0.25
#: Free bytes of the disk below which the service is degraded, and failing.
_LOW_BYTES, _LEAST_BYTES = 256 * 1024 * 1024, 4 * 1024 * 1024
#: Seconds for which a refusal because of a full queue counts.
_BUSY_SECONDS = 60.0
#: Seconds for which a record without a place for its name counts.
_NAMES_SECONDS = 900.0
#: Sources with refused records that a response lists.
_SOURCES = 20


class HealthProbe:
    """Finds out whether the service accepts and judges data.

    It never waits for the engine: figures of the pipeline are read by a separate thread, and the
    time that this takes shows whether the engine hangs. After `slow_seconds` without progress the
    service is degraded, after `hung_seconds` it is failing.
    """

    def __init__(
        self,
        engine: Engine,
        inputs: SourcePool | None = None,
        sinks: SinkPool | None = None,
        *,
        slow_seconds: float = 10.0,
        hung_seconds: float = 30.0,
    ) -> None:
        self._engine = engine
        self._inputs = inputs or SourcePool()
        self._sinks = sinks or SinkPool()
        self._slow, self._hung = slow_seconds, hung_seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mad-health")
        self._lock = threading.Lock()
        self._look: Future[dict[str, Any]] | None = None
        self._look_since = 0.0
        self._figures: dict[str, Any] = {"clocks": [], "watermark": None, "overflowed": 0}
        self._busy_count, self._busy_at = 0, float("-inf")
        self._other_count, self._other_at = 0, float("-inf")

    async def report(self) -> tuple[int, dict[str, Any]]:
        """The HTTP status and the body of a response: 503 when nothing can be accepted. The
        watermark is in nanoseconds."""
        look = self._begin_look()
        done, _ = await asyncio.wait([asyncio.wrap_future(look)], timeout=_WAIT_SECONDS)
        if done and look.exception() is None:
            self._figures = look.result()
        problems = self.problems()
        failing = [one for one in problems if one.level == "failing"]
        stats = self._engine.stats
        status = "failing" if failing else "degraded" if problems else "ok"
        body = {
            "status": status,
            "message": "; ".join(one.text for one in problems) or "accepting and judging data",
            "reasons": [
                {"level": one.level, "name": one.name, "text": one.text} for one in problems
            ],
            **self._figures,
            "accepted": sum(list(stats.records.values())),
            "rejected": sum(list(stats.rejected.values())),
            "sources": self._engine.intake.sources(_SOURCES),
            "inputs": [asdict(one) for one in self._inputs.health()],
            "sinks": [asdict(one) for one in self._sinks.health()],
            "waiting": self._engine.waiting,
        }
        return 503 if failing else 200, body

    def problems(self) -> list[Problem]:
        """Everything that is wrong now; what prevents acceptance comes first."""
        found = [*self._engine.problems(), *self._storage(), *self._progress(), *self._overload()]
        found.extend(self._names())
        found.extend(self._inputs.problems())
        found.extend(self._sinks.problems())
        if (text := self._engine.intake.problem()) is not None:
            found.append(Problem("degraded", "intake", text))
        return sorted(found, key=lambda one: one.level != "failing")

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _begin_look(self) -> Future[dict[str, Any]]:
        with self._lock:
            if self._look is None or self._look.done():
                self._look_since = monotonic()
                self._look = self._thread.submit(self._read_pipeline)
            return self._look

    def _read_pipeline(self) -> dict[str, Any]:
        pipeline = self._engine.pipeline
        faults = json.loads(pipeline.clock_faults())
        counters = json.loads(pipeline.counters())
        return {
            "clocks": [fault["text"] for fault in faults],
            "watermark": pipeline.furthest_watermark,
            "overflowed": counters["entities_overflowed"] + counters["points_overflowed"],
        }

    def _progress(self) -> list[Problem]:
        look = self._look
        reading = monotonic() - self._look_since if look is not None and not look.done() else 0.0
        waited = max(reading, self._engine.busy_seconds())
        if waited < self._slow:
            return []
        return [
            Problem(
                "failing" if waited >= self._hung else "degraded",
                "engine",
                f"the engine has made no progress for {waited:.0f} s; restart the service if this "
                "lasts",
            )
        ]

    def _storage(self) -> list[Problem]:
        path = self._engine.journal.path.parent
        try:
            disk = os.statvfs(path)
        except OSError as error:
            return [Problem("failing", "storage", f"{path} cannot be read: {error.strerror}")]
        free = disk.f_bavail * disk.f_frsize
        if free >= _LOW_BYTES:
            return []
        level: Level = "failing" if free < _LEAST_BYTES else "degraded"
        text = f"the disk of {path} has {free // 1024**2} MiB left; free space on it"
        return [Problem(level, "storage", text)]

    def _names(self) -> list[Problem]:
        count = self._figures["overflowed"]
        if count > self._other_count:
            self._other_at = monotonic()
        self._other_count = count
        if monotonic() - self._other_at > _NAMES_SECONDS:
            return []
        text = (
            f"{count} records had names beyond limits.entities or limits.series and are judged as "
            "(other) or not at all; look for identifiers in service, endpoint or metric names"
        )
        return [Problem("degraded", "names", text)]

    def _overload(self) -> list[Problem]:
        count = self._engine.stats.refused_busy
        if count != self._busy_count:
            self._busy_count, self._busy_at = count, monotonic()
        if monotonic() - self._busy_at > _BUSY_SECONDS:
            return []
        text = f"batches are refused because the queue is full: {count} since the start"
        return [Problem("degraded", "overload", text)]
