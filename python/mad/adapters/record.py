"""Records of one request: the request itself, its span, a log line if it failed, and the trace
headers for the calls that it makes."""

from __future__ import annotations

import re
import secrets
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from mad.adapters.clock import Clock, rfc3339
from mad.adapters.sender import Sender

TRACE, SPAN, PARENT = "X-Trace-ID", "X-Span-ID", "traceparent"
"""Header names: trace and parent span of mad, and the W3C form of both."""
DISCONNECTED = 499
"""The status of a request whose client disconnected before the response."""
SWITCHED, REFUSED = 101, 403
"""The statuses of the handshake of a websocket that was accepted, and of one that was closed."""
EVENT_STREAM = "text/event-stream"
"""The media type of server-sent events. Such a response has no end, so that its request ends with
its first event."""
LONGEST_TRACE = 16_000
"""The last characters of a stack trace that are sent."""
_ID = re.compile(r"[!-~]{1,128}")
_W3C = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}.*")
_current: ContextVar[Exchange | None] = ContextVar("mad_exchange", default=None)


App = TypeVar("App")


class Recorder:
    """Records requests of `service` through a sender, either a given one or a new one for `url`.

    Paths that begin with one of `skip` are ignored. `clock` provides the times of records.
    `version` and `host` are those of this process; where they are given, an incident names the
    version or host that fails alone.
    """

    def __init__(
        self,
        service: str,
        *,
        url: str | None = None,
        token: str | None = None,
        sender: Sender | None = None,
        clock: Clock | None = None,
        skip: Sequence[str] = (),
        version: str = "",
        host: str = "",
    ) -> None:
        if (sender is None) == (url is None):
            raise ValueError("give either url or sender")
        self.service = service
        self.sender = sender if sender is not None else Sender(url or "", token)
        self.clock = clock if clock is not None else Clock()
        self._skip = tuple(skip)
        #: The fields of this process in its requests and spans.
        self.process = {name: text for name, text in (("version", version), ("host", host)) if text}

    def skips(self, path: str) -> bool:
        """Whether requests of a path are ignored."""
        return bool(self._skip) and path.startswith(self._skip)

    def begin(self, method: str, header: Callable[[str], str | None]) -> Exchange:
        """Starts a request; `header` returns a header by its name in lower case."""
        return Exchange(self, method, *_incoming(header))


class Middleware(Generic[App]):
    """The base of middleware: the wrapped `app`, and the recorder of its requests.

    The arguments after `app` are those of `Recorder`.
    """

    def __init__(
        self,
        app: App,
        service: str,
        *,
        url: str | None = None,
        token: str | None = None,
        sender: Sender | None = None,
        clock: Clock | None = None,
        skip: Sequence[str] = (),
        version: str = "",
        host: str = "",
    ) -> None:
        self.app = app
        self.recorder = Recorder(
            service,
            url=url,
            token=token,
            sender=sender,
            clock=clock,
            skip=skip,
            version=version,
            host=host,
        )


class Exchange:
    """A request that is being served, or a call that is being made."""

    def __init__(self, recorder: Recorder, method: str, trace_id: str, parent: str | None) -> None:
        self.recorder, self.method = recorder, method
        self.trace_id, self.parent_id = trace_id, parent
        self.span_id = secrets.token_hex(8)
        self._error: BaseException | None = None
        self._endpoint: str | None = None
        self._begun, self._began = time.time(), time.perf_counter()

    @property
    def is_finished(self) -> bool:
        """Whether the request has ended; work after its response may still be running."""
        return self._endpoint is not None

    def failed(self, error: BaseException) -> None:
        """Keeps an exception for the log line of the request. After the end of the request, such
        as in a background task, the line is sent at once and the status stays as it is."""
        self._error = error
        if self._endpoint is not None:
            self._log(f"{self.method} {self._endpoint} after its response")

    def finish(self, endpoint: str, status: int) -> None:
        """Ends the request and sends its records; only the first call has an effect."""
        if self.is_finished:
            return
        latency, recorder = self._latency(), self.recorder
        self._endpoint = endpoint
        begun = rfc3339(recorder.clock.began(self._begun, self.trace_id))
        recorder.sender.send(
            "requests",
            {
                "timestamp": begun,
                "service": recorder.service,
                "endpoint": endpoint,
                "method": self.method,
                "status_code": status,
                "latency_ms": latency,
                "trace_id": self.trace_id,
            }
            | recorder.process,
        )
        self._span(f"{self.method} {endpoint}", latency, status >= 500, "server")
        self._log(f"{self.method} {endpoint}")

    def call(self) -> Exchange:
        """Starts a call that this request makes."""
        return Exchange(self.recorder, "", self.trace_id, self.span_id)

    def called(self, operation: str, failed: bool, peer: str) -> None:
        """Ends the call and sends its span."""
        self._span(operation, self._latency(), failed, "client", peer)

    def headers(self) -> dict[str, str]:
        """The headers that carry the trace and the parent span to the callee."""
        headers = {TRACE: self.trace_id, SPAN: self.span_id}
        if re.fullmatch(r"[0-9a-f]{32}", self.trace_id):
            headers[PARENT] = f"00-{self.trace_id}-{self.span_id}-01"
        return headers

    def _log(self, place: str) -> None:
        """Sends the exception as a log line, if there is one."""
        if self._error is None:
            return
        error, self._error = self._error, None
        record = {
            "timestamp": rfc3339(self.recorder.clock.now()),
            "service": self.recorder.service,
            "level": "ERROR",
            "body": f"{place}: {described(error)}",
            "trace_id": self.trace_id,
        }
        self.recorder.sender.send("logs", record)

    def _latency(self) -> float:
        return round((time.perf_counter() - self._began) * 1e3, 3)

    def _span(self, operation: str, ms: float, failed: bool, kind: str, peer: str = "") -> None:
        record = {
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "parent_id": self.parent_id or "",
            "service": self.recorder.service,
            "operation": operation,
            "start": rfc3339(self.recorder.clock.at(self._begun, self.trace_id)),
            "duration_ms": ms,
            "status": "error" if failed else "ok",
            "kind": kind,
        } | self.recorder.process
        self.recorder.sender.send("spans", record | {"peer": peer} if peer else record)


@contextmanager
def serving(exchange: Exchange | None) -> Iterator[None]:
    """Makes an exchange the current one of this thread or task."""
    before = _current.get()
    _current.set(exchange)
    try:
        yield
    finally:
        _current.set(before)


def current() -> Exchange | None:
    """The request that this thread or task serves, if any."""
    return _current.get()


def note(error: BaseException) -> None:
    """Records an exception that the app handled itself, so that its stack trace is sent."""
    if (exchange := _current.get()) is not None:
        exchange.failed(error)


def outgoing() -> dict[str, str]:
    """The trace headers for a call to another service; empty when no request is being served."""
    exchange = _current.get()
    return {} if exchange is None else exchange.headers()


class Call:
    """A call to another service: the headers to send with it, and its status once it is known."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers
        self.status = 0


@contextmanager
def call(operation: str, peer: str = "") -> Iterator[Call]:
    """A call to another service, as a span of the request that is being served.

    The call has failed when the block raises or the status is 500 or more. `peer` is the name of
    the callee, if known.
    """
    exchange = _current.get()
    if exchange is None:
        yield Call({})
        return
    made = exchange.call()
    told_by = Call(made.headers())
    try:
        yield told_by
    except BaseException:
        made.called(operation, told_by.status == 0 or told_by.status >= 500, peer)
        raise
    made.called(operation, told_by.status >= 500, peer)


def urlopen(request: str | urllib.request.Request, *args: Any, **kwargs: Any) -> Any:
    """`urllib.request.urlopen` that propagates the trace and records a span."""
    if isinstance(request, str):
        request = urllib.request.Request(request)
    place = urlsplit(request.full_url)
    with call(
        f"{request.get_method()} {place.path or '/'}", place.netloc.rpartition("@")[2]
    ) as made:
        for name, value in made.headers.items():
            request.add_header(name, value)
        try:
            answer = urllib.request.urlopen(request, *args, **kwargs)
        except urllib.error.HTTPError as error:
            made.status = error.code
            raise
        made.status = answer.status
        return answer


def described(error: BaseException) -> str:
    """Type, message and stack trace of an exception."""
    short = "".join(traceback.format_exception_only(error)).strip()
    trace = "".join(traceback.format_exception(error))
    return f"{short[:LONGEST_TRACE]}\n{trace[-LONGEST_TRACE:]}"


def _incoming(header: Callable[[str], str | None]) -> tuple[str, str | None]:
    """Trace and parent span of a request. X-Trace-ID takes precedence over a traceparent of
    another trace; an invalid id counts as missing."""
    trace, parent = (_id(header(name.lower())) for name in (TRACE, SPAN))
    match = _W3C.fullmatch(header(PARENT) or "")
    if match and set(match[1]) != {"0"} and set(match[2]) != {"0"} and trace in (None, match[1]):
        return match[1], match[2]
    return trace or secrets.token_hex(16), parent if trace else None


def _id(text: str | None) -> str | None:
    return text if text and _ID.fullmatch(text) else None
