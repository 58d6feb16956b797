"""Protection of the routes: response headers, small bodies, and a lane for health and commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mad.api.errors import RESEND, ApiError, later
from mad.api.paths import is_small, takes_batches
from mad.config.server import HttpLimits
from mad.engine import Busy

#: Headers of every response. By default pages load nothing, run no script and are in no frame; a
#: page with scripts sends another policy.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: Routes that never wait behind queries.
FIRST = frozenset({"/health", "/api/health", "/v1/stream"})
_TOO_MANY = ApiError(
    503,
    "busy",
    "too many queries wait, or too many answers are unread",
    "send it again after Retry-After seconds",
    headers={"Retry-After": "1"},
)


#: Seconds after which a batch is refused while the queue is full, so that senders that repeat it at
#: once do not use up the server.
REFUSAL_SECONDS = 0.5


class Overload:
    """Refuses batches while the queue is full, before anything else looks at them."""

    def __init__(self, app: ASGIApp, refuses: Callable[[], bool]) -> None:
        self._app, self._refuses = app, refuses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or not is_batch(scope) or not self._refuses():
            await self._app(scope, receive, send)
            return
        await asyncio.sleep(REFUSAL_SECONDS)
        await later(429, "busy", Busy(), RESEND).response()(scope, receive, send)


class ResponseHeaders:
    """Adds the protective headers to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class BodyLimit:
    """Reads the bodies of all requests except batches before the application sees them.

    A body above `command_bytes` is refused with 413.
    """

    def __init__(self, app: ASGIApp, limits: HttpLimits) -> None:
        self._app, self._most = app, limits.command_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or is_batch(scope):
            await self._app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if len(body) > self._most:
                refused = ApiError(
                    413,
                    "too_large",
                    f"the body is larger than {self._most} bytes",
                    "send a smaller body; batches go to /v1/ingest",
                )
                await refused.response()(scope, receive, send)
                return
            if not message.get("more_body"):
                break
        given = False

        async def receive_again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, receive_again, send)


class QueryLane:
    """Limits how many queries run and wait, and how many bytes of answers are unread.

    Health, event streams, batches and commands do not pass through it, so that they never wait
    behind queries.
    """

    def __init__(
        self, app: ASGIApp, limits: HttpLimits, unread_bytes: Callable[[], int] = lambda: 0
    ) -> None:
        self._app, self._limits, self._unread_bytes = app, limits, unread_bytes
        self._turn = asyncio.Semaphore(limits.queries)
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] in FIRST:
            await self._app(scope, receive, send)
            return
        if self._waiting >= self._limits.waiting_queries:
            await _TOO_MANY.response()(scope, receive, send)
            return
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        held = True

        def release() -> None:
            nonlocal held
            if held:
                held = False
                self._turn.release()

        async def send_and_release(message: Message) -> None:
            # The answer is complete in memory: a slow reader does not hold up other queries.
            release()
            await send(message)

        try:
            if self._unread_bytes() > self._limits.answers_bytes:
                await _TOO_MANY.response()(scope, receive, send)
            else:
                await self._app(scope, receive, send_and_release)
        finally:
            release()


def is_batch(scope: Scope) -> bool:
    """Whether a request brings a batch of telemetry."""
    path = scope["path"]
    return bool(scope["method"] == "POST" and takes_batches(path) and not is_small(path))
