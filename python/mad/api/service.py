"""Shared parts of the routes: the engine, the tables, times and JSON responses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from mad.api.auth import Principal
from mad.api.errors import ApiError
from mad.engine import Engine
from mad.journal.reader import Page, Reader

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
    max_body: int
    started: datetime
    #: Seconds east of UTC for times without a zone in the routes of the original services.
    naive_offset_seconds: int = 0
    #: Minutes of rows that rankings and explanations use.
    retention_minutes: float = 120.0


def service_of(request: Request) -> Service:
    """The service of an application."""
    service: Service = request.app.state.service
    return service


def principal_of(request: Request) -> Principal:
    """The client of a request."""
    principal: Principal = request.scope["mad.principal"]
    return principal


def raw(body: bytes | str, status: int = 200) -> Response:
    """A response of finished JSON text."""
    return Response(body, status, media_type="application/json")


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


def listed(texts: Sequence[str], page: Page) -> Response:
    """A page of objects that are JSON text already: `count`, `next` and `data`."""
    after = page.offset + len(texts) if len(texts) == page.limit else None
    count, data = str(len(texts)), json_array(texts)
    return raw(json_object(count=count, next=json.dumps(after), data=data))


def records(found: Sequence[Mapping[str, Any]], page: Page) -> Response:
    """A page of records of the journal: `count`, `next` and `data`."""
    return listed([json.dumps(record) for record in found], page)


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
