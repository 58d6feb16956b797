"""Routes of notifications: the deliveries to sinks, dead letters, and another attempt."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from mad.api.commands import BUSY
from mad.api.errors import not_found
from mad.api.service import Json, principal_of, records, service_of
from mad.journal import AuditLine
from mad.journal.selection import Page

router = APIRouter(prefix="/v1", tags=["Alerts"])

Name = Annotated[str | None, Query(max_length=64)]


class RetryOrder(BaseModel):
    """Dead letters to send again: by their ids, or all of a sink."""

    model_config = ConfigDict(extra="forbid")
    sink: str = Field(min_length=1, max_length=64)
    ids: list[int] = Field(default_factory=list, max_length=10_000)


def _page(
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Page:
    return Page(limit, offset)


@router.get(
    "/query/alerts",
    summary="List deliveries of notifications",
)
def alerts(
    request: Request,
    page: Annotated[Page, Depends(_page)],
    sink: Name = None,
    status: Literal["pending", "sent", "dropped", "dead"] | None = None,
    incident: Name = None,
) -> Response:
    """Deliveries of notifications, newest first: sink, status, event, incident, attempts, times and
    the reason of the last failure. `status=dead` lists the dead letters."""
    names = {"sink": sink, "status": status, "incident": incident}
    return records(service_of(request).reader.deliveries(names, page), page)


@router.get(
    "/query/sinks",
    summary="List sinks",
)
def sinks(request: Request) -> Response:
    """The sinks with their figures."""
    found = [asdict(one) for one in service_of(request).sinks.health()]
    return Json({"count": len(found), "data": found})


@router.post(
    "/alerts/retry",
    responses={**BUSY, 404: {"description": "There is no sink of this name."}},
    summary="Send dead letters again",
)
async def retry(request: Request, order: RetryOrder) -> Response:
    """Sends dead letters again. Answers with their number."""
    service = service_of(request)
    if order.sink not in {one.name for one in service.sinks.runners}:
        raise not_found(f"there is no sink {order.sink!r}", "see /v1/query/sinks")
    line = AuditLine(principal_of(request).name, "retry_alerts", order.sink)
    future = await run_in_threadpool(
        service.engine.write,
        lambda journal: journal.retry_deliveries(order.sink, order.ids, line),
    )
    count = await asyncio.wrap_future(future)
    service.sinks.wake()
    return Json({"sink": order.sink, "retried": count})
