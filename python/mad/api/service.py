"""Shared parts of the routes: the engine, the tables, times and JSON responses."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from anyio import CapacityLimiter
from starlette.requests import Request
from starlette.responses import Response

from mad.api.auth import Principal
from mad.api.bodies import BodiesInFlight
from mad.api.errors import ApiError
from mad.api.health import HealthProbe
from mad.config.server import HttpLimits, WebhookSecrets
from mad.engine import Engine
from mad.engine.overview import Overview
from mad.engine.sink_runner import SinkPool
from mad.engine.source_runner import SourcePool
from mad.explainers import ExplainQueue
from mad.journal.query import Found
from mad.journal.reader import Reader
from mad.journal.selection import Page

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: The range of times that 64-bit nanoseconds can represent.
_EARLIEST, _LATEST = (
    datetime(1678, 1, 1, tzinfo=timezone.utc),
    datetime(2262, 1, 1, tzinfo=timezone.utc),
)


@dataclass(frozen=True, slots=True)
class Service:
    """The engine, the reader and the settings that the routes need."""

    engine: Engine
    reader: Reader
    limits: HttpLimits
    bodies: BodiesInFlight
    health: HealthProbe
    started: datetime
    #: Threads that decompress and convert bodies.
    decoders: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(4))
    #: Held while a client receives the whole state.
    sends_state: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: Threads for commands, so that these never wait behind queries.
    commanders: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(4))
    #: Seconds east of UTC for times without a zone in the routes of the original services.
    naive_offset_seconds: int = 0
    #: Minutes of rows that rankings and explanations use.
    retention_minutes: float = 120.0
    #: The sources that the server reads.
    inputs: SourcePool = field(default_factory=SourcePool)
    #: The receivers of notifications.
    sinks: SinkPool = field(default_factory=SinkPool)
    #: Explanations by a language model; None without one.
    explanations: ExplainQueue | None = None
    #: The state of all services, for the page.
    overview: Overview = field(default_factory=Overview)
    #: The secrets of webhooks that are signed.
    webhooks: WebhookSecrets = field(default_factory=WebhookSecrets)


def service_of(request: Request) -> Service:
    """The service of an application."""
    service: Service = request.app.state.service
    return service


def principal_of(request: Request) -> Principal:
    """The client of a request."""
    principal: Principal = request.scope["mad.principal"]
    return principal


def client_of(request: Request) -> str:
    """The address of a client."""
    return request.client.host if request.client else ""


class Json(Response):
    """A response of a value as JSON. Numbers that are not finite become null, because JSON has no
    form for them."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes of a value."""
        # Paths that are not UTF-8 have halves of characters.
        return to_json(content).encode("utf-8", "replace")


def to_json(value: Any) -> str:
    """JSON text of a value; numbers that are not finite become null."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return value


def raw(body: bytes | str, status: int = 200, *, is_cut: bool = False) -> Response:
    """A response of finished JSON text. `is_cut` marks one that ended at the limit of bytes where
    the format has no next page."""
    headers = {"Mad-Truncated": "true"} if is_cut else None
    return Response(body, status, headers, media_type="application/json")


def json_object(**fields: str | bytes) -> bytes:
    """A JSON object of values that are JSON text already."""
    parts = [
        json.dumps(name).encode() + b":" + (value if isinstance(value, bytes) else value.encode())
        for name, value in fields.items()
    ]
    return b"{" + b",".join(parts) + b"}"


def json_array(texts: Sequence[str]) -> str:
    """A JSON array of values that are JSON text already."""
    return f"[{','.join(texts)}]"


def listed(found: Found[str], page: Page) -> Response:
    """A page of objects that are JSON text already: `count`, `next` and `data`. The page ends at
    its limit of records or of bytes."""
    is_full = found.is_cut or len(found) == page.limit
    after = page.offset + len(found) if is_full else None
    # One copy of the texts: a page may be large.
    pieces = [f'{{"count":{len(found)},"next":{json.dumps(after)},"data":['.encode()]
    for place, text in enumerate(found):
        pieces += [b"," if place else b"", text.encode()]
    return raw(b"".join([*pieces, b"]}"]))


def within_bytes(texts: Sequence[str], most: int) -> Found[str]:
    """The first texts of a page that together have at most `most` characters; one at least."""
    size = 0
    for place, text in enumerate(texts):
        size += len(text)
        if place and size > most:
            return Found(texts[:place], is_cut=True)
    return Found(texts)


def records(found: Found[dict[str, Any]], page: Page) -> Response:
    """A page of records of the journal: `count`, `next` and `data`."""
    return listed(found.map(to_json), page)


def at_time(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A record of the journal with its time `at` in RFC 3339, under another name and first."""
    others = {key: value for key, value in record.items() if key != "at"}
    return {name: rfc3339(record["at"]), **others}


def query_time(text: str | None, name: str, naive_offset_seconds: int | None = None) -> int | None:
    """A time of a query string, RFC 3339 or seconds since 1970, in nanoseconds since 1970.

    Raises `ApiError` when the text is not a time, or has no zone and no default offset is given.
    """
    if text is None or text == "":
        return None
    try:
        return _nanoseconds(text.strip(), naive_offset_seconds)
    except (ValueError, OverflowError) as error:
        raise ApiError(
            422,
            "invalid",
            f"{name} = {text!r}: {error}",
            "give a time such as 2026-01-06T10:45:00Z",
        ) from None


def _nanoseconds(text: str, naive_offset_seconds: int | None) -> int:
    if text.lstrip("-").replace(".", "", 1).isdigit() and text.isascii() and len(text) < 20:
        at = _EPOCH + timedelta(seconds=float(text))
    else:
        # An unescaped plus sign arrives as a space.
        text = text.replace(" ", "+") if "T" in text else text
        whole = f"{text[:-1]}+00:00" if text[-1:] in "zZ" else text
        at = datetime.fromisoformat(whole)
        if at.tzinfo is None:
            if naive_offset_seconds is None:
                raise ValueError("it has no time zone")
            at = at.replace(tzinfo=timezone(timedelta(seconds=naive_offset_seconds)))
    if not _EARLIEST <= at.astimezone(timezone.utc) <= _LATEST:
        raise ValueError("it is outside the years 1678 to 2262")
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000


def rfc3339(at: int | None) -> str | None:
    """A time in nanoseconds as RFC 3339 text; None stays None."""
    if at is None:
        return None
    time = _EPOCH + timedelta(microseconds=at // 1000)
    spec = "milliseconds" if time.microsecond else "seconds"
    return time.isoformat(timespec=spec).replace("+00:00", "Z")
