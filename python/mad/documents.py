"""Checks documents that come from outside: answers of a server, and files that others may change.

A document is checked once, where it is read, so that what shows it need not doubt its types.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mad.errors import InputError
from mad.report.words import visible
from mad.sinks import files
from mad.times import time_or_none

MOST_LEVELS = 64
"""Deepest nesting of a document; those of mad have less than ten levels."""
_LONGEST_PATH = 120
_LONGEST_SPAN = 1e9
"""Largest number of a duration, in any unit."""
_YEARS = (1970, 9000)
"""Years of a time. Later ones overflow when a duration is added."""


@dataclass(frozen=True)
class Value:
    """A text, a message, a number, a time or a flag."""

    name: str


@dataclass(frozen=True)
class Listed:
    """A list of documents of one shape."""

    of: Shape


@dataclass(frozen=True)
class Named:
    """An object with any names, whose values have one shape."""

    of: Shape


@dataclass(frozen=True)
class Fields:
    """An object. A field that is missing or null has any shape unless it is required; fields that
    are not named here are not checked."""

    shapes: Mapping[str, Shape]
    required: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Either:
    """A document of one of two shapes."""

    first: Shape
    second: Shape


Shape = Value | Listed | Named | Fields | Either

TEXT, TIME, FLAG = Value("a text"), Value("a time"), Value("true or false")
NUMBER, SPAN = Value("a number"), Value("a duration")
MESSAGE = Value("a message of texts")
"""A text, or lists and objects of texts: sentences that are written in a language later."""

_TEXTS = Listed(TEXT)
ENTITY = Fields({"service": TEXT, "endpoint": TEXT, "metric": TEXT})
_RANGE = dict.fromkeys(("usual", "expected", "expected_low", "expected_high", "z"), NUMBER)
_PEAK = Fields({**_RANGE, "value": NUMBER, "at": TIME})
_EVIDENCE = Fields(
    {**_RANGE, "value": NUMBER, "signal": TEXT, "rows": NUMBER, "at": TIME, "text": TEXT}
)
_CULPRIT = Fields(
    {
        **ENTITY.shapes,
        "score": NUMBER,
        "rows": NUMBER,
        "severity": TEXT,
        "onset": TIME,
        "last": TIME,
        "evidence": Listed(_EVIDENCE),
        "log": Fields({"text": TEXT}),
    }
)
RANKING = Fields(
    {
        "at": TIME,
        "minutes": SPAN,
        "abstained": FLAG,
        "problem": TEXT,
        "culprits": Listed(_CULPRIT),
    }
)
_PARTS = (
    "why_flagged",
    "log_evidence",
    "impact",
    "chain",
    "likely_causes",
    "recommended_actions",
    "checks",
    "severity_evidence",
)
_EXPLANATION = Fields(
    {
        **dict.fromkeys(("summary", "line", "confidence", "confidence_rule"), TEXT),
        **dict.fromkeys(("root_cause", "first_failure"), Either(TEXT, _TEXTS)),
        **dict.fromkeys(_PARTS, _TEXTS),
    }
)
_LINK = Fields({**ENTITY.shapes, "at": TIME, "change": Fields({"kind": TEXT, "at": TIME})})
INCIDENT = Fields(
    {
        **dict.fromkeys(("id", "service", "endpoint", "severity", "status"), TEXT),
        **dict.fromkeys(("start", "end", "opened_at", "closed_at"), TIME),
        **dict.fromkeys(("rows", "requests", "errors", "reopened", "reached"), NUMBER),
        "neg_log10_p": NUMBER,
        "signals": _TEXTS,
        "affected": _TEXTS,
        "peaks": Named(_PEAK),
        "culprit": ENTITY,
        "ranking": RANKING,
        "explanation": _EXPLANATION,
        "messages": MESSAGE,
        "chain": Listed(_LINK),
        "members": Listed(ENTITY),
        "front_door": Fields(
            {"entities": Listed(ENTITY), **dict.fromkeys(("requests", "errors"), NUMBER)}
        ),
        "similar": Listed(Fields({"id": TEXT, "severity": TEXT, "start": TIME, "end": TIME})),
        "notes": Listed(Fields({})),
    },
    frozenset({"id", "service"}),
)
STATE = Fields(
    {
        **ENTITY.shapes,
        **dict.fromkeys(("state", "reason"), TEXT),
        **dict.fromkeys(("health", "score", "points"), NUMBER),
        **dict.fromkeys(("since", "last_seen", "ready_at"), TIME),
    },
    frozenset({"service", "endpoint", "state", "reason"}),
)
ROW = Fields(
    {
        **dict.fromkeys(("service", "endpoint", "severity", "signal"), TEXT),
        **dict.fromkeys(
            ("req_count", "error_count", "error_rate", "p95_latency_ms", "score", "value"), NUMBER
        ),
        **_RANGE,
        "bucket_ts": TIME,
        "is_anomaly": FLAG,
    },
    frozenset({"service", "endpoint"}),
)
ALERT = Fields(
    {
        **dict.fromkeys(("created_at", "sink", "status", "event", "incident"), TEXT),
        **dict.fromkeys(("id", "attempts"), NUMBER),
        "reason": TEXT,
    },
    frozenset({"created_at", "id", "sink", "status", "attempts", "event", "incident"}),
)
RETRIED = Fields({"retried": NUMBER}, frozenset({"retried"}))
ANY = Fields({})
"""Any object."""
LEVELS = Fields({"levels": Listed(Fields({"text": TEXT}, frozenset({"text"})))})
HEALTH = Fields(
    {"status": TEXT, "message": TEXT, "watermark": TIME, "accepted": NUMBER, "rejected": NUMBER},
    frozenset({"status"}),
)
CULPRITS = Fields(RANKING.shapes, frozenset({"culprits"}))
"""The answer to a question for culprits."""
GRAPH = Fields({"nodes": Listed(Fields({"service": TEXT}, frozenset({"service"})))})
WHY = Fields({"reason": TEXT}, frozenset({"reason"}))
LOG_LINES = Listed(Fields({"id": TEXT, "top_cluster": TEXT}))
RUN = Fields(
    {
        "incidents": Listed(INCIDENT),
        "states": Listed(STATE),
        "problem": TEXT,
        "hint": TEXT,
        "step_seconds": SPAN,
        "graph": GRAPH,
    },
    frozenset({"incidents"}),
)
"""The document of incidents.json."""


def read_run(path: Path, hint: str = "") -> dict[str, Any]:
    """The document that `mad detect` wrote, from its file or its directory.

    Raises `InputError` when it cannot be read or has another shape.
    """
    file = path / "incidents.json" if path.is_dir() or not path.exists() else path
    document: dict[str, Any] = files.read_json(file, hint)
    if (wrong := fault(document, RUN)) is not None:
        raise InputError(f"{file} contains no incidents of mad: {visible(wrong)}", hint)
    return document


def listed(of: Shape) -> Fields:
    """An answer of a query route, with its rows in `data`."""
    return Fields({"data": Listed(of)}, frozenset({"data"}))


def fault(document: Any, shape: Shape) -> str | None:
    """The fault of a document, such as `data[3].rows is [], which is not a number`.

    None where it has the shape, and at most `MOST_LEVELS` levels.
    """
    if _is_deep(document):
        return f"it is nested deeper than {MOST_LEVELS} levels"
    found = next(_faults(document, shape, ""), None)
    if found is None:
        return None
    path, what = found
    return f"{path[:_LONGEST_PATH] or 'the document'} {what}"


def _is_deep(document: Any) -> bool:
    level = [document]
    for _ in range(MOST_LEVELS):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner += (part for part in one.values() if isinstance(part, (dict, list)))
            elif isinstance(one, list):
                inner += (part for part in one if isinstance(part, (dict, list)))
        if not inner:
            return False
        level = inner
    return True


def _faults(value: Any, shape: Shape, path: str) -> Iterator[tuple[str, str]]:
    """The path and the fault of each part that has another shape."""
    if isinstance(shape, Either):
        if any(
            next(_faults(value, one, path), None) is None for one in (shape.first, shape.second)
        ):
            return
        yield from _faults(value, shape.first, path)
    elif isinstance(shape, Listed):
        if not isinstance(value, list):
            yield path, _is_not(value, "a list")
            return
        for place, one in enumerate(value):
            yield from _faults(one, shape.of, f"{path}[{place}]")
    elif isinstance(shape, Value):
        if not _fits(value, shape):
            yield path, _is_not(value, shape.name)
    elif not isinstance(value, dict):
        yield path, _is_not(value, "an object")
    elif isinstance(shape, Named):
        for name, one in value.items():
            if not _is_unicode(name):
                yield path, f"has the name {name!r:.60}, which is not a text"
            yield from _faults(one, shape.of, f"{path}.{name:.40}".lstrip("."))
    else:
        for name, of in shape.shapes.items():
            inner = f"{path}.{name}".lstrip(".")
            if value.get(name) is not None:
                yield from _faults(value[name], of, inner)
            elif name in shape.required:
                yield inner, "is missing"


def _fits(value: Any, shape: Value) -> bool:
    if shape == FLAG:
        return isinstance(value, bool)
    if shape in (NUMBER, SPAN):
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        # a whole number of JSON may be larger than any other number, and NaN is not equal to itself
        most = sys.float_info.max if shape == NUMBER else _LONGEST_SPAN
        return is_number and abs(value) <= most and value == value
    if shape == MESSAGE:
        return _is_message(value)
    if not isinstance(value, str) or not _is_unicode(value):
        return False
    at = time_or_none(value) if shape == TIME else None
    return at is None or _YEARS[0] <= at.year <= _YEARS[1]


def _is_message(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_unicode(name) and _is_message(one) for name, one in value.items())
    if isinstance(value, list):
        return all(map(_is_message, value))
    return value is None or (isinstance(value, str) and _is_unicode(value))


def _is_unicode(text: str) -> bool:
    """Whether a text has no half of a surrogate pair, which JSON can name and UTF-8 cannot hold."""
    return text.isascii() or not any("\ud800" <= one <= "\udfff" for one in text)


def _is_not(value: Any, name: str) -> str:
    shown = repr(value) if not isinstance(value, (dict, list)) else type(value).__name__
    return f"is {shown:.60}, which is not {name}"
