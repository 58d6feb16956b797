"""One incident of the HTML page: its facts, explanation, ranking and charts as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mad import times
from mad.report import charts, scales, summary, words
from mad.severity import SEVERITIES

Json = Mapping[str, Any]

AFFECTED = 12
"""Most affected endpoints that an incident lists."""

_SIGNAL_ORDER = ("p95_latency_ms", "p50_latency_ms", "error_rate", "req_count")


def kind(severity: object) -> str:
    """A severity as a class name, safe for any text."""
    return str(severity) if severity in SEVERITIES else "Info"


def row(incident: Json, step: float) -> dict[str, Any]:
    """An incident as a row of a table."""
    start, end = summary.bounds(incident, step)
    severity = words.visible(incident.get("severity") or "Info")
    culprit = summary.culprit_of(incident)
    seconds = (end - start).total_seconds() if start and end else step
    return {
        "id": words.visible(incident.get("id") or ""),
        "name": words.entity(incident),
        "severity": severity,
        "kind": kind(severity),
        "mark": words.MARKS.get(severity, "●"),
        "status": words.visible(incident.get("status") or ""),
        "when": times.span(start, end),
        "length": times.length(seconds),
        "what": summary.peaks_text(incident),
        "culprit": words.entity(culprit) if culprit else "",
    }


def section(incident: Json, step: float, titled: bool) -> dict[str, Any]:
    """An incident in full. `titled` charts show a value for every step under the pointer."""
    start, end = summary.bounds(incident, step)
    door = incident.get("front_door") or incident
    requests, errors = door.get("requests"), door.get("errors")
    facts = []
    if words.is_number(requests) and requests:
        failed = f"{words.count(errors)} of {words.plural(requests, 'request')} failed"
        facts.append(failed + _counted(incident))
    if words.is_number(incident.get("rows")):
        facts.append(words.plural(incident["rows"], "flagged row"))
    opened = times.time_or_none(incident.get("opened_at"))
    if opened is not None and start is not None:
        facts.append(f"detected {times.length((opened - start).total_seconds())} after its start")
    named = [words.visible(name) for name in incident.get("affected") or []]
    affected = [name for name in named if name != words.entity(incident)]
    if len(affected) > AFFECTED:
        affected[AFFECTED:] = [f"{len(affected) - AFFECTED} more"]
    explanation = incident.get("explanation") or {}
    return {
        **row(incident, step),
        "facts": facts,
        "affected": affected,
        "summary": words.visible(explanation.get("summary") or ""),
        "findings": _lists(summary.findings(explanation)),
        "parts": _lists(summary.reasons(explanation)),
        "similar": summary.similar(incident),
        "confidence": words.visible(explanation.get("confidence") or ""),
        "confidence_rule": words.visible(explanation.get("confidence_rule") or ""),
        "ranking": _ranking(incident),
        "charts": _charts(incident, start, end, titled),
    }


def _counted(incident: Json) -> str:
    """` at web /buy and 2 more` where the front door is not the entity of the incident alone."""
    entities = (incident.get("front_door") or {}).get("entities") or []
    names = [words.entity(one) for one in entities]
    if not names or names == [words.entity(incident)]:
        return ""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f" at {names[0]}{more}"


def _lists(parts: list[tuple[str, list[str]]]) -> list[dict[str, Any]]:
    """Headings with their items."""
    return [{"heading": heading, "items": items} for heading, items in parts]


def _ranking(incident: Json) -> dict[str, Any]:
    ranking = incident.get("ranking") or {}
    culprits = []
    for place, culprit in enumerate(ranking.get("culprits") or [], start=1):
        onset = times.time_or_none(culprit.get("onset"))
        evidence = []
        for item in culprit.get("evidence") or []:
            signal = str(item.get("signal") or "")
            evidence.append(
                {
                    "signal": words.signal_name(signal),
                    "value": words.quantity(item.get("value"), signal),
                    "expected": expected(item, signal),
                    "z": words.z_score(item.get("z")),
                    "rows": words.count(item.get("rows")),
                    "text": words.visible(item.get("text") or ""),
                }
            )
        score = culprit.get("score")
        culprits.append(
            {
                "place": place,
                "name": words.entity(culprit),
                "metric": words.signal_name(str(culprit.get("metric") or "")),
                "score": words.significant(float(score)) if words.is_number(score) else words.DASH,
                "onset": times.moment(onset) if onset else words.DASH,
                "evidence": evidence,
            }
        )
    return {"culprits": culprits, "abstained": bool(ranking.get("abstained"))}


def expected(item: Json, signal: str) -> str:
    """The expected value or range of an evidence item, as text."""
    value = item.get("expected")
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
        return words.quantity_range(value[0], value[1], signal)
    if words.is_number(value):
        return words.quantity(value, signal)
    return words.quantity_range(item.get("expected_low"), item.get("expected_high"), signal)


def _charts(
    incident: Json, start: datetime | None, end: datetime | None, titled: bool
) -> list[dict[str, Any]]:
    """The charts of an incident: its signals by deviation, the largest first and drawn large."""
    from markupsafe import Markup

    series = incident.get("series") or {}
    parsed = [times.time_or_none(bucket) for bucket in series.get("bucket") or []]
    keep = [i for i, bucket in enumerate(parsed) if bucket is not None]
    if not keep:
        return []
    buckets = [bucket.timestamp() for bucket in parsed if bucket is not None]
    step = float(series.get("step_seconds") or 60)
    shaded = (start.timestamp(), end.timestamp()) if start and end else None
    flagged = _column(series.get("flagged"), keep)
    counts = _column(series.get("count"), keep)
    peaks = {peak["signal"]: peak for peak in summary.peaks(incident)}
    responsible = set(incident.get("signals") or [])

    def order(signal: Json) -> tuple[bool, float, int]:
        name = signal.get("name")
        size = float(peaks[name]["size"]) if name in peaks else 0.0
        place = _SIGNAL_ORDER.index(name) if name in _SIGNAL_ORDER else 9
        return name not in responsible, -size, place

    ordered = sorted(series.get("signals") or [], key=order)
    drawn: list[dict[str, Any]] = []
    for signal in [*ordered[:1], *sorted(ordered[1:], key=lambda signal: order(signal)[2])]:
        name = str(signal.get("name") or "")
        values, low, high = (
            [float(v) if words.is_number(v) else None for v in _column(signal.get(key), keep)]
            for key in ("values", "low", "high")
        )
        line = charts.Series(
            name=name,
            buckets=buckets,
            step=step,
            values=values,
            low=low,
            high=high,
            flagged=[bool(flag) for flag in flagged],
            responsible=name in responsible,
            counts=counts,
        )
        if not any(map(words.is_number, counts)):
            line = charts.alone(line)
        peak = peaks.get(name)
        note = (
            f"strongest deviation {peak['value']}, {peak['expected']}".removesuffix(", ")
            if peak
            else "not flagged"
        )
        label = f"{words.signal_name(name)} of {words.entity(incident)}: {note}"
        sizes = (charts.WIDE, charts.NARROW) if not drawn else (charts.NARROW,)
        drawn.append(
            {
                "name": words.signal_name(name),
                "note": note,
                "log": scales.value_axis(values, low, high, name).log,
                "folded": charts.is_folded(line),
                "svgs": [
                    Markup(charts.chart(line, size, shaded, label, every_title=titled))
                    for size in sizes
                ],
            }
        )
    return drawn


def _column(values: Any, keep: Sequence[int]) -> list[Any]:
    """The values of a column at the given places; None where the column is too short."""
    column = list(values or [])
    return [column[i] if i < len(column) else None for i in keep]
