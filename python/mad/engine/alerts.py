"""Decides which changes of incidents become alerts, and writes their documents.

One lasting fault gives at most three messages: it opened, one update, and it was resolved. Only an
escalation after a change of culprit is a fourth.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from mad.engine.clock import SECOND
from mad.journal import Alert
from mad.severity import SEVERITIES

#: Version of the documents of notifications.
VERSION = 1
EVENTS = ("opened", "escalated", "culprit_changed", "resolved", "reopened")
#: Event time after the opening in which the culprit may still change without a message, because the
#: ranking settles with the first rows.
SETTLE_NANOSECONDS = 300 * SECOND
#: Longest time for which the message about the end of an incident is held.
LONGEST_HOLD_SECONDS = 3_600.0
#: Most affected entities, causes and actions in a document.
_MOST = 10
#: Most characters of a text in a document.
_TEXT = 1_000


@dataclass(frozen=True, slots=True)
class Route:
    """Which alerts a sink receives."""

    sink: str
    events: tuple[str, ...] = EVENTS
    services: tuple[str, ...] = ("*",)
    min_severity: str = "Warning"

    def takes(self, event: str, service: str, severity: str) -> bool:
        """Whether an alert goes to this sink. The journal knows which ones have to hear of an
        end."""
        if event == "resolved":
            return event in self.events
        return (
            event in self.events
            and SEVERITIES.index(severity) >= SEVERITIES.index(self.min_severity)
            and any(fnmatchcase(service, pattern) for pattern in self.services)
        )


@dataclass(slots=True)
class _Known:
    """What the last message about an open incident said."""

    severity: str
    culprit: list[str] | None
    opened: int
    updates: int = 0


@dataclass(slots=True)
class AlertLog:
    """Turns changes of incidents into alerts. The same entries give the same alerts, so that a
    replay repeats none."""

    routes: Sequence[Route] = ()
    cooldown_seconds: float = 600.0
    _open: dict[str, _Known] = field(default_factory=dict)

    def restore(self, states: Iterable[tuple[str, str, str]]) -> None:
        """Starts from the newest alerts of a checkpoint: incident, event and state of each."""
        self._open = {
            incident: _Known(**json.loads(state))
            for incident, event, state in states
            if event != "resolved"
        }

    def alerts(
        self,
        seq: int,
        changes: Iterable[tuple[str, str, int, str]],
        incidents: Iterable[tuple[Any, ...]],
        *,
        by_command: bool,
    ) -> list[Alert]:
        """The alerts of one entry: from the changes (what, incident, when, JSON) and the incidents
        that changed, as the core gives them. `by_command`: a person made the changes."""
        data = {record[0]: str(record[8]) for record in incidents}
        found = []
        for position, (change, incident, at, text) in enumerate(changes):
            if incident not in data:
                continue
            severity = str(json.loads(text)["severity"])
            culprit = _culprit_of(data[incident])
            last = self._open.get(incident)
            before = last and replace(last)
            event = self._event(incident, change, at, severity, culprit)
            if event is None:
                continue
            known = self._open.get(incident) or _Known(severity, culprit, at)
            document, reopened = _document(event, seq, position, json.loads(data[incident]), before)
            hold = 0.0
            if event == "resolved":
                self._open.pop(incident, None)
                hold = 0.0 if by_command else self._hold(reopened)
            service = str(document["incident"]["service"])
            sinks = [one.sink for one in self.routes if one.takes(event, service, severity)]
            found.append(
                Alert(
                    seq,
                    position,
                    incident,
                    event,
                    at,
                    json.dumps(asdict(known)),
                    json.dumps(document, ensure_ascii=False),
                    tuple(sinks),
                    at + int(hold * SECOND) if hold else 0,
                    hold,
                )
            )
        return found

    def _event(
        self, incident: str, change: str, at: int, severity: str, culprit: list[str] | None
    ) -> str | None:
        """The event of a change, or None; remembers the last message."""
        if change == "closed":
            return "resolved"
        known = self._open.get(incident)
        if change in ("opened", "reopened"):
            updates = int(change == "reopened")
            self._open[incident] = _Known(severity, culprit, at, updates)
            return change
        if known is None:  # it opened before there were alerts
            self._open[incident] = _Known(severity, culprit, at)
            return None
        if SEVERITIES.index(severity) > SEVERITIES.index(known.severity):
            known.severity, known.culprit = severity, culprit
            known.updates += 1
            return "escalated"
        is_settled = at - known.opened >= SETTLE_NANOSECONDS
        if culprit and culprit != known.culprit and is_settled and not known.updates:
            known.culprit = culprit
            known.updates += 1
            return "culprit_changed"
        return None

    def _hold(self, reopened: int) -> float:
        """Seconds after the last row in which an incident may reopen under its id."""
        return min(self.cooldown_seconds * 2.0 ** min(reopened, 20), LONGEST_HOLD_SECONDS)


def _culprit_of(data: str) -> list[str] | None:
    """Service and endpoint of the culprit in the JSON of an incident, without parsing all of it.
    The key cannot stand inside of a text, whose quotes are escaped."""
    place = data.find('"culprit":')
    if place < 0:
        return None
    found, _ = json.JSONDecoder().raw_decode(data, place + len('"culprit":'))
    return [found["service"], found["endpoint"]] if found else None


def _document(
    event: str, seq: int, position: int, incident: dict[str, Any], before: _Known | None
) -> tuple[dict[str, Any], int]:
    """The document of a notification, and how often the incident reopened."""
    explanation = incident["explanation"]
    document = {
        "version": VERSION,
        "id": f"{incident['id']}:{seq}:{position}",
        "key": incident["id"],
        "event": event,
        "title": _short(explanation["line"]),
        "reason": _short(explanation["summary"]),
        "culprit": incident["culprit"],
        "incident": {
            **{
                name: incident[name]
                for name in (
                    "id",
                    "fingerprint",
                    "service",
                    "endpoint",
                    "severity",
                    "status",
                    "start",
                    "end",
                    "signals",
                )
            },
            "affected": incident["affected"][:_MOST],
            "affected_count": 1 + int(incident["reached"]),
        },
        "causes": [_short(text) for text in explanation["likely_causes"][:_MOST]],
        "actions": [_short(text) for text in explanation["recommended_actions"][:_MOST]],
        "previous": before and {"severity": before.severity, "culprit": _entity(before.culprit)},
    }
    return document, int(incident["reopened"])


def _entity(names: list[str] | None) -> dict[str, str] | None:
    return None if names is None else {"service": names[0], "endpoint": names[1]}


def _short(text: str) -> str:
    return text if len(text) <= _TEXT else f"{text[: _TEXT - 3]}..."
