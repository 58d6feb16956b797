"""Routes with the paths and fields of the AIOps incident detection."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from mad.api.commands import BUSY, analyse_now, resolve
from mad.api.errors import not_found
from mad.api.failed_traces import correlation
from mad.api.service import Json, Service, service_of
from mad.journal.selection import Selection
from mad.severity import FOUR_LEVELS

router = APIRouter(prefix="/aiops", tags=["AIOps"])

_GONE: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such incident."}}
IncidentId = Annotated[str, Path(max_length=64)]
#: The time range of the metrics of an endpoint, in nanoseconds.
WINDOW = 5 * 60 * 1_000_000_000


@router.get(
    "/incidents",
    summary="List active incidents",
)
def incidents(request: Request) -> Response:
    """Incidents that are not resolved."""
    service = service_of(request)
    found = service.reader.incidents({}, Selection.first(1_000), active=True)
    return Json({"active_incidents": [_incident(service, json.loads(text)) for text in found]})


@router.get(
    "/incidents/{incident}",
    responses=_GONE,
    summary="Get an incident",
)
def incident(request: Request, incident: IncidentId) -> Response:
    """One incident, resolved or not."""
    service = service_of(request)
    found = service.reader.incident(incident)
    if found is None:
        raise not_found(f"there is no incident {incident!r}", "see /aiops/incidents")
    return Json(_incident(service, json.loads(found)))


router.add_api_route(
    "/incidents/{incident}/resolve",
    resolve,
    methods=["POST"],
    summary="Resolve an incident",
    responses={**_GONE, **BUSY},
)


@router.get(
    "/metrics",
    summary="Show figures of the last five minutes",
)
def metrics(request: Request) -> Response:
    """Requests, errors and latency of each endpoint in the last five minutes of event time,
    beside its usual latency."""
    return Json({"metrics": _metrics(service_of(request))})


@router.post(
    "/analyze",
    responses=BUSY,
    summary="Judge the present data and list active incidents",
)
async def analyze(request: Request) -> Response:
    """Closes the steps that the elapsed time allows, judges them and returns the active
    incidents."""
    await analyse_now(request)
    return await run_in_threadpool(incidents, request)


def _metrics(service: Service) -> dict[str, Any]:
    since = (service.engine.pipeline.newest or 0) - WINDOW
    codes = json.loads(service.engine.pipeline.status_codes(since))
    out = {}
    for name, endpoint, requests, errors, mean, baseline in service.reader.endpoint_totals(since):
        rate = errors / requests
        slow = baseline is not None and mean is not None and mean > 2 * baseline
        health = round(100 - 50 * rate - (30 if slow else 0), 1)
        key = f"{name} {endpoint}".strip()
        out[key] = {
            "avg_latency_ms": mean,
            "baseline_latency_ms": baseline,
            "error_rate": rate,
            "request_count": sum(codes.get(key, {}).values()) or requests,
            "status_distribution": codes.get(key, {}),
            "health_score": health,
            "health": "healthy" if health > 80 else "degraded" if health > 50 else "unhealthy",
        }
    return out


def _incident(service: Service, incident: dict[str, Any]) -> dict[str, Any]:
    culprits = incident["ranking"]["culprits"]
    first = culprits[0] if culprits else None
    return {
        "id": incident["id"],
        "severity": FOUR_LEVELS[incident["severity"]],
        "status": incident["status"],
        "title": incident["explanation"]["summary"],
        "root_cause": first
        and {
            "service": first["service"],
            "endpoint": first["endpoint"],
            "issue": first["evidence"][0]["text"] if first["evidence"] else first["metric"],
            "confidence": first["score"],
        },
        "affected_endpoints": incident["affected"],
        "anomalies": [
            {"signal": signal, **peak} for signal, peak in sorted(incident["peaks"].items())
        ],
        "first_detected": incident["opened_at"],
        "last_updated": incident["closed_at"] or incident["end"],
        "trace_correlation": correlation(service, incident),
    }
