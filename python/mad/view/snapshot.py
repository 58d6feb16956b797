"""The state of a fleet at one moment, as the terminal shows it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

STEPS = 60
"""Rows of an endpoint that are kept for its sparklines."""
ENTITIES = 2_000
"""Most endpoints that are kept; the ones with the oldest rows are dropped first."""

Json = Mapping[str, Any]


@dataclass
class EntityView:
    """One service and endpoint: its state, and its last rows, oldest first."""

    service: str
    endpoint: str
    state: str = "unknown"
    reason: str = ""
    score: float = 0.0
    requests: deque[float] = field(default_factory=lambda: deque(maxlen=STEPS))
    errors: deque[float] = field(default_factory=lambda: deque(maxlen=STEPS))
    latencies: deque[float | None] = field(default_factory=lambda: deque(maxlen=STEPS))
    flagged: deque[bool] = field(default_factory=lambda: deque(maxlen=STEPS))
    times: deque[datetime] = field(default_factory=lambda: deque(maxlen=STEPS))
    newest: datetime | None = None

    def add(self, at: datetime | None, row: Json) -> None:
        """Adds a judged row that is newer than the last one."""
        if at is None or (self.newest is not None and at <= self.newest):
            return
        self.newest = at
        self.times.append(at)
        self.requests.append(float(row.get("req_count") or 0))
        self.errors.append(float(row.get("error_rate") or 0))
        latency = row.get("p95_latency_ms")
        # NaN is a missing latency
        self.latencies.append(None if latency is None or latency != latency else float(latency))
        self.flagged.append(bool(row.get("is_anomaly")))


@dataclass
class Snapshot:
    """All that one screen shows."""

    name: str
    time: datetime | None = None
    entities: Sequence[EntityView] = ()
    incidents: Sequence[Json] = ()
    """Incidents as in incidents.json, newest first."""
    accepted: int = 0
    rejected: int = 0
    step_seconds: float = 60.0
    problem: str = ""
    """The fault of the source now, such as a server that does not answer; else empty."""
    note: str = ""
    """Progress of the source, such as the speed of a replay."""


class Feed(Protocol):
    """A source of snapshots."""

    def snapshot(self) -> Snapshot:
        """The present state. A source that is gone gives its last state and the problem."""

    def close(self) -> None:
        """Ends the feed."""


class EntityTable:
    """The endpoints by name, with a bound on their number."""

    def __init__(self) -> None:
        self._entities: dict[tuple[str, str], EntityView] = {}

    def of(self, service: str, endpoint: str) -> EntityView:
        """The endpoint of this name, which is added when it is new."""
        found = self._entities.get((service, endpoint))
        if found is None:
            if len(self._entities) >= ENTITIES:
                oldest = min(self._entities, key=lambda one: str(self._entities[one].newest))
                del self._entities[oldest]
            found = self._entities[service, endpoint] = EntityView(service, endpoint)
        return found

    def worst_first(self) -> list[EntityView]:
        """All endpoints: anomalous ones first, then by score and traffic. A service as a whole,
        which has no rows here, is shown while something is wrong with it."""
        shown = (one for one in self._entities.values() if one.requests or one.state != "normal")
        return sorted(
            shown,
            key=lambda one: (
                one.state != "anomalous",
                one.state != "silent",
                -one.score,
                -(one.requests[-1] if one.requests else 0.0),
                one.service,
                one.endpoint,
            ),
        )
