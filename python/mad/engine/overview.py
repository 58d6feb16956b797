"""The state of whole services, from the states of their endpoints and metrics."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

#: The states of services, worst first. The first two have an open incident.
ServiceStateName = Literal[
    "critical",
    "warning",
    "anomalous",
    "silent",
    "suppressed",
    "normal",
    "too_few_requests",
    "unknown",
    "muted",
    "disabled",
]
ORDER: tuple[str, ...] = get_args(ServiceStateName)
#: Service and severity of open incidents and of their members.
Incidents = Iterable[tuple[str, str]]
_RANK = {state: rank for rank, state in enumerate(ORDER)}


@dataclass(slots=True)
class ServiceState:
    """A service, with the worst state of its endpoints and metrics."""

    name: str
    state: str = "disabled"
    reason: str = ""
    #: When an entity that is too new can be judged, RFC 3339.
    ready_at: str | None = None
    health: float | None = None
    incidents: int = 0
    metrics: int = 0
    #: Service and endpoint of everything with requests in it.
    entities: list[tuple[str, str]] = field(default_factory=list)
    _lowered: str = ""

    def has_name(self, part: str) -> bool:
        """Whether a text is part of the name, in any case of letters."""
        return part.casefold() in self._lowered

    def add(self, state: dict[str, Any]) -> None:
        """Adds the state of an endpoint or metric."""
        of_metric = bool(state["metric"])
        if of_metric:
            self.metrics += 1
        else:
            self.entities.append((self.name, state["endpoint"]))
        # a metric that ended, such as the number of logged errors, says little about the service
        name = "unknown" if of_metric and state["state"] == "silent" else state["state"]
        if not self.reason or _RANK[name] < _RANK[self.state]:
            self.state, self.reason = name, _reason(state)
            self.ready_at = state["ready_at"]
        health = state.get("health")
        if health is not None:
            self.health = health if self.health is None else min(health, self.health)

    def document(self) -> dict[str, Any]:
        """The fields of an answer."""
        return {
            "service": self.name,
            "state": self.state,
            "reason": self.reason,
            "ready_at": self.ready_at,
            "health": self.health,
            "incidents": self.incidents,
            "endpoints": sum(1 for _, endpoint in self.entities if endpoint) or len(self.entities),
            "metrics": self.metrics,
        }


def _reason(state: dict[str, Any]) -> str:
    name = " ".join(filter(None, (state["endpoint"], state["metric"])))
    return f"{name}: {state['reason']}" if name else str(state["reason"])


class Overview:
    """All services, counted again only when the version of the engine has changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._version = -1
        self._services: list[ServiceState] = []

    def services(
        self, version: int, states: Callable[[], bytes], incidents: Callable[[], Incidents]
    ) -> list[ServiceState]:
        """All services, worst first, at a version of the engine."""
        with self._lock:
            if version != self._version:
                self._services = of_states(states(), incidents())
                self._version = version
            return self._services


def of_states(states: bytes, incidents: Incidents) -> list[ServiceState]:
    """All services, worst first and then by name: from the states of the pipeline, and the service
    and severity of every open incident and of its members."""
    found: dict[str, ServiceState] = {}
    for state in json.loads(states):
        name = state["service"]
        one = found.get(name)
        if one is None:
            one = found[name] = ServiceState(name, _lowered=name.casefold())
        one.add(state)
    for name, severity in incidents:
        if (one := found.get(name)) is not None:
            one.incidents += 1
            level = "critical" if severity == "Critical" else "warning"
            one.state = min(level, one.state, key=_RANK.__getitem__)
    return sorted(found.values(), key=lambda one: (_RANK[one.state], one.name))
