"""Ingest routes: `/v1/ingest/{kind}`."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from contextlib import AbstractContextManager
from enum import Enum
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from mad.api.bodies import BodyShare, is_plain, read_body, records
from mad.api.errors import ApiError
from mad.api.service import Json, Service, client_of, principal_of, service_of
from mad.engine import IngestReceipt
from mad.errors import MissingExtraError
from mad.journal import Entry

router = APIRouter(prefix="/v1/ingest", tags=["Ingest API"])

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-ndjson": {"schema": {"type": "string"}},
            "application/json": {"schema": {"type": "object"}},
            "text/csv": {"schema": {"type": "string"}},
            "application/vnd.apache.arrow.stream": {
                "schema": {"type": "string", "format": "binary"}
            },
        },
    }
}
#: Longest key. A longer one is refused, because a shortened one could be that of another batch.
MOST_KEY = 200
BatchKey = Annotated[str | None, Header(alias="Idempotency-Key", max_length=MOST_KEY)]
REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The body cannot be read."},
    409: {"description": "The `Idempotency-Key` belongs to a batch with another body."},
    413: {"description": "The body is too large."},
    415: {"description": "The content type or encoding is not supported."},
    422: {"description": "All records were rejected, or a parameter is outside its limits."},
    429: {"description": "The queue is full: send the batch again after `Retry-After` seconds."},
    503: {"description": "The journal cannot be written: retry after `Retry-After` seconds."},
}


class KindOfRecord(str, Enum):
    """The kind of the records in a batch."""

    requests = "requests"
    metrics = "metrics"
    spans = "spans"
    logs = "logs"
    changes = "changes"
    edges = "edges"


@router.post(
    "/{kind}",
    openapi_extra=_BODY,
    responses=REFUSALS,
    summary="Send a batch of records",
)
async def ingest(
    request: Request,
    kind: KindOfRecord,
    partition: Annotated[str, Query(max_length=200)] = "",
    idempotency_key: BatchKey = None,
    mad_dropped: Annotated[int, Header(ge=0, le=2**53)] = 0,
) -> Response:
    """Accepts a batch of records: JSON Lines, JSON (an array, an object with `events`, or one
    object), CSV or an Arrow IPC stream, optionally with gzip or zstd as `Content-Encoding`. The
    batch is on disk when the response is sent.

    A batch with an `Idempotency-Key` that was accepted before for this kind and partition is not
    judged again and gets the same response with `repeated`. With another body the key is refused.
    Rejected records are listed with position and reason; the others are accepted. `Mad-Dropped`
    reports how many records the sender has dropped since its last batch.
    """
    partition = printable(partition)
    with share_of(request) as share:
        body, form = await body_of(request, share)
        batch = Entry(kind.value, body, form, partition, idempotency_key or None)
        receipt = await submit(request, batch)
        if not receipt.repeated:
            service_of(request).engine.stats.dropped_by_senders += mad_dropped
        return Json(answer_of(request, batch, receipt))


def printable(partition: str) -> str:
    """The name of a partition. Raises `ApiError` for one with control characters."""
    if not partition.isprintable():
        text = f"partition = {partition!r}: it has control characters"
        raise ApiError(422, "invalid", text, "give a name of printable characters")
    return partition


def share_of(request: Request) -> AbstractContextManager[BodyShare]:
    """The bytes in memory of one batch, from its arrival to its answer."""
    return service_of(request).bodies.share(client_of(request))


async def body_of(request: Request, share: BodyShare) -> tuple[bytes, str]:
    """The body in the form that the journal stores."""
    service = service_of(request)
    with service.engine.arrivals.arriving():
        return await _received(request, service, share)


async def _received(request: Request, service: Service, share: BodyShare) -> tuple[bytes, str]:
    most = service.limits.body_bytes
    received = await read_body(request, most, share)
    if is_plain(request, received):
        return received, "text"
    of = request.headers.get("content-type", ""), request.headers.get("content-encoding", "")
    try:
        body, form = await to_thread.run_sync(
            records, received, *of, most, limiter=service.decoders
        )
    except ApiError as error:
        service.engine.intake.unreadable(error.message)
        raise
    share.add(len(body))
    return body, form


async def submit(request: Request, batch: Entry) -> IngestReceipt:
    """Passes a batch to the engine and waits until it is on disk.

    Raises `ApiError` when none of it can be read, for example CSV without the required columns.
    """
    source = "/".join(filter(None, (principal_of(request).name, batch.partition)))
    future: Future[IngestReceipt] = service_of(request).engine.submit(batch, source)
    try:
        return await asyncio.wrap_future(future)
    except MissingExtraError:
        raise
    except ValueError as error:
        raise ApiError(400, "unreadable", str(error), "no record was accepted") from None


def answer_of(request: Request, batch: Entry, receipt: IngestReceipt) -> dict[str, Any]:
    """The response to a batch.

    Raises `ApiError` with status 422 when all its records were rejected. The batch is stored under
    its key.
    """
    min_accepted = service_of(request).engine.intake.min_accepted
    answer = receipt.answer(batch.batch_id, batch.kind, min_accepted)
    if not receipt.rejected or receipt.accepted:
        return answer
    first = answer["problems"][0] if answer["problems"] else {}
    repeated = f"all {receipt.rejected} records had been accepted before"
    raise ApiError(
        422, "nothing_taken", answer["problem"] or repeated, first.get("hint", ""), more=answer
    )
