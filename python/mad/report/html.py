"""The self-contained HTML page of a detection document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mad import times
from mad.report import graph, incident_section, multiples, scales, summary, words
from mad.report.page import render_page

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
MORE_ROWS = 500
"""Most rows in the table of older incidents."""
LEVELS = 100
"""Most rows in the table of new levels."""


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
        "severity": incident_section.kind(top["severity"]) if top and "severity" in top else "None",
        "span": times.span(first, last) if first and last else "",
        "length": times.length((last - first).total_seconds()) if first and last else "",
        "tiles": _tiles(document, found),
        "timeline": _timeline(found, first, last, step),
        "incidents": [
            incident_section.section(incident, step, position < TITLED_INCIDENTS)
            for position, incident in enumerate(full)
        ],
        "index": [incident_section.row(incident, step) for incident in full]
        if len(full) > INDEXED
        else [],
        "older": [incident_section.row(incident, step) for incident in older[:MORE_ROWS]],
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
    begin, end = first.timestamp(), last.timestamp()
    end = max(end, begin + step)
    lanes: dict[tuple[object, object], dict[str, Any]] = {}
    for incident in found:
        key = (incident.get("service"), incident.get("endpoint"))
        lane = lanes.setdefault(key, {"name": words.entity(incident), "ranges": [], "count": 0})
        start, stop = summary.bounds(incident, step)
        if start is None or stop is None:
            continue
        left = min(max((start.timestamp() - begin) / (end - begin), 0.0), 1.0) * 1000
        right = min(max((stop.timestamp() - begin) / (end - begin), 0.0), 1.0) * 1000
        severity = incident.get("severity")
        lane["count"] += 1
        lane["ranges"].append(
            {
                "x": round(min(left, 996.0), 1),
                "width": round(max(right - left, 4.0), 1),
                "kind": incident_section.kind(severity),
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
