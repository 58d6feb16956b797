"""The flagged values of a report as documents: expected range, severity, confidence, causes."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mad import _core
from mad.severity import FOUR_LEVELS

if TYPE_CHECKING:
    import numpy as np

_COMPONENTS = {"log_errors": "log", "log_warnings": "log", "missing_spans": "trace"}
"""The components of metrics that are counted of other telemetry."""


def _component_of(metric: str) -> str:
    return "log" if metric.startswith("log_lines: ") else _COMPONENTS.get(metric, "metric")


@dataclass(frozen=True)
class _Flagged:
    """A flagged value."""

    at: np.datetime64
    service: str
    resource: str
    component: str
    feature: str
    value: float
    expected: float
    low: float
    high: float
    severity: str
    score: float

    @property
    def series(self) -> tuple[str, str, str]:
        return self.service, self.resource, self.feature


def anomalies(report: _core.Report) -> list[dict[str, Any]]:
    """The flagged values of a report as JSON documents, in order of time.

    Each has `timestamp` (RFC 3339, start of its step), `service`, `endpoint` (or resource),
    `component` (request, metric, log or trace), `feature` (the leading signal of a row, or the
    metric), and:

    - `anomaly_details`: `value`, `expected_range` (lowest and highest expected value; None where a
      side is open), `anomaly_type` ("spike" above and "drop" below the expected value), `severity`
      (high for Warning, critical for Critical) and `confidence`, the score from 0.5 to 1;
    - `root_cause_analysis`: `suggested_causes` of the incident that the value belongs to, and
      `correlated_anomalies`: other series that were flagged during this incident. Their
      `correlation_score` is the share of this series' flagged steps in which the other was flagged
      too;
    - `explanation`: the summary of the incident, or a sentence about the value alone;
    - `incident`: the id of the incident, or None.

    >>> import mad
    >>> minutes = [minute for minute in range(120) for _ in range(30)]
    >>> report = mad.detect(
    ...     {
    ...         "timestamp": [f"2026-01-06T{10 + m // 60}:{m % 60:02}:00Z" for m in minutes],
    ...         "service": ["payments"] * 3600,
    ...         "endpoint": ["/pay"] * 3600,
    ...         "status_code": [200] * 3600,
    ...         "latency_ms": [900.0 if 90 <= m < 100 else 20.0 + m % 9 for m in minutes],
    ...     }
    ... )
    >>> first = mad.anomalies(report)[0]
    >>> first["timestamp"], first["anomaly_details"]["anomaly_type"]
    ('2026-01-06T11:30:00Z', 'spike')
    """
    flagged = sorted(_flagged(report), key=lambda one: (one.at, one.series))
    steps = defaultdict(set)
    for one in flagged:
        steps[one.series].add(one.at)
    incidents = [_Incident.of(report, one) for one in report.incidents]
    documents = []
    for one in flagged:
        incident = next((known for known in incidents if known.has(one)), None)
        documents.append(_document(one, incident, steps))
    return documents


@dataclass(frozen=True)
class _Incident:
    """An incident with its entities and the answers that its values share."""

    id: str
    start: np.datetime64
    end: np.datetime64
    entities: frozenset[tuple[str, str]]
    summary: str
    causes: list[str]

    @classmethod
    def of(cls, report: _core.Report, incident: _core.Incident) -> _Incident:
        import numpy as np

        found = json.loads(incident.to_json())
        members = [found, *(found.get("members") or [])]
        explanation = report.explain(incident)
        start, end = (
            np.datetime64(at.replace(tzinfo=None)) for at in (incident.start, incident.end)
        )
        return cls(
            incident.id,
            start,
            end,
            frozenset((one["service"], one["endpoint"]) for one in members),
            explanation.summary,
            list(explanation.likely_causes),
        )

    def has(self, one: _Flagged) -> bool:
        return self.holds(one.at) and (one.service, one.resource) in self.entities

    def holds(self, at: np.datetime64) -> bool:
        return bool(self.start <= at < self.end)


def _flagged(report: _core.Report) -> Iterator[_Flagged]:
    """The flagged rows of requests and points of metrics."""
    if "signal" in report.scored.column_names:
        yield from _rows(report.scored, "endpoint", "signal")
    yield from _rows(report.scored_metrics, "resource", "metric")


def _rows(table: _core.Table, resource: str, feature: str) -> Iterator[_Flagged]:
    import numpy as np

    names = ("bucket_ts", "service", resource, feature, "value", "expected")
    more = ("expected_low", "expected_high", "severity", "score")
    columns = [table[name] for name in (*names, *more)]
    for row in np.flatnonzero(table["is_anomaly"]).tolist():
        at, service, place, name, value, *rest = (column[row] for column in columns)
        component = "request" if feature == "signal" else _component_of(name)
        yield _Flagged(at, service, place, component, name, value, *rest)


def _document(
    one: _Flagged,
    incident: _Incident | None,
    steps: dict[tuple[str, str, str], set[np.datetime64]],
) -> dict[str, Any]:
    import numpy as np

    return {
        "timestamp": f"{np.datetime_as_string(one.at, unit='s')}Z",
        "service": one.service,
        "endpoint": one.resource,
        "component": one.component,
        "feature": one.feature,
        "anomaly_details": {
            "value": float(one.value),
            "expected_range": [_finite(one.low), _finite(one.high)],
            "anomaly_type": "spike" if one.value >= one.expected else "drop",
            "severity": FOUR_LEVELS[one.severity],
            "confidence": round(float(one.score), 4),
        },
        "root_cause_analysis": {
            "correlated_anomalies": _correlated(one, incident, steps) if incident else [],
            "suggested_causes": incident.causes if incident else [],
        },
        "explanation": incident.summary if incident else _sentence(one),
        "incident": incident.id if incident else None,
    }


def _correlated(
    one: _Flagged,
    incident: _Incident,
    steps: dict[tuple[str, str, str], set[np.datetime64]],
) -> list[dict[str, Any]]:
    """The other series that were flagged in the same steps of an incident, most steps first."""
    own = {at for at in steps[one.series] if incident.holds(at)}
    found = [
        {
            "service": service,
            "metric": metric,
            "correlation_score": round(len(own & other) / len(own), 4),
        }
        for (service, resource, metric), other in sorted(steps.items())
        if (service, resource, metric) != one.series and own & other
    ]
    return sorted(found, key=lambda other: -other["correlation_score"])


def _sentence(one: _Flagged) -> str:
    name = f"{one.service} {one.resource}".strip()
    low, high = _finite(one.low), _finite(one.high)
    expected = f"{low:g} to {high:g}" if low is not None and high is not None else "another range"
    return f"{name}: {one.feature} was {one.value:g}, expected {expected}."


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
