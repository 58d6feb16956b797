"""Routes of the live page: services at a glance, recent rows, incidents by the line, and what
surrounds one."""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from mad.api.errors import not_found
from mad.api.failed_traces import correlation
from mad.api.service import Json, Service, query_time, rfc3339, service_of
from mad.engine.overview import ServiceState, ServiceStateName
from mad.journal.reader import ROW_SIGNALS
from mad.journal.selection import Page, Selection, TimeRange

router = APIRouter(prefix="/v1/query", tags=["Query API"])

#: Steps of which the latest traffic and errors are means.
LATEST = 5
#: Nanoseconds before an incident from which its log lines are read.
_BEFORE = 60_000_000_000
#: Nanoseconds before an incident from which changes are shown, and rows of the evidence.
_CHANGES, _ROWS = 1_800_000_000_000, 1_200_000_000_000
#: Most rows of the evidence of one culprit.
_MOST_ROWS = 240
_NO_INCIDENT: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such incident."}}

Search = Annotated[str | None, Query(max_length=512)]
IncidentId = Annotated[str, Path(max_length=64)]


def _page(
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Page:
    return Page(limit, offset)


OfPage = Annotated[Page, Depends(_page)]


@router.get("/services", summary="List services with their state, worst first")
def services(
    request: Request,
    page: OfPage,
    search: Search = None,
    state: ServiceStateName | None = None,
    minutes: Annotated[int, Query(ge=1, le=240)] = 60,
) -> Response:
    """Services with state, health, traffic, errors and latency, worst first. `latency` has the 95th
    percentile of each step of the last `minutes`. `states` counts all services by state."""
    service = service_of(request)
    pipeline, reader = service.engine.pipeline, service.reader
    found = service.overview.services(
        service.engine.version, pipeline.states, reader.severities_of_open_incidents
    )
    step = int(float(service.engine.config["features"]["step_seconds"]) * 1e9)
    end = (pipeline.furthest_watermark or 0) // step * step
    chosen = [
        one for one in found if (state is None or one.state == state) and one.has_name(search or "")
    ]
    shown = chosen[page.offset : page.offset + page.limit]
    steps = max(1, minutes * 60_000_000_000 // step)
    figures = _figures(service, shown, end, step, steps)
    after = page.offset + len(shown)
    return Json(
        {
            "count": len(shown),
            "next": after if after < len(chosen) else None,
            "total": len(chosen),
            "services": len(found),
            "states": Counter(one.state for one in found),
            "watermark": rfc3339(pipeline.furthest_watermark),
            "step_seconds": step / 1e9,
            "data": [{**one.document(), **figures[one.name]} for one in shown],
        }
    )


def _figures(
    service: Service, shown: list[ServiceState], end: int, step: int, steps: int
) -> dict[str, dict[str, Any]]:
    """Traffic, errors and latency of services in the last steps."""
    start = end - steps * step
    entities = [entity for one in shown for entity in one.entities]
    found: dict[str, dict[str, Any]] = {}
    for one in shown:
        found[one.name] = {
            "requests_per_minute": None,
            "error_rate": None,
            "p95_latency_ms": None,
            "latency": [None] * steps,
            "flagged": [],
        }
    latest: dict[str, list[int]] = {}
    for row in service.reader.service_steps(entities, TimeRange(start, end)):
        figures, place = found[row["service"]], (row["at"] - start) // step
        latency = row["p95_latency_ms"]
        if latency is not None:
            figures["latency"][place] = figures["p95_latency_ms"] = float(f"{latency:.4g}")
        if row["is_anomaly"]:
            figures["flagged"].append(place)
        if row["at"] >= end - LATEST * step:
            sums = latest.setdefault(row["service"], [0, 0])
            sums[0] += row["req_count"]
            sums[1] += row["error_count"]
    for name, (requests, errors) in latest.items():
        found[name]["requests_per_minute"] = requests * 60e9 / (LATEST * step)
        found[name]["error_rate"] = errors / requests if requests else None
    return found


@router.get("/incident_lines", summary="List incidents, one line each")
def incident_lines(
    request: Request,
    page: OfPage,
    search: Search = None,
    service: Annotated[str | None, Query(max_length=512)] = None,
    endpoint: Annotated[str | None, Query(max_length=512)] = None,
    severity: Literal["Warning", "Critical"] | None = None,
    status: Literal["open", "acknowledged", "resolved"] | None = None,
    active: bool = False,
) -> Response:
    """Incidents as one line each, newest start first: those that the service or endpoint opened or
    takes part in, of the newest 1,000. `search` is part of the service or endpoint that opened one.
    `total` counts all incidents that match."""
    names = {"service": service, "endpoint": endpoint, "severity": severity, "status": status}
    select = Selection(page=page)
    total, found = service_of(request).reader.incident_lines(
        names, select, active=active, search=search
    )
    after = page.offset + len(found)
    return Json(
        {
            "count": len(found),
            "next": after if after < total else None,
            "total": total,
            "data": [json.loads(text) for text in found],
        }
    )


@router.get(
    "/series",
    responses={404: {"description": "The entity has no recent rows."}},
    summary="Get the recent values of an entity",
)
def series(
    request: Request,
    service: Annotated[str, Query(max_length=512)],
    endpoint: Annotated[str, Query(max_length=512)],
    metric: Annotated[str | None, Query(max_length=512)] = None,
) -> Response:
    """The recent rows of an endpoint, or the recent points of a metric, oldest first: the value and
    the expected range of each signal, and the changes of the service in that time."""
    pipeline = service_of(request).engine.pipeline
    found = json.loads(pipeline.recent(service, endpoint, metric))
    if found is None or not found["bucket"]:
        name = " ".join(filter(None, (service, endpoint, metric)))
        raise not_found(f"{name} has no recent rows", "see /v1/query/entities")
    start, end = (query_time(found["bucket"][place], "at") or 0 for place in (0, -1))
    changes = json.loads(pipeline.changes([service], start, end + int(found["step_seconds"] * 1e9)))
    return Json({**found, "changes": changes})


@router.get(
    "/incidents/{incident}/activity",
    responses=_NO_INCIDENT,
    summary="List what people did about an incident",
)
def activity(request: Request, incident: IncidentId) -> Response:
    """What people did about an incident, oldest first: who acknowledged, resolved or muted it, and
    the comments and feedback on it."""
    service = service_of(request)
    document = _document(service, incident)
    target = f"{document['service']} {document['endpoint']}"
    return Json({"id": incident, "data": service.reader.activity(incident, target)})


@router.get(
    "/incidents/{incident}/context",
    responses=_NO_INCIDENT,
    summary="Get the changes, log and traces of an incident",
)
def context(request: Request, incident: IncidentId) -> Response:
    """What surrounds an incident: the changes of its services during it and in the 30 minutes
    before, the most frequent warning or error in their log, the traces in which they failed, and
    the values of each signal that is evidence. `log` is null without warnings and errors."""
    service = service_of(request)
    document = _document(service, incident)
    start = query_time(document["start"], "start") or 0
    end = query_time(document["end"], "end") or 0
    if document["status"] != "resolved":
        end = max(end, service.engine.pipeline.newest or 0)
    culprits = document["ranking"]["culprits"]
    named = [document, *document["members"], *culprits]
    names = list(dict.fromkeys(str(one["service"]) for one in named))
    log = _log(service, [str(one["service"]) for one in culprits[:1]], start, end)
    return Json(
        {
            "id": incident,
            "changes": json.loads(service.engine.pipeline.changes(names, start - _CHANGES, end)),
            "evidence": [_values(service, one, start, end) for one in culprits],
            "log": log or _log(service, names[:50], start, end),
            "traces": correlation(service, document),
        }
    )


def _log(service: Service, names: list[str], start: int, end: int) -> dict[str, Any] | None:
    """The most frequent kind of warning or error of some services; `service` is given if it is
    one."""
    found = service.reader.most_frequent_problem(names, start - _BEFORE, end) if names else None
    if found is None:
        return None
    return {
        "service": names[0] if len(names) == 1 else None,
        "pattern": found.pattern,
        "sample": found.sample,
        "lines": found.lines,
        "of": found.of,
        "first": rfc3339(found.first),
    }


def _values(service: Service, culprit: dict[str, Any], start: int, end: int) -> dict[str, Any]:
    """The values of the signals that are evidence against a culprit, oldest first."""
    within = TimeRange(start - _ROWS, end + _BEFORE * 5)
    select = Selection(within, Page(_MOST_ROWS))
    names = {"service": culprit["service"], "endpoint": culprit["endpoint"]}
    signals = [one["signal"] for one in culprit["evidence"]]
    values: dict[str, list[float | None]] = {}
    for signal in signals:
        if signal in ROW_SIGNALS:
            found = service.reader.row_values(signal, names, select)
        else:
            of_metric = {**names, "metric": signal}
            of_metric["resource"] = of_metric.pop("endpoint")
            found = service.reader.point_values(of_metric, select)
        values[signal] = found[::-1]
    return {"service": culprit["service"], "endpoint": culprit["endpoint"], "values": values}


def _document(service: Service, incident: str) -> dict[str, Any]:
    found = service.reader.incident(incident)
    if found is None:
        raise not_found(f"there is no incident {incident!r}", "see /v1/query/incidents")
    document: dict[str, Any] = json.loads(found)
    return document
