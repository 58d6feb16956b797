"""Routes with the paths and fields of the live operations radar."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from mad.api.compat import health
from mad.api.service import Json, Service, query_time, raw, rfc3339, service_of, to_json
from mad.journal.selection import Selection

router = APIRouter(prefix="/api", tags=["Live Ops Radar"])
router.add_api_route(
    "/health",
    health,
    methods=["GET"],
    summary="Check the health of the service",
    responses={503: {"description": "Nothing can be accepted: see `reasons`."}},
)

#: Metrics that one row combines: latency in ms, error rate and processor load in percent.
METRICS = ("latency_ms", "error_rate", "cpu_pct")
#: Nanoseconds before the start of an incident from which its log lines are read.
_BEFORE = 60_000_000_000


@router.get(
    "/metrics",
    summary="List latency, errors and processor load",
)
def metrics(request: Request, limit: Annotated[int, Query(ge=1, le=10_000)] = 300) -> Response:
    """Latency, error rate in percent and processor load of each step, newest first."""
    found = service_of(request).reader.values(METRICS, len(METRICS) * limit)
    moments: dict[tuple[Any, ...], dict[str, Any]] = {}
    for value in found:
        at, name, resource = value["at"], value["service"], value["resource"]
        row = moments.setdefault(
            (at, name, resource),
            {
                "ts": rfc3339(at),
                "service": name,
                **dict.fromkeys(METRICS),
                "scenario": resource or None,
                "is_anomaly": 0,
            },
        )
        row[value["metric"]] = value["value"]
        row["is_anomaly"] = max(row["is_anomaly"], value["is_anomaly"])
    return Json(list(moments.values())[:limit])


@router.get(
    "/incidents",
    summary="List incidents with their most frequent log line",
)
def incidents(request: Request, limit: Annotated[int, Query(ge=1, le=1_000)] = 50) -> Response:
    """One line for each incident, with the most frequent warning or error, newest first."""
    service = service_of(request)
    found = [json.loads(text) for text in service.reader.incidents({}, Selection.first(limit))]
    return Json([_line(service, incident) for incident in found])


@router.get(
    "/logs",
    summary="List log lines",
)
def logs(request: Request, limit: Annotated[int, Query(ge=1, le=10_000)] = 200) -> Response:
    """Log lines, newest first."""
    lines = service_of(request).reader.logs({}, Selection.first(limit))
    return raw(
        to_json(
            [
                {
                    "ts": rfc3339(line["at"]),
                    "service": line["service"],
                    "level": line["level"],
                    "message": line["body"],
                }
                for line in lines
            ]
        ),
        is_cut=lines.is_cut,
    )


def _line(service: Service, incident: dict[str, Any]) -> dict[str, Any]:
    start, end = (
        query_time(incident["start"], "start") or 0,
        query_time(incident["end"], "end") or 0,
    )
    services = sorted({incident["service"], *(one["service"] for one in incident["members"])})
    frequent = service.reader.most_frequent_problem(services[:50], start - _BEFORE, end)
    scores = [culprit["score"] for culprit in incident["ranking"]["culprits"]]
    return {
        "ts": incident["start"],
        "scenario": incident["endpoint"] or None,
        "summary": incident["explanation"]["summary"],
        "score": max(scores, default=0.0),
        "top_cluster": frequent.pattern if frequent else None,
        "sample_log": frequent.sample if frequent else None,
        "id": incident["id"],
        "service": incident["service"],
    }
