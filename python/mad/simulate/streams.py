"""Streams of simulated telemetry, cut into slices of JSON Lines by time."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from mad import _core
from mad.simulate import worlds
from mad.simulate.lines import TRACES, Columns

LENGTH = 480.0
"""Length of the shop's default incident in seconds."""
RATE = 5.0
"""Requests per second of the shop and of the API."""


@dataclass(frozen=True)
class Slice:
    """Records of one kind."""

    kind: str
    lines: bytes
    records: int


@dataclass(frozen=True)
class Run:
    """Settings of all streams: start, duration and warm-up in seconds of event time, records per
    second, and seed."""

    start: datetime
    duration: float
    warm_up: float
    rate: float = RATE
    seed: int = 0

    @property
    def begin(self) -> str:
        """The start as RFC 3339 text."""
        return self.start.isoformat().replace("+00:00", "Z")


class Stream(Protocol):
    """A stream of `duration` seconds with about `records` records."""

    duration: float
    records: int
    incidents: list[dict[str, Any]]

    def due(self, elapsed: float, most: int) -> Iterator[Slice]:
        """The records from the last call until `elapsed` seconds after the start, in slices of
        at most `most` records."""


class _Shop:
    """The shop's traffic in traces of four and five requests."""

    def __init__(self, simulation: Any, duration: float) -> None:
        self._simulation = simulation
        self.duration, self.records = duration, simulation.rows
        self.incidents = json.loads(simulation.truth_json())
        self._columns = Columns(simulation.take_csv(0))
        self._taken = 0

    def due(self, elapsed: float, most: int) -> Iterator[Slice]:
        group = sum(TRACES)
        share = min(elapsed / self.duration, 1.0)
        until = self.records if share == 1.0 else int(self.records * share) // group * group
        while self._taken < until:
            asked = min(until - self._taken, max(most // group, 1) * group)
            self._taken += asked
            lines = self._simulation.take_csv(asked)
            if lines:
                yield Slice("requests", self._columns.to_traces(lines), lines.count(b"\n"))


class _Traces:
    """Spans and requests of a small system."""

    def __init__(self, simulation: Any, run: Run) -> None:
        self.duration, self._start = run.duration, run.start
        self.incidents = json.loads(simulation.truth_json())
        self._kinds = {
            "spans": _Timed(simulation.spans_csv(), "start"),
            "requests": _Timed(simulation.requests_csv(False), "timestamp"),
        }
        self.records = sum(len(kind.lines) for kind in self._kinds.values())

    def due(self, elapsed: float, most: int) -> Iterator[Slice]:
        until = self._start + timedelta(seconds=elapsed)
        for name, kind in self._kinds.items():
            for piece in kind.before(until if elapsed < self.duration else None, most):
                yield Slice(name, kind.columns.to_json(b"".join(piece)), len(piece))


class _Timed:
    """Lines of CSV in time order."""

    def __init__(self, text: bytes, time: str) -> None:
        header, _, body = text.partition(b"\n")
        self.columns, self.lines = Columns(header), body.splitlines(keepends=True)
        place = self.columns.names.index(time)
        self._times = re.findall(rb"^(?:[^,\n]*,){%d}([^,\n]*)" % place, body, re.MULTILINE)
        self._taken = 0

    def before(self, moment: datetime | None, most: int) -> Iterator[list[bytes]]:
        """The remaining lines before a time, or all remaining lines, in pieces."""
        bound = b"~" if moment is None else moment.isoformat(timespec="microseconds").encode()
        until, first = bisect_left(self._times, bound), self._taken
        self._taken = max(until, first)
        for begin in range(first, until, most):
            yield self.lines[begin : min(begin + most, until)]


class _World:
    """A world that is generated minute by minute."""

    def __init__(self, world: worlds.World, duration: float) -> None:
        self._world, self.duration = world, duration
        self.records = round(world.per_minute * duration / 60.0)
        self.incidents = world.truth(duration)
        self._blocks: dict[str, tuple[list[float], list[bytes]]] = {}
        self._made = 0

    def due(self, elapsed: float, most: int) -> Iterator[Slice]:
        elapsed = min(elapsed, self.duration)
        while self._made * 60.0 < elapsed:
            for kind, (times, lines) in self._world.minute(self._made).items():
                held = self._blocks.setdefault(kind, ([], []))
                held[0].extend(times)
                held[1].extend(lines)
            self._made += 1
        for kind, (times, lines) in self._blocks.items():
            until = bisect_left(times, elapsed)
            for first in range(0, until, most):
                piece = lines[first : min(first + most, until)]
                yield Slice(kind, b"".join(piece), len(piece))
            del times[:until], lines[:until]


def shop(run: Run, incidents: list[str] | None = None, services: int = 4) -> Stream:
    """The shop. Without `incidents`, payments `/pay` is slow and fails for eight minutes.

    Raises ValueError for settings outside their limits.
    """
    if incidents is None:
        length = min(LENGTH, run.duration - run.warm_up)
        spec = f"service=payments,endpoint=/pay,start={run.warm_up:g}s,length={length:g}s"
        incidents = [f"{spec},kind=outage"] if length > 0.0 else []
    rows = max(round(run.rate * run.duration), 1)
    simulation = _core.ShopSimulation(
        rows, services, run.duration, run.begin, run.seed, incidents, False
    )
    return _Shop(simulation, run.duration)


def traces(run: Run, scenario: str, depth: int, missing: float, skew: float) -> Stream:
    """Traces of a checkout or a chain with a fault from 60 to 90 % of the duration.

    Raises ValueError for settings outside their limits.
    """
    count = max(round(run.rate * run.duration / 4.0), 1)
    simulation = _core.TraceSimulation(
        scenario, count, run.duration, run.begin, run.seed, depth, missing, skew
    )
    return _Traces(simulation, run)


def api(run: Run, pattern: str) -> Stream:
    """Two services under a load pattern."""
    return _World(worlds.Api(pattern, run.start, run.rate, run.warm_up, run.seed), run.duration)


def radar(run: Run, scenario: str) -> Stream:
    """One service that is measured once a second."""
    return _World(worlds.Radar(scenario, run.start, run.warm_up, run.seed), run.duration)
