"""The receiver of Prometheus' remote write: `/api/v1/write`."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from mad.api.errors import ApiError
from mad.api.foreign import take
from mad.api.paths import REMOTE_WRITE

router = APIRouter(tags=["Prometheus"])

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/x-protobuf": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    204: {"description": "The samples are on disk."},
    400: {"description": "The body cannot be read. Prometheus drops it."},
    415: {"description": "The version of the protocol or the compression is not supported."},
    429: {"description": "The queue is full: send it again after `Retry-After` seconds."},
    503: {"description": "The journal cannot be written: retry after `Retry-After` seconds."},
}


@router.post(
    REMOTE_WRITE,
    status_code=204,
    response_class=Response,
    openapi_extra=_BODY,
    responses=_RESPONSES,
    summary="Send samples of Prometheus",
)
async def write(
    request: Request, partition: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """Accepts samples of Prometheus (remote write version 1, Snappy). The samples are
    on disk when the response is sent.

    Prometheus sends a body again after 429 and 5xx, and drops it after every other error.
    """
    content = request.headers.get("content-type", "application/x-protobuf").lower()
    coding = request.headers.get("content-encoding", "snappy").strip().lower()
    if "proto=io.prometheus.write.v2" in content or not content.startswith(
        "application/x-protobuf"
    ):
        raise ApiError(
            415,
            "unsupported",
            f"Content-Type {content!r}",
            "send prometheus.WriteRequest, remote write version 1",
        )
    if coding != "snappy":
        raise ApiError(
            415, "unsupported", f"Content-Encoding {coding!r}", "compress the body with snappy"
        )
    receipt = await take(request, "metrics", "remote-write", partition)
    response = Response(status_code=204)
    if receipt is not None and receipt.rejected:
        first = json.loads(receipt.problems)["first"]
        response.headers["Mad-Rejected"] = f"{receipt.rejected}; {first[0]['reason']}"
    return response
