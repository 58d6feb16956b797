"""Routes of the OpenTelemetry protocol over HTTP: `/v1/traces`, `/v1/metrics` and `/v1/logs`."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from mad.api.errors import ApiError, later
from mad.api.foreign import take
from mad.api.paths import OTLP
from mad.engine import Busy, IngestReceipt, KeyReused, NotJudged, StorageFailed

router = APIRouter(tags=["OpenTelemetry"])

PROTOBUF, JSON = "application/x-protobuf", "application/json"
#: Names of the rejected items in the JSON of a partial success.
_REJECTED = {
    "spans": "rejectedSpans",
    "metrics": "rejectedDataPoints",
    "logs": "rejectedLogRecords",
}
#: Codes of gRPC for statuses of HTTP.
_CODES = {400: 3, 401: 16, 403: 7, 409: 6, 413: 8, 415: 3, 429: 8, 503: 14}

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            PROTOBUF: {"schema": {"type": "string", "format": "binary"}},
            JSON: {"schema": {"type": "object"}},
        },
    }
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The batch is on disk. `partialSuccess` says how many items were rejected.",
        "content": {PROTOBUF: {}, JSON: {}},
    },
    422: {
        "description": "A parameter is outside its limits. The answer is in the form of the body.",
        "content": {PROTOBUF: {}, JSON: {}},
    },
    400: {"description": "The body cannot be read. Do not send it again."},
    413: {"description": "The body is too large."},
    415: {"description": "The content type or encoding is not supported."},
    429: {"description": "The queue is full: send it again after `Retry-After` seconds."},
    503: {"description": "The journal cannot be written: retry after `Retry-After` seconds."},
}


def partial_success(receipt: IngestReceipt | None) -> tuple[int, str]:
    """How many items of a batch were rejected, and why."""
    if receipt is None or not receipt.rejected:
        return 0, ""
    first = json.loads(receipt.problems)["first"]
    why = "; ".join(f"item {one['position']}: {one['reason']} ({one['detail']})" for one in first)
    return receipt.rejected, why[:1_000]


def success_message(rejected: int, why: str) -> bytes:
    """An `Export...ServiceResponse` of protobuf."""
    if not rejected and not why:
        return b""
    text = why.encode()
    inner = b"\x08" + varint(rejected) + b"\x12" + varint(len(text)) + text
    return b"\x0a" + varint(len(inner)) + inner


def status_message(code: int, message: str) -> bytes:
    """A `google.rpc.Status` of protobuf."""
    text = message.encode()
    return b"\x08" + varint(code) + b"\x12" + varint(len(text)) + text


def varint(number: int) -> bytes:
    """A variable-length integer of protobuf."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


async def _export(request: Request, partition: str) -> Response:
    kind = OTLP[request.url.path]
    content = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = content == JSON
    try:
        if content not in (PROTOBUF, JSON):
            raise ApiError(
                415,
                "unsupported",
                f"Content-Type {content!r}",
                f"send {PROTOBUF} or {JSON}",
            )
        receipt = await take(request, kind, "otlp-json" if is_json else "otlp-pb", partition)
    except (ApiError, Busy, StorageFailed, KeyReused, NotJudged) as error:
        return _refused(_api_error(error), is_json)
    rejected, why = partial_success(receipt)
    if not is_json:
        return Response(success_message(rejected, why), media_type=PROTOBUF)
    # 64-bit integers are text in the JSON of protobuf
    partial = {_REJECTED[kind]: str(rejected), "errorMessage": why}
    answer = {"partialSuccess": partial} if rejected else {}
    return Response(json.dumps(answer), media_type=JSON)


def _api_error(error: Exception) -> ApiError:
    """An error as an answer: 429 and 503 ask to send the same body again, others do not."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, Busy):
        return later(429, "busy", error, "send it again")
    if isinstance(error, StorageFailed):
        return later(503, "storage", error, "send it again")
    return ApiError(409 if isinstance(error, KeyReused) else 500, "refused", str(error))


def _refused(error: ApiError, is_json: bool) -> Response:
    code = _CODES.get(error.status, 13)
    message = f"{error.message}; {error.hint}" if error.hint else error.message
    if is_json:
        body, media = json.dumps({"code": code, "message": message}).encode(), JSON
    else:
        body, media = status_message(code, message), PROTOBUF
    return Response(body, error.status, error.headers, media_type=media)


def _route(signal: str) -> Callable[..., Awaitable[Response]]:
    async def export(
        request: Request, partition: Annotated[str, Query(max_length=200)] = ""
    ) -> Response:
        return await _export(request, partition)

    export.__name__ = f"export_{signal}"
    export.__doc__ = (
        f"Accepts {signal} of OpenTelemetry exporters and collectors, as protobuf or JSON, "
        "optionally with gzip or zstd. The batch is on disk when the response is sent."
    )
    return export


for _path in OTLP:
    router.add_api_route(
        _path,
        _route(_path.rpartition("/")[2]),
        methods=["POST"],
        summary=f"Send {_path.rpartition('/')[2]} of OpenTelemetry",
        openapi_extra=_BODY,
        responses=_RESPONSES,
        response_class=Response,
    )
