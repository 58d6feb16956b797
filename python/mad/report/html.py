"""The self-contained HTML page of a detection document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from mad import times
from mad.report import charts, graph, multiples, scales, summary, words
from mad.report.page import render_page
from mad.severity import SEVERITIES

Json = Mapping[str, Any]

FULL_INCIDENTS = 50
"""Incidents shown in full; older ones become rows of a table."""
INDEXED = 3
"""With more incidents than this, a table of all of them comes first."""
LANES = 30
"""Most entities in the timeline."""
TITLED_INCIDENTS = 8
"""Incidents whose charts show a value for every step under the pointer; more would make the page
large."""
ENTITY_ROWS = 40
"""Most rows in the table of analysed entities."""
UNFLAGGED_ROWS = 20
"""Most rows in the table of entities that are not flagged."""
AFFECTED = 12
"""Most affected endpoints that an incident lists."""
MORE_ROWS = 500
"""Most rows in the table of older incidents."""
LEVELS = 100
"""Most rows in the table of new levels."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SIGNAL_ORDER = ("p95_latency_ms", "p50_latency_ms", "error_rate", "req_count")


def render(document: Json) -> str:
    """The page for `document`; the template escapes every name."""
    return render_page("report.html.j2", view(document))


def view(document: Json) -> dict[str, Any]:
    """All values that the template prints, as text."""
    step = float(document.get("step_seconds") or 60)
    found = summary.incidents(document)
    title, lead = summary.headline(document)
    first, last = (times.time_or_none(document.get(key)) for key in ("first", "last"))
    full = found[:FULL_INCIDENTS]
    top = summary.top_incident(found)
    older = found[FULL_INCIDENTS:]
    levels = document.get("levels") or []
    return {
        "title": title,
        "lead": lead,
        "severity": _kind(top["severity"]) if top and "severity" in top else "None",
        "span": times.span(first, last) if first and last else "",
        "length": times.length((last - first).total_seconds()) if first and last else "",
        "tiles": _tiles(document, found),
        "timeline": _timeline(found, first, last, step),
        "incidents": [
            _incident(incident, step, position < TITLED_INCIDENTS)
            for position, incident in enumerate(full)
        ],
        "index": [_row(incident, step) for incident in full] if len(full) > INDEXED else [],
        "older": [_row(incident, step) for incident in older[:MORE_ROWS]],
        "older_left": max(len(older) - MORE_ROWS, 0),
        "flagged_alone": summary.judged(document)[1]
        - sum(int(incident.get("rows") or 0) for incident in found),
        "levels": [words.visible(level["text"]) for level in levels[:LEVELS]],
        "levels_left": max(len(levels) - LEVELS, 0),
        "multiples": multiples.section(document.get("overview")),
        "graph": graph.section(document.get("graph")),
        "suppressed": summary.suppressed(document),
        "unflagged": summary.unflagged(document)[:UNFLAGGED_ROWS],
        "states_line": summary.states_line(document),
        "rejected": _rejected(document),
        "entities": _entities(document),
        "entities_left": max(len(document.get("timeline") or []) - ENTITY_ROWS, 0),
        "footer": _footer(document, step),
        "marks": words.MARKS,
    }


def _tiles(document: Json, found: Sequence[Json]) -> list[dict[str, str]]:
    requests, errors = document.get("requests") or 0, document.get("errors") or 0
    rows, flagged = summary.judged(document)
    services = {entry.get("service") for entry in document.get("timeline") or []}
    open_now = sum(summary.is_open(incident) for incident in found)
    rejected = (document.get("rejected") or {}).get("total") or 0
    records = requests + (document.get("points") or 0)
    share = words.quantity(errors / requests, words.SHARE) + " of requests" if requests else ""
    of_services = f"of {words.plural(len(services), 'service')}" if services else ""
    rejected_share = (
        words.quantity(rejected / (records + rejected), words.SHARE) if rejected else ""
    )
    if summary.of_metrics(document):
        accepted = [
            _tile("Points", document.get("points"), "accepted"),
            _tile("Metrics", document.get("series"), of_services),
            _tile("Resources", document.get("entities"), "or whole services"),
        ]
    else:
        accepted = [
            _tile("Requests", requests, "accepted"),
            _tile("Errors", errors, share),
            _tile("Endpoints", document.get("entities"), of_services),
        ]
    return [
        *accepted,
        _tile("Flagged rows", flagged, f"of {words.count(rows)} judged"),
        _tile("Incidents", len(found), f"{open_now} still open" if found else "none found"),
        _tile("Rejected", rejected, rejected_share + " of all records" if rejected else "none"),
    ]


def _tile(name: str, value: object, note: str) -> dict[str, str]:
    return {"name": name, "value": words.count(value), "note": note}


def _timeline(
    found: Sequence[Json], first: datetime | None, last: datetime | None, step: float
) -> dict[str, Any] | None:
    """One lane for each entity with incidents; positions in thousandths of the run."""
    if not found or first is None or last is None:
        return None
    begin, end = _seconds(first), _seconds(last)
    end = max(end, begin + step)
    lanes: dict[tuple[object, object], dict[str, Any]] = {}
    for incident in found:
        key = (incident.get("service"), incident.get("endpoint"))
        lane = lanes.setdefault(key, {"name": words.entity(incident), "ranges": [], "count": 0})
        start, stop = summary.bounds(incident, step)
        if start is None or stop is None:
            continue
        left = min(max((_seconds(start) - begin) / (end - begin), 0.0), 1.0) * 1000
        right = min(max((_seconds(stop) - begin) / (end - begin), 0.0), 1.0) * 1000
        severity = incident.get("severity")
        lane["count"] += 1
        lane["ranges"].append(
            {
                "x": round(min(left, 996.0), 1),
                "width": round(max(right - left, 4.0), 1),
                "kind": _kind(severity),
                "text": f"{words.visible(severity)}: {times.span(start, stop)}",
            }
        )
    shown = list(lanes.values())[:LANES]
    for lane in shown:
        lane["label"] = f"{lane['name']}: {words.plural(lane['count'], 'incident')}. " + "; ".join(
            entry["text"] for entry in lane["ranges"][:10]
        )
    ticks = []
    for at, label in scales.time_ticks(begin, end, 6):
        left = (at - begin) / (end - begin) * 100
        kind = "from" if left < 4 else "to" if left > 96 else ""
        ticks.append({"left": round(left, 2), "label": label, "kind": kind})
    return {
        "lanes": shown,
        "left": len(lanes) - len(shown),
        "ticks": ticks,
    }


def _kind(severity: object) -> str:
    """A severity as a class name, safe for any text."""
    return str(severity) if severity in SEVERITIES else "Info"


def _row(incident: Json, step: float) -> dict[str, Any]:
    start, end = summary.bounds(incident, step)
    severity = words.visible(incident.get("severity") or "Info")
    culprit = summary.culprit_of(incident)
    seconds = (end - start).total_seconds() if start and end else step
    return {
        "id": words.visible(incident.get("id") or ""),
        "name": words.entity(incident),
        "severity": severity,
        "kind": _kind(severity),
        "mark": words.MARKS.get(severity, "●"),
        "status": words.visible(incident.get("status") or ""),
        "when": times.span(start, end),
        "length": times.length(seconds),
        "what": summary.peaks_text(incident),
        "culprit": words.entity(culprit) if culprit else "",
    }


def _incident(incident: Json, step: float, titled: bool) -> dict[str, Any]:
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
        **_row(incident, step),
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
    buckets = [_seconds(bucket) for bucket in parsed if bucket is not None]
    step = float(series.get("step_seconds") or 60)
    shaded = (_seconds(start), _seconds(end)) if start and end else None
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


def _rejected(document: Json) -> dict[str, Any]:
    rejected = document.get("rejected") or {}
    counts = sorted((rejected.get("counts") or {}).items(), key=lambda item: -item[1])
    return {
        "total": rejected.get("total") or 0,
        "line": summary.rejected_line(document),
        "counts": [(words.rejection(reason), number) for reason, number in counts if number],
        "first": [
            {
                "position": words.visible(record.get("position", words.DASH)),
                "source": summary.rejected_source(record, document),
                "reason": words.rejection(str(record.get("reason") or "")),
                "detail": words.visible(record.get("detail") or ""),
                "hint": words.visible(record.get("hint") or ""),
            }
            for record in (rejected.get("first") or [])[:50]
        ],
    }


def _entities(document: Json) -> list[dict[str, Any]]:
    entries = sorted(
        document.get("timeline") or [],
        key=lambda entry: (-(entry.get("incidents") or 0), -(entry.get("flagged") or 0)),
    )
    return [
        {
            "name": words.entity(entry),
            "rows": entry.get("rows"),
            "flagged": entry.get("flagged") or 0,
            "incidents": entry.get("incidents") or 0,
        }
        for entry in entries[:ENTITY_ROWS]
    ]


def _footer(document: Json, step: float) -> str:
    rows = (
        "" if summary.of_metrics(document) else f"one row per endpoint and {times.length(step)} · "
    )
    return (
        f"{words.visible(document.get('generator') or 'mad')} · "
        f"{words.visible(document.get('mode') or 'default')} mode · "
        f"{rows}"
        f"document schema {words.visible(document.get('schema_version', 1))} · all times UTC"
    )


def _seconds(time: datetime) -> float:
    return (time - _EPOCH).total_seconds()
