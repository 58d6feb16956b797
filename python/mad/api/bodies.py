"""Request bodies: size limits, decompression and conversion to the form that the journal stores."""

from __future__ import annotations

import zlib
from typing import Any

from starlette.requests import ClientDisconnect, Request

from mad import _core
from mad.api.errors import ApiError

#: Compressed bytes per decompression step, so that the size of the output is bounded at every step.
_PIECE = 1024
_ARROW = "application/vnd.apache.arrow.stream"
_LINES = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines", "text/csv")


async def read_body(request: Request, most: int) -> bytes:
    """Reads the whole body.

    Raises `ApiError` when it is larger than `most` bytes or the client leaves early.
    """
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise _too_large(most)
    pieces, size = [], 0
    try:
        async for piece in request.stream():
            size += len(piece)
            if size > most:
                raise _too_large(most)
            pieces.append(piece)
    except ClientDisconnect:
        raise ApiError(400, "cut", "the client left before the end of the body", "") from None
    return b"".join(pieces)


def is_plain(request: Request) -> bool:
    """Whether the body can be stored as it is."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in _LINES and request.headers.get("content-encoding", "identity") == "identity"


def records(body: bytes, content_type: str, content_encoding: str, most: int) -> tuple[bytes, str]:
    """The body in the form that the journal stores, and its encoding: `text` or `arrow`.

    Raises `ApiError` when it cannot be decompressed, is too large or is not JSON.
    """
    for coding in reversed([one.strip().lower() for one in content_encoding.split(",")]):
        body = _decompressed(body, coding, most)
    kind = content_type.partition(";")[0].strip().lower()
    if kind == _ARROW:
        return body, "arrow"
    if kind in _LINES or body.lstrip()[:1] not in (b"[", b"{"):
        return body, "text"
    try:
        return _core.json_lines(body), "text"
    except ValueError as error:
        if _looks_like_lines(body):
            return body, "text"
        raise ApiError(
            400,
            "not_json",
            f"the body is not JSON: {error}",
            'send {"events": [...]}, an array, one object, or JSON Lines as application/x-ndjson',
        ) from None


def _looks_like_lines(body: bytes) -> bool:
    first, found, _ = body.strip().partition(b"\n")
    return bool(found) and first.rstrip().endswith(b"}")


def _decompressed(body: bytes, coding: str, most: int) -> bytes:
    if coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip", "deflate", "zstd"):
        raise ApiError(
            415, "unsupported", f"Content-Encoding {coding!r}", "send gzip, zstd or none"
        )
    decoder: Any = _core.ZstdDecoder() if coding == "zstd" else None
    try:
        return _zstd(decoder, body, most) if decoder else _zlib(body, most)
    except (zlib.error, ValueError) as error:
        raise ApiError(
            400, "damaged", f"the {coding} data is damaged: {error}", "send it again"
        ) from None


def _zstd(decoder: Any, body: bytes, most: int) -> bytes:
    out, size = [], 0
    for start in range(0, len(body), _PIECE):
        piece = decoder.feed(body[start : start + _PIECE])
        size += len(piece)
        if size > most:
            raise _too_large(most)
        out.append(piece)
    out.append(decoder.finish())
    return b"".join(out)


def _zlib(body: bytes, most: int) -> bytes:
    out, size = [], 0
    while body:
        decoder = zlib.decompressobj(47)  # zlib reads gzip and zlib headers
        piece = decoder.decompress(body, most - size + 1)
        size += len(piece)
        if size > most:
            raise _too_large(most)
        if not decoder.eof:
            raise ValueError("it ends early")
        out.append(piece)
        body = decoder.unused_data
    return b"".join(out)


def _too_large(most: int) -> ApiError:
    return ApiError(
        413,
        "too_large",
        f"the body is larger than {most} bytes",
        "send smaller batches, or start the server with a larger --max-body",
    )
