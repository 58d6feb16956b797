"""Routes of the original services, with their paths, parameters, limits and field names."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from mad.api.errors import ApiError, not_found
from mad.api.ingest import REFUSALS, BatchKey, answer_of, body_of, share_of, submit
from mad.api.service import (
    Json,
    Service,
    json_array,
    json_object,
    principal_of,
    query_time,
    raw,
    rfc3339,
    service_of,
)
from mad.journal import Entry
from mad.journal.selection import Selection, TimeRange
from mad.severity import SEVERITIES

router = APIRouter(tags=["MAD for microservices"])

Name = Annotated[str | None, Query(max_length=512)]
Severity = Literal["Info", "Warning", "Critical"]


@router.get(
    "/health",
    responses={503: {"description": "Nothing can be accepted: see `reasons`."}},
    summary="Check the health of the service",
)
async def health(request: Request) -> Response:
    """Whether the service accepts and judges data: `ok`, `degraded` or `failing`, with `reasons`.

    It is `degraded` while less than `intake.min_accepted` of the records of the last 15 minutes was
    accepted, while batches are refused because the queue is full, while the disk is nearly full,
    and after 10 s without progress. It is `failing`, with status 503, while nothing can be
    accepted. `sources` gives the accepted share of senders with rejected records, `clocks` names
    sources with a wrong clock. `accepted` and `rejected` count since the server started.

    Without a token with the scope read, where tokens are in use, only `status` and the `level` and
    `name` of each reason are given, because texts quote records and `sources` names senders."""
    service = service_of(request)
    status, body = await service.health.report()
    if not principal_of(request).may("read"):
        reasons = [{"level": one["level"], "name": one["name"]} for one in body["reasons"]]
        return Json({"status": body["status"], "reasons": reasons}, status)
    started = service.started.isoformat(timespec="seconds").replace("+00:00", "Z")
    watermark = rfc3339(body["watermark"])
    return Json({**body, "watermark": watermark, "started": started}, status)


@router.get(
    "/stats",
    summary="Count judged and anomalous rows",
)
def stats(request: Request) -> Response:
    """Number of judged and of anomalous rows."""
    totals = service_of(request).reader.totals()
    return Json(
        {
            "mode": "live",
            "total_points": totals["rows"],
            "total_anomalies": totals["flagged"],
            "by_severity": totals["by_severity"],
            "latest_bucket_ts": rfc3339(totals["newest"]),
        }
    )


@router.get(
    "/metrics",
    summary="List judged rows",
)
def metrics(
    request: Request,
    service: Name = None,
    endpoint: Name = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 200,
) -> Response:
    """Judged rows, newest first."""
    names = {"service": service, "endpoint": endpoint}
    rows = service_of(request).reader.rows(names, Selection.first(limit))
    body = json_object(count=str(len(rows)), data=json_array(rows))
    return raw(body, is_cut=rows.is_cut)


@router.get(
    "/anomalies",
    summary="List anomalous rows",
)
def anomalies(
    request: Request,
    service: Name = None,
    endpoint: Name = None,
    severity: Severity | None = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
) -> Response:
    """Flagged rows, newest first."""
    names = {"service": service, "endpoint": endpoint, "severity": severity}
    rows = service_of(request).reader.rows(names, Selection.first(limit, flagged=True))
    count, filters = str(len(rows)), json.dumps(names)
    body = json_object(count=count, filters=filters, data=json_array(rows))
    return raw(body, is_cut=rows.is_cut)


@router.get(
    "/incidents",
    summary="List incidents in short form",
)
def incidents(request: Request, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> Response:
    """Incidents with eight fields, newest start first. `/v1/query/incidents` has all fields."""
    found = service_of(request).reader.flagged_incidents(limit)
    data = [
        {
            "service": incident["service"],
            "endpoint": incident["endpoint"],
            "start_ts": rfc3339(incident["start"]),
            "end_ts": rfc3339(incident["end"] if incident["last"] is None else incident["last"]),
            "max_p95_latency_ms": incident["p95_latency_ms"],
            "max_error_rate": incident["error_rate"] or 0.0,
            "peak_severity": incident["severity"],
            "count_points": incident["rows"],
        }
        for incident in found
    ]
    return Json({"count": len(data), "data": data})


@router.get(
    "/culprit",
    summary="Find the culprit of the last minutes",
)
def culprit(
    request: Request,
    minutes: Annotated[int, Query(ge=1, le=1440)] = 15,
    top_k: Annotated[int, Query(ge=1, le=20)] = 3,
) -> Response:
    """The most likely culprit of the last minutes; null when no endpoint stands out."""
    service = service_of(request)
    ranking = json.loads(service.engine.pipeline.culprits(None, float(minutes), top_k))
    start, end = query_time(ranking["from"], "from") or 0, query_time(ranking["at"], "at") or 0
    top = [_culprit_fields(service, one, start, end) for one in ranking["culprits"]]
    return Json(
        {
            "window_minutes": minutes,
            "window_start": ranking["from"],
            "window_end": ranking["at"],
            "total_anomalies": service.reader.flagged_between(start, end),
            "culprit": top[0] if top and not ranking["abstained"] else None,
            "top": top,
        }
    )


@router.get(
    "/explain_incident",
    responses={
        400: {"description": "A time cannot be read."},
        404: {"description": "The endpoint has no rows in this time range."},
    },
    summary="Explain the incident of an endpoint",
)
def explain_incident(
    request: Request,
    service: Annotated[str, Query(min_length=1, max_length=512)],
    endpoint: Annotated[str, Query(min_length=1, max_length=512)],
    start_ts: Annotated[str, Query(min_length=1, max_length=64)],
    end_ts: Annotated[str, Query(min_length=1, max_length=64)],
) -> Response:
    """Explains the incident to which an endpoint belongs in [start_ts, end_ts], as its lead or as a
    member, and gives figures of its rows. Times without a zone are in the configured zone, by
    default UTC."""
    of = service_of(request)
    try:
        start = query_time(start_ts, "start_ts", of.naive_offset_seconds)
        end = query_time(end_ts, "end_ts", of.naive_offset_seconds)
    except ApiError as error:
        raise ApiError(400, "bad_time", error.message, error.hint) from None
    assert start is not None and end is not None
    figures = of.reader.flagged_rows(service, endpoint, start, end)
    known = of.reader.incidents_of(service, endpoint, TimeRange(start, end + 1))
    incident = json.loads(known[0]) if known else None
    if not figures["rows"] and incident is None:
        raise not_found(
            f"there are no rows of {service} {endpoint} from {start_ts} to {end_ts}",
            "see /metrics for the known rows",
        )
    words = incident["explanation"] if incident else _without_incident(figures)
    return Json(
        {
            "service": service,
            "endpoint": endpoint,
            "start_ts": start_ts,
            "end_ts": end_ts,
            **words,
            "metrics": {
                "peak_p95_latency_ms": _rounded(figures["peak_p95"], 2),
                "peak_abs_mad_z": _rounded(figures["peak_abs_mad"], 3),
                "avg_abs_mad_z": _rounded(figures["avg_abs_mad"], 3),
                "peak_error_rate": _rounded(figures["peak_errors"], 4),
                "avg_error_rate": _rounded(figures["avg_errors"], 4),
                "count_points": figures["rows"],
                "anomaly_points": figures["points"],
                "peak_severity": incident["severity"]
                if incident
                else _severity(figures["severity"]),
            },
        }
    )


@router.post(
    "/ingest",
    responses=REFUSALS,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    },
    summary="Send events",
)
async def ingest(request: Request, idempotency_key: BatchKey = None) -> Response:
    """Accepts one event or `{"events": [...]}`. Times without a zone are in the configured zone,
    by default UTC. Rejected events are listed with position and reason; the others are accepted."""
    service = service_of(request)
    with share_of(request) as share:
        body, form = await body_of(request, share)
        of_key = idempotency_key or None, service.naive_offset_seconds
        batch = Entry("requests", body, form, "", *of_key)
        answer = answer_of(request, batch, await submit(request, batch))
    counters = json.loads(await run_in_threadpool(service.engine.pipeline.counters))
    return Json(
        {
            **answer,
            "retention_minutes": service.retention_minutes,
            "scored_rows": counters["rows"],
        }
    )


@router.get(
    "/ingest/stats",
    summary="Count accepted events",
)
def ingest_stats(request: Request) -> Response:
    """The stored rows, and the number of requests accepted since the journal was created."""
    service = service_of(request)
    totals = service.reader.totals()
    figures = service.engine.stats
    oldest, newest = rfc3339(totals["oldest"]), rfc3339(totals["newest"])
    return Json(
        {
            "accepted_total": figures.accepted_total,
            "count": totals["rows"],
            "max_capacity": service.engine.journal.retention.rows,
            "oldest_ts": oldest,
            "newest_ts": rfc3339(service.engine.pipeline.newest or service.engine.pipeline.clock),
            "retention_minutes": service.retention_minutes,
            "rejected": figures.rejected,
            "realtime_stats": {
                "row_count": totals["rows"],
                "anomaly_count": totals["flagged"],
                "services": totals["services"],
                "oldest_ts": oldest,
                "newest_ts": newest,
            },
        }
    )


def _culprit_fields(
    service: Service, culprit: dict[str, Any], start: int, end: int
) -> dict[str, Any]:
    names = culprit["service"], culprit["endpoint"]
    known = service.reader.incidents_of(*names, TimeRange(start, end + 1))
    severity = culprit["severity"]
    if known:
        # one incident has one severity, one time and one set of peaks, in every answer
        incident = json.loads(known[0])
        severity = incident["severity"]
        start = query_time(incident["start"], "start") or start
        end = (query_time(incident["end"], "end") or end + 1) - 1
    figures = service.reader.flagged_rows(*names, start, end)
    return {
        "service": culprit["service"],
        "endpoint": culprit["endpoint"],
        "points": figures["points"] or culprit["rows"],
        "peak_abs_mad": _rounded(figures["peak_abs_mad"], 3),
        "avg_abs_mad": _rounded(figures["avg_abs_mad"], 3),
        "peak_p95_latency_ms": _rounded(figures["peak_p95"], 2),
        "peak_error_rate": _rounded(figures["peak_errors"], 4),
        "peak_severity": severity,
        "first_anomaly_ts": rfc3339(figures["first"]) or culprit["onset"],
        "last_anomaly_ts": rfc3339(figures["last"]) or culprit["last"],
        "metric": culprit["metric"],
        "score": culprit["score"],
    }


def _without_incident(figures: dict[str, Any]) -> dict[str, Any]:
    flagged = f"{figures['points']} of {figures['rows']} rows are flagged"
    return {
        "summary": f"There is no incident in this time range; {flagged}.",
        "why_flagged": [],
        "impact": [],
        "likely_causes": [],
        "recommended_actions": [],
        "confidence": "Low",
    }


def _rounded(value: float | None, digits: int) -> float:
    return round(value, digits) if value is not None else 0.0


def _severity(rank: int | None) -> str:
    return SEVERITIES[rank or 0]
