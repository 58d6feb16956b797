"""Watches the partitions of a group, whose results one server groups: for which of them the others
have waited long enough, and what `/health` says of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from mad.engine.batch import IngestReceipt
from mad.engine.engine import Engine
from mad.engine.source_runner import SourceRunner
from mad.journal import Entry
from mad.journal.entries import HOLD, WITHOUT
from mad.sources.protocol import Source

#: Seconds between two looks at the partitions.
_LOOK_SECONDS = 1.0
#: Seconds for which `/health` names results that came late or are missing.
_NAMED_SECONDS = 900.0


@dataclass(slots=True)
class FleetWatch:
    """The partitions of a group, as they were at the last look.

    The others wait for a partition as long as it moves on. One that hands over nothing for
    `wait_seconds`, although everything written was read, is left out until it has caught up.
    """

    wait_seconds: float = 120.0
    time: Callable[[], float] = monotonic
    #: The clock of each partition, and when it was first seen there.
    _clocks: dict[str, tuple[int | None, float]] = field(default_factory=dict)
    #: The sum of a count of each partition, and when it grew last.
    _counts: dict[tuple[str, str], tuple[int, float]] = field(default_factory=dict)

    def overdue(self, status: dict[str, Any] | None, *, is_read: bool) -> list[str]:
        """The partitions without which to continue now. `is_read`: everything written was read."""
        now, found = self.time(), []
        for one in status["partitions"] if status else ():
            clock, since = self._clocks.get(one["name"], (None, now))
            if not one["is_awaited"] or clock != one["clock"]:
                since = now
            self._clocks[one["name"]] = one["clock"], since
            if is_read and one["is_awaited"] and now - since >= self.wait_seconds:
                found.append(one["name"])
        return found

    def faults(self, status: dict[str, Any] | None) -> list[str]:
        """A sentence about each partition that is left out, late or incomplete."""
        if not status:
            return []
        found = []
        for one in status["partitions"]:
            name = one["name"]
            if one["is_left_out"] and one["clock"] is not None:
                found.append(
                    f"{name} has not kept up for {self.wait_seconds:g} s, and incidents are "
                    "grouped without it; is one of the members down?"
                )
            if count := self._recent(name, "late_rows", one["late_rows"]):
                found.append(f"{count} rows of {name} came late, after the others were grouped")
            if count := self._recent(name, "missing", one["missing"]):
                found.append(f"{count} results of {name} are missing; were they deleted unread?")
        if count := self._recent("", "early", status["early"]):
            found.append(
                f"rows were grouped early {count} times, because more than limits.held_events "
                "waited"
            )
        return [*found, *_unequal(status)]

    def _recent(self, name: str, what: str, count: int) -> int:
        """A count while it has grown lately, else 0. The first look is at what a start finds."""
        now = self.time()
        known, at = self._counts.get((name, what), (count, now - _NAMED_SECONDS))
        if count > known:
            at = now
        self._counts[name, what] = count, at
        return count if now - at < _NAMED_SECONDS else 0


def _unequal(status: dict[str, Any]) -> list[str]:
    """A sentence where the partitions were judged with unequal settings."""
    of: dict[int, list[str]] = {}
    for one in status["partitions"]:
        if one["settings"] is not None:
            of.setdefault(one["settings"], []).append(one["name"])
    if len(of) < 2:
        return []
    names = " and ".join(names[0] for names in of.values())
    return [f"{names} are judged with different settings; start all members with the same file"]


class ResultsRunner(SourceRunner):
    """Reads the results of a group, and continues without partitions that hand over nothing."""

    def __init__(
        self, name: str, source: Source, engine: Engine, watch: FleetWatch, *, type: str = ""
    ) -> None:
        super().__init__(name, source, engine, type=type)
        self._watch = watch
        self._looked = 0.0
        self._of_fleet: list[str] = []
        self._left: Future[IngestReceipt] | None = None

    def faults(self) -> list[str]:
        """The faults of the source, and those of the partitions."""
        return [*super().faults(), *self._of_fleet]

    def _succeeded(self) -> None:
        super()._succeeded()
        now = monotonic()
        if now - self._looked < _LOOK_SECONDS or self._engine.is_full:
            return
        self._looked = now
        status = json.loads(self._engine.pipeline.fleet())
        self._of_fleet = self._watch.faults(status)
        is_read = not self.source.lags() and (self._left is None or self._left.done())
        for partition in self._watch.overdue(status, is_read=is_read)[:1]:
            self._left = self._engine.submit(Entry(HOLD, WITHOUT + partition.encode()), self.name)
