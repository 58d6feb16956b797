"""Request bodies: size limits, decompression and conversion to the form that the journal stores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect, Request

from mad import _core
from mad.api.errors import ApiError
from mad.engine import Busy
from mad.sources.compressed import GZIP_OR_ZLIB, inflated, unzstd
from mad.sources.foreign import ENOUGH, foreign

#: Most members of gzip and frames of zstd in a body, and the largest window of a frame.
_MAX_MEMBERS, _MAX_WINDOW = 10_000, 8 << 20
#: Most codings in one Content-Encoding header.
_MAX_CODINGS = 2
_ARROW = "application/vnd.apache.arrow.stream"
_LINES = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines", "text/csv")
#: The remedy for a body beyond `--max-body`.
_SMALLER = "send smaller batches, or start the server with a larger --max-body"


class BodiesInFlight:
    """The bytes of all bodies in memory, limited in total and by client address.

    Only the thread of the event loop uses it.
    """

    def __init__(self, most: int, most_of_client: int) -> None:
        self._most, self._most_of_client = most, most_of_client
        self._held: Counter[str] = Counter()
        self._total = 0

    @contextmanager
    def share(self, client: str) -> Iterator[BodyShare]:
        """The bytes of one request; they are released at the end."""
        share = BodyShare(self, client)
        try:
            yield share
        finally:
            self._total -= share.size
            self._held[client] -= share.size
            if not self._held[client]:
                del self._held[client]

    def take(self, client: str, size: int) -> bool:
        """Reserves bytes of a client; False when they do not fit."""
        if self._total + size > self._most or self._held[client] + size > self._most_of_client:
            return False
        self._total += size
        self._held[client] += size
        return True


class BodyShare:
    """The bytes that one request holds."""

    def __init__(self, all_bodies: BodiesInFlight, client: str) -> None:
        self._all, self._client = all_bodies, client
        self.size = 0

    def add(self, size: int) -> None:
        """Reserves further bytes.

        Raises `Busy` when the bodies of all requests, or of this client, hold too many.
        """
        if not self._all.take(self._client, size):
            raise Busy
        self.size += size


async def read_body(request: Request, most: int, share: BodyShare, remedy: str = _SMALLER) -> bytes:
    """Reads the whole body; `remedy` is the hint about one that is too large.

    Raises `ApiError` when it is larger than `most` bytes or the client leaves early, and `Busy`
    when it does not fit beside the bodies of other requests.
    """
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise too_large(most, remedy)
    pieces, size = [], 0
    try:
        async for piece in request.stream():
            size += len(piece)
            if size > most:
                raise too_large(most, remedy)
            share.add(len(piece))
            pieces.append(piece)
    except ClientDisconnect:
        raise ApiError(400, "cut", "the client left before the end of the body", "") from None
    return b"".join(pieces)


def is_plain(request: Request, body: bytes) -> bool:
    """Whether the body can be stored as it is: lines of JSON or CSV in plain UTF-8."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_packed = request.headers.get("content-encoding", "identity") != "identity"
    if kind not in _LINES or is_packed:
        return False
    start = body[:ENOUGH]
    return start.lstrip()[:1] == b"{" or (b"," in start and not _is_other(start))


def records(body: bytes, content_type: str, content_encoding: str, most: int) -> tuple[bytes, str]:
    """The body in the form that the journal stores, and its name: `text` or `arrow`.

    Raises `ApiError` when it cannot be decompressed, is too large, holds no record or is neither
    JSON nor CSV.
    """
    body = unpacked(body, content_encoding, most)
    kind = content_type.partition(";")[0].strip().lower()
    if kind == _ARROW:
        try:
            _core.check_arrow_stream(body)
        except ValueError as error:
            hint = "send an Arrow IPC stream with its schema, of at most 1,000,000 rows"
            raise ApiError(400, "unreadable", str(error), hint) from None
        return body, "arrow"
    start = body[:ENOUGH].lstrip()
    if not start:
        raise _no_records("the body is empty")
    named = foreign(body[:ENOUGH])
    if named is not None:
        hint = "send JSON, JSON Lines, CSV or an Arrow stream"
        raise ApiError(415, "unsupported", f"the body is {named[0]}", hint)
    if start[:1] not in (b"[", b"{"):
        if b"," in start.partition(b"\n")[0] and start[:1] != b'"':
            return body, "text"
        return _words(body, kind)
    if kind in _LINES and start[:1] == b"{":
        return body, "text"
    try:
        lines = _core.json_lines(body)
    except ValueError as error:
        if _looks_like_lines(body):
            return body, "text"
        raise _not_json(str(error)) from None
    if not lines:
        raise _no_records("the JSON array is empty")
    if lines[:1] != b"{":
        value = lines.partition(b"\n")[0].decode("utf-8", "replace")
        raise _not_json(f"the first value of its array is {value[:40]} and not an object")
    return lines, "text"


def unpacked(body: bytes, content_encoding: str, most: int) -> bytes:
    """The body without the codings of its Content-Encoding header.

    Raises `ApiError` for an unknown coding, damaged data, or more than `most` bytes.
    """
    codings = [one.strip().lower() for one in content_encoding.split(",")]
    if len(codings) > _MAX_CODINGS:
        raise ApiError(
            415,
            "unsupported",
            f"Content-Encoding names {len(codings)} codings",
            f"send at most {_MAX_CODINGS}",
        )
    for coding in reversed(codings):
        body = _decompressed(body, coding, most)
    return body


def _words(body: bytes, kind: str) -> tuple[bytes, str]:
    """A body that begins like no JSON object or array: a CSV header of one quoted or lone column,
    or an error."""
    if kind == "text/csv":
        return body, "text"
    raise _not_json(f"it begins with {body[:40].decode('utf-8', 'replace')!r}")


def _not_json(reason: str) -> ApiError:
    return ApiError(
        400,
        "not_json",
        f"the body is no JSON with records: {reason}",
        'send {"events": [...]}, an array, one object, or JSON Lines as application/x-ndjson',
    )


def _no_records(reason: str) -> ApiError:
    return ApiError(400, "no_records", f"{reason}: it holds no record", "send one record at least")


def _is_other(start: bytes) -> bool:
    """Whether the first bytes are an array of JSON or a format that is not read."""
    return start.lstrip()[:1] in (b"[", b'"', b"<") or foreign(start) is not None


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
    packed = (body,)
    content = (
        unzstd(packed, max_window=_MAX_WINDOW, max_frames=_MAX_MEMBERS)
        if coding == "zstd"
        else inflated(packed, GZIP_OR_ZLIB, _MAX_MEMBERS)
    )
    pieces, size = [], 0
    try:
        for piece in content:
            size += len(piece)
            if size > most:
                raise too_large(most)
            pieces.append(piece)
    except ValueError as error:
        raise ApiError(
            400, "damaged", f"the {coding} data is damaged: {error}", "send it again"
        ) from None
    return b"".join(pieces)


def too_large(most: int, remedy: str = _SMALLER) -> ApiError:
    """The refusal of a body beyond a size."""
    return ApiError(
        413,
        "too_large",
        f"the body is larger than {most} bytes",
        remedy,
    )
