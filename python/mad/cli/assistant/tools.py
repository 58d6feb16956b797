"""The tools: questions about incidents, the health of services, and why a row was not flagged."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mad.cli.assistant.results import MOST, Document, Results
from mad.report.words import visible

LONGEST_ANSWER = 32_000
"""Most characters of an answer. A longer one loses entries at its end and says so."""
_LONGEST_ARGUMENT = 512
_NAMES: dict[str, Any] = {
    "service": {"type": "string", "description": "exact name of a service"},
    "endpoint": {"type": "string", "description": "exact name of an endpoint or resource"},
}
_TIMES: dict[str, Any] = {
    "start": {"type": "string", "description": "incidents that end after this time, RFC 3339"},
    "end": {
        "type": "string",
        "description": "incidents that start before this time, RFC 3339",
    },
}
_CHANGE = "A change of "
"""The beginning of a likely cause that is a change."""
_SHORT = ("id", "severity", "status", "service", "endpoint", "start", "end")
_EVIDENCE = (
    *_SHORT,
    "opened_at",
    "signals",
    "rows",
    "requests",
    "errors",
    "peaks",
    "affected",
    "chain",
    "slo",
    "flapping",
    "reopened",
)
_STATE = (
    "service",
    "endpoint",
    "metric",
    "state",
    "reason",
    "health",
    "score",
    "points",
    "ready_at",
    "last_seen",
)


class ToolError(Exception):
    """An argument that a tool does not accept."""


@dataclass(frozen=True)
class _Tool:
    description: str
    properties: Mapping[str, Any]
    required: tuple[str, ...]
    answer: Callable[[Results, Mapping[str, Any]], Any]


class Tools:
    """The tools over results."""

    def __init__(self, results: Results) -> None:
        self._results = results

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tools."""
        return tuple(_TOOLS)

    def described(self) -> list[dict[str, Any]]:
        """Names, descriptions and schemas of the tools."""
        return [
            {
                "name": name,
                "description": tool.description,
                "inputSchema": {
                    "type": "object",
                    "properties": dict(tool.properties),
                    "required": list(tool.required),
                    "additionalProperties": False,
                },
                "annotations": {"readOnlyHint": True, "openWorldHint": False},
            }
            for name, tool in _TOOLS.items()
        ]

    def call(self, name: str, given: Mapping[str, Any]) -> str:
        """The answer of a tool as JSON text of at most `LONGEST_ANSWER` characters.

        Raises `ToolError` for a wrong argument.
        """
        tool = _TOOLS[name]
        return _bounded(tool.answer(self._results, _checked(tool, given)))


def _checked(tool: _Tool, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with the types of the schema. Raises `ToolError`."""
    for name in tool.required:
        if given.get(name) is None:
            raise ToolError(f"{name} is missing: {tool.properties[name]['description']}")
    checked: dict[str, Any] = {}
    for name, value in given.items():
        schema = tool.properties.get(name)
        if schema is None:
            names = ", ".join(tool.properties)
            raise ToolError(f"{visible(str(name)[:80])} is no argument; this tool has {names}")
        if value is not None:
            checked[name] = _value(name, schema, value)
    return checked


def _value(name: str, schema: Mapping[str, Any], value: Any) -> Any:
    if schema["type"] == "integer":
        if isinstance(value, bool) or not isinstance(value, int):
            raise ToolError(f"{name} is {value!r:.80}; give a whole number")
        if not schema["minimum"] <= value <= schema["maximum"]:
            raise ToolError(
                f"{name} is {value}; give a number from {schema['minimum']} to {schema['maximum']}"
            )
        return value
    if schema["type"] == "boolean":
        if not isinstance(value, bool):
            raise ToolError(f"{name} is {value!r:.80}; give true or false")
        return value
    if not isinstance(value, str) or len(value) > _LONGEST_ARGUMENT:
        raise ToolError(f"{name} is not a text of at most {_LONGEST_ARGUMENT} characters")
    if "enum" in schema and value not in schema["enum"]:
        raise ToolError(f"{name} is {value!r:.80}; give one of {', '.join(schema['enum'])}")
    return value


def _bounded(answer: Any) -> str:
    """JSON text. Entries at the end of the longest lists are left out until it is short enough."""
    left_out = 0
    while True:
        text = json.dumps(_clean(answer), ensure_ascii=False, separators=(",", ":"))
        if len(text) <= LONGEST_ANSWER:
            return text
        longest = max(_lists(answer), key=lambda one: len(str(one)), default=None)
        if longest is None:
            return text[:LONGEST_ANSWER]
        cut = max(len(longest) // 2, 1)
        left_out += cut
        del longest[-cut:]
        answer["left_out"] = f"{left_out} entries, because an answer has a limit; ask for less"


def _lists(value: Any) -> list[list[Any]]:
    """All lists with entries in a value."""
    if isinstance(value, dict):
        return [one for inner in value.values() for one in _lists(inner)]
    if isinstance(value, list) and value:
        return [value, *(one for inner in value for one in _lists(inner))]
    return []


def _clean(value: Any) -> Any:
    """The value without control characters, which telemetry may contain."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {key: _clean(one) for key, one in value.items()}
    return [_clean(one) for one in value] if isinstance(value, list) else value


def _chosen(record: Document, names: tuple[str, ...]) -> Document:
    return {name: record[name] for name in names if record.get(name) not in (None, "", [], {})}


def _list_incidents(results: Results, given: Mapping[str, Any]) -> Document:
    found = results.incidents(**{"limit": 10, **given})
    rows = [
        {
            **_chosen(one, _SHORT),
            "line": (one.get("explanation") or {}).get("line", ""),
            "culprit": one.get("culprit"),
        }
        for one in found
    ]
    return {"count": len(rows), "incidents": rows}


def _get_incident(results: Results, given: Mapping[str, Any]) -> Document:
    found = results.incident(given["id"])
    ranking = found.get("ranking") or {}
    return {
        **_chosen(found, _EVIDENCE),
        "culprit": found.get("culprit"),
        "explanation": found.get("explanation") or {},
        "ranking": {
            "abstained": ranking.get("abstained"),
            "culprits": [
                _chosen(
                    one,
                    ("service", "endpoint", "metric", "score", "onset", "last", "rows", "evidence"),
                )
                for one in ranking.get("culprits") or ()
            ],
        },
        "notes": found.get("notes") or [],
    }


def _services_health(results: Results, given: Mapping[str, Any]) -> Document:
    states = results.states(given.get("service"), None)
    services: dict[str, Document] = {}
    for state in states:
        entry = services.setdefault(
            state["service"], {"service": state["service"], "health": None, "states": {}}
        )
        kind, health = state.get("state", "unknown"), state.get("health")
        entry["states"][kind] = entry["states"].get(kind, 0) + 1
        if health is not None:
            entry["health"] = min(health, 100.0 if entry["health"] is None else entry["health"])
        # states arrive worst first
        entry.setdefault("worst", _chosen(state, ("endpoint", "metric", "state", "reason")))
    listed = list(services.values())[: given.get("limit", 20)]
    return {
        "count": len(listed),
        "note": f"health is 0 to 100, the lowest of the endpoints; at most {MOST} states are read",
        "services": listed,
    }


def _why_not_flagged(results: Results, given: Mapping[str, Any]) -> Document:
    found = results.states(given["service"], given.get("endpoint"))
    metric = given.get("metric")
    found = [one for one in found if metric is None or one.get("metric") == metric]
    if not found:
        raise ToolError(
            f"{given['service']!r} has no such endpoint or metric; services_health lists services"
        )
    return {"count": len(found), "states": [_chosen(one, _STATE) for one in found[:20]]}


def _list_changes(results: Results, given: Mapping[str, Any]) -> Document:
    wanted = {name: given[name] for name in ("service", "start", "end") if name in given}
    found = [
        change
        for incident in results.incidents(**wanted, limit=MOST)
        for change in _changes_of(incident)
    ][: given.get("limit", 20)]
    return {"count": len(found), "changes": found}


def _changes_of(incident: Document) -> list[Document]:
    """The changes that an incident names, in its chain or among its likely causes."""
    identity = {"incident": incident.get("id")}
    chain = [
        {**identity, "service": link.get("service"), **link["change"]}
        for link in incident.get("chain") or ()
        if link.get("change")
    ]
    causes = (incident.get("explanation") or {}).get("likely_causes") or ()
    return chain or [{**identity, "text": text} for text in causes if text.startswith(_CHANGE)]


def _limit(default: int, most: int) -> dict[str, Any]:
    return {
        "type": "integer",
        "minimum": 1,
        "maximum": most,
        "description": f"most entries, {default} by default",
    }


_TOOLS = {
    "list_incidents": _Tool(
        "Incidents, the newest first: id, severity, place, time, one line, culprit.",
        {
            **_NAMES,
            "status": {
                "type": "string",
                "enum": ["open", "acknowledged", "resolved"],
                "description": "state of the incident",
            },
            "active": {"type": "boolean", "description": "only incidents that are not resolved"},
            **_TIMES,
            "limit": _limit(10, 50),
        },
        (),
        _list_incidents,
    ),
    "get_incident": _Tool(
        "One incident with its explanation, evidence, ranking of culprits, impact and next steps.",
        {"id": {"type": "string", "description": "the id of an incident, such as INC-..."}},
        ("id",),
        _get_incident,
    ),
    "services_health": _Tool(
        "Health (0 to 100) and the worst state of each service, the worst first.",
        {"service": _NAMES["service"], "limit": _limit(20, 50)},
        (),
        _services_health,
    ),
    "why_not_flagged": _Tool(
        "Why the endpoints or metrics of a service are flagged now, or why they are not: learning, "
        "too few requests, a small effect, muted, normal.",
        {
            **_NAMES,
            "metric": {"type": "string", "description": "name of a metric of the service"},
        },
        ("service",),
        _why_not_flagged,
    ),
    "list_changes": _Tool(
        "Changes (such as releases) that incidents name as likely causes, with each incident.",
        {"service": _NAMES["service"], **_TIMES, "limit": _limit(20, 50)},
        (),
        _list_changes,
    ),
}
