"""Query routes: `/v1/query`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from mad._core import Catalogue
from mad.api.errors import ApiError, not_found
from mad.api.service import (
    Json,
    Service,
    at_time,
    listed,
    query_time,
    raw,
    records,
    rfc3339,
    service_of,
    within_bytes,
)
from mad.config.catalogue import in_language, languages, shipped
from mad.journal.selection import Page, Selection, TimeRange

router = APIRouter(prefix="/v1/query", tags=["Query API"])

Limit = Annotated[int, Query(ge=1, le=10_000)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]
Name = Annotated[str | None, Query(max_length=512)]
Time = Annotated[str | None, Query(max_length=64)]
Severity = Literal["Info", "Warning", "Critical"]
IncidentId = Annotated[str, Path(max_length=64)]


def _select(
    start: Time = None, end: Time = None, limit: Limit = 200, offset: Offset = 0
) -> Selection:
    within = TimeRange(query_time(start, "start"), query_time(end, "end"))
    return Selection(within, Page(limit, offset))


def _select_flagged(
    select: Annotated[Selection, Depends(_select)], flagged: bool = False
) -> Selection:
    return replace(select, flagged=flagged)


def _select_incidents(
    start: Time = None,
    end: Time = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 20,
    offset: Offset = 0,
) -> Selection:
    return _select(start, end, limit, offset)


def _page_of_states(limit: Limit = 5_000, offset: Offset = 0) -> Page:
    return Page(limit, offset)


def _page(limit: Limit = 200, offset: Offset = 0) -> Page:
    return Page(limit, offset)


Selected = Annotated[Selection, Depends(_select)]
FlaggedSelected = Annotated[Selection, Depends(_select_flagged)]
IncidentsSelected = Annotated[Selection, Depends(_select_incidents)]
OfStates = Annotated[Page, Depends(_page_of_states)]
OfPage = Annotated[Page, Depends(_page)]


@router.get(
    "/incidents",
    summary="List incidents",
)
def incidents(
    request: Request,
    select: IncidentsSelected,
    service: Name = None,
    endpoint: Name = None,
    status: Literal["open", "acknowledged", "resolved"] | None = None,
    active: bool = False,
) -> Response:
    """Incidents that overlap [start, end), newest start first, with explanation, impact, culprit
    and ranking."""
    names = {"service": service, "endpoint": endpoint, "status": status}
    found = service_of(request).reader.incidents(names, select, active=active)
    return listed(found, select.page)


@router.get(
    "/incidents/{incident}",
    responses={404: {"description": "There is no such incident."}},
    summary="Get an incident",
)
def incident(request: Request, incident: IncidentId) -> Response:
    """One incident with the rows around it, its history and the notes on it."""
    reader = service_of(request).reader
    place = f"/v1/query/incidents/{incident}"
    return Json(
        {
            **json.loads(_document(service_of(request), incident)),
            "history": [json.loads(change) for change in reader.history(incident)],
            "notes": reader.notes(incident),
            "links": {
                "self": place,
                "explain": f"{place}/explain",
                "history": f"{place}/history",
            },
        }
    )


@router.get(
    "/incidents/{incident}/history",
    responses={404: {"description": "There is no such incident."}},
    summary="List the changes of an incident",
)
def history(request: Request, incident: IncidentId, page: OfPage) -> Response:
    """Changes of an incident, oldest first."""
    _document(service_of(request), incident)
    return listed(service_of(request).reader.history(incident, page), page)


@router.get(
    "/incidents/{incident}/explain",
    responses={
        400: {"description": "There is no catalogue of this language."},
        404: {"description": "There is no such incident."},
    },
    summary="Explain an incident",
)
def explain(
    request: Request,
    incident: IncidentId,
    language: Annotated[str | None, Query(max_length=35)] = None,
) -> Response:
    """The explanation of an incident: summary, reasons, impact, likely causes and recommended
    actions. With a language model (`[explain.llm]`) `llm` has its checked answer, once there is
    one."""
    service = service_of(request)
    document = json.loads(_document(service, incident))
    if language is not None:
        document = in_language(document, _catalogue(service, language))
    answer = service.explanations.answer(incident) if service.explanations else None
    model = {"llm": answer.to_dict()} if answer else {}
    return Json({"id": incident, **document["explanation"], **model})


@router.get(
    "/rows",
    summary="List judged rows of requests",
)
def rows(
    request: Request,
    select: FlaggedSelected,
    service: Name = None,
    endpoint: Name = None,
    severity: Severity | None = None,
) -> Response:
    """Judged rows of requests, newest first."""
    names = {"service": service, "endpoint": endpoint, "severity": severity}
    return listed(service_of(request).reader.rows(names, select), select.page)


@router.get(
    "/features",
    summary="List features of requests",
)
def features(
    request: Request, select: Selected, service: Name = None, endpoint: Name = None
) -> Response:
    """Features of requests by step, newest first."""
    names = {"service": service, "endpoint": endpoint}
    found = service_of(request).reader.features(names, select)
    return records(found.map(lambda record: at_time(record, "bucket_ts")), select.page)


@router.get(
    "/points",
    summary="List judged points of metrics",
)
def points(
    request: Request,
    select: FlaggedSelected,
    service: Name = None,
    resource: Name = None,
    metric: Name = None,
) -> Response:
    """Judged points of metrics, newest first."""
    names = {"service": service, "resource": resource, "metric": metric}
    return listed(service_of(request).reader.points(names, select), select.page)


@router.get(
    "/logs",
    summary="List log lines",
)
def logs(
    request: Request,
    select: Selected,
    service: Name = None,
    level: Annotated[str | None, Query(max_length=64)] = None,
    trace_id: Name = None,
    text: Name = None,
) -> Response:
    """Log lines, newest first."""
    names = {"service": service, "level": level, "trace_id": trace_id}
    found = service_of(request).reader.logs(names, select, text=text)
    return records(found.map(lambda record: at_time(record, "timestamp")), select.page)


@router.get(
    "/entities",
    summary="List the states of endpoints and metrics",
)
def entities(
    request: Request, page: OfStates, service: Name = None, endpoint: Name = None
) -> Response:
    """The state of each endpoint and metric with the reason and a health score, worst first."""
    of = service_of(request)
    states = of.engine.pipeline.states_page(service, endpoint, page.offset, page.limit)
    return listed(within_bytes(states, of.limits.answer_bytes), page)


@router.get(
    "/why",
    responses={404: {"description": "The entity is unknown."}},
    summary="Explain why an entity is flagged or not",
)
def why(
    request: Request,
    service: Annotated[str, Query(max_length=512)],
    endpoint: Annotated[str, Query(max_length=512)] = "",
    metric: Name = None,
) -> Response:
    """Why an endpoint or metric is flagged now, or why it is not: its state with the reason."""
    engine = service_of(request).engine
    states = engine.pipeline.states(service, endpoint, metric or "")
    found = json.loads(states)
    if not found and metric is None:
        found = json.loads(engine.pipeline.states(service, endpoint))
    if not found:
        name = f"{service} {endpoint}{f' {metric}' if metric else ''}"
        raise not_found(f"{name} is unknown", "see /v1/query/entities")
    return Json(found[0])


@router.get(
    "/culprits",
    summary="Rank the culprits of a time window",
)
def culprits(
    request: Request,
    at: Time = None,
    minutes: Annotated[float, Query(ge=1, le=1440)] = 15.0,
    top_k: Annotated[int, Query(ge=1, le=20)] = 3,
) -> Response:
    """The most likely culprits of the flagged rows of the `minutes` up to `at` (default: the
    newest row)."""
    pipeline = service_of(request).engine.pipeline
    return raw(pipeline.culprits(query_time(at, "at"), minutes, top_k))


@router.get(
    "/graph",
    summary="Get the service graph",
)
def graph(request: Request) -> Response:
    """The service graph: calls, errors and latencies of each edge."""
    return raw(service_of(request).engine.pipeline.graph())


@router.get(
    "/stats",
    summary="Count records and rows",
)
def stats(request: Request) -> Response:
    """Numbers of accepted, rejected, judged, flagged, suppressed and dropped records and rows.
    Accepted and rejected records are counted since the server started."""
    engine = service_of(request).engine
    counters = json.loads(engine.pipeline.counters())
    times = {name: rfc3339(counters[name]) for name in ("first", "last")}
    rejected = dict(engine.stats.rejected)
    intake = {
        "accepted": sum(engine.stats.records.values()),
        "rejected": sum(rejected.values()),
        "rejected_by_reason": rejected,
        "dropped_by_senders": engine.stats.dropped_by_senders,
        "problem": engine.intake.problem(),
        "clock_faults": json.loads(engine.pipeline.clock_faults()),
        "learnt_routes": json.loads(engine.pipeline.learnt_routes()),
    }
    return Json({**intake, **counters, **times})


@router.get(
    "/audit",
    summary="List the audit trail",
)
def audit(request: Request, page: OfPage, refused: bool | None = None) -> Response:
    """The audit trail, newest first; `refused` selects refused requests or all others. Needs the
    scope admin."""
    return records(service_of(request).reader.audit(page, refused=refused), page)


def _catalogue(service: Service, language: str) -> Catalogue:
    """The catalogue of the server, or a shipped one."""
    own = service.engine.catalogue
    if own is not None and own.language == language:
        return own
    try:
        return shipped(language)
    except ValueError:
        known = sorted({*languages(), *([own.language] if own else [])})
        raise ApiError(
            400,
            "bad_language",
            f"there is no catalogue of the language {language!r}",
            f"there are {', '.join(known)}; name the file of another one in [explain]",
        ) from None


def _document(service: Service, incident: str) -> str:
    document = service.reader.incident(incident)
    if document is None:
        raise not_found(f"there is no incident {incident!r}", "see /v1/query/incidents")
    return document
