"""What comes in."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from enum import Enum
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from mad.api.bodies import is_plain, read_body, records
from mad.api.errors import Refused
from mad.api.service import service_of
from mad.engine import Batch, IngestReceipt
from mad.errors import MissingExtraError

router = APIRouter(prefix="/v1/ingest", tags=["ingest"])

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
REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The body cannot be read."},
    401: {"description": "A token is needed."},
    403: {"description": "The token, or this server, does not allow it."},
    413: {"description": "The body is too large."},
    415: {"description": "The body is of a kind that is not read here."},
    422: {"description": "None of the records was taken, or a parameter is outside its limits."},
    429: {"description": "Too much waits: send it again after `Retry-After` seconds."},
    503: {"description": "The disk took nothing: send it again after `Retry-After` seconds."},
}


class KindOfRecord(str, Enum):
    """What records a batch has."""

    requests = "requests"
    metrics = "metrics"
    spans = "spans"
    logs = "logs"
    changes = "changes"
    edges = "edges"


@router.post("/{kind}", openapi_extra=_BODY, responses=REFUSALS)
async def ingest(
    request: Request,
    kind: KindOfRecord,
    partition: Annotated[str, Query(max_length=200)] = "",
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """Takes a batch of records: JSON Lines, JSON (an array, an object with `events`, one object),
    CSV or an Arrow stream; gzip or zstd by `Content-Encoding`.

    It is on the disk when this answers. A batch with an `Idempotency-Key` that was taken before is
    not taken again and gets the same answer, with `repeated`. Records that cannot be taken are told
    with their positions and stop nothing.
    """
    body, encoding = await body_of(request)
    batch = Batch(kind.value, body, encoding, partition, idempotency_key or None)
    taken = await submit(request, batch)
    answer = taken.answer(batch.batch_id)
    if taken.rejected and not taken.accepted:
        raise nothing_taken(answer)
    return JSONResponse(answer)


async def body_of(request: Request) -> tuple[bytes, str]:
    """The body as the journal keeps it."""
    most = service_of(request).max_body
    body = await read_body(request, most)
    if is_plain(request):
        return body, "text"
    of = request.headers.get("content-type", ""), request.headers.get("content-encoding", "")
    return await run_in_threadpool(records, body, *of, most)


async def submit(request: Request, batch: Batch) -> IngestReceipt:
    """Hands a batch to the engine and waits until it is on the disk.

    Raises
    ------
    Refused
        None of it can be read, such as CSV without the columns.
    """
    future: Future[IngestReceipt] = service_of(request).engine.submit(batch)
    try:
        return await asyncio.wrap_future(future)
    except MissingExtraError:
        raise
    except ValueError as error:
        raise Refused(400, "unreadable", str(error), "nothing of the batch was taken") from None


def nothing_taken(answer: dict[str, Any]) -> Refused:
    """422: the batch is known now, and none of its records could be taken."""
    first = answer["problems"][0] if answer["problems"] else {}
    return Refused(
        422,
        "nothing_taken",
        f"none of {answer['rejected']} records was taken: {first.get('detail', '')}",
        first.get("hint", ""),
        more=answer,
    )
