"""ASGI middleware for Starlette, FastAPI, Quart, Django and other ASGI frameworks.

from mad.adapters.asgi import MadMiddleware

app.add_middleware(MadMiddleware, service="checkout", url="http://127.0.0.1:8000")
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mad.adapters.record import (
    DISCONNECTED,
    EVENT_STREAM,
    REFUSED,
    SWITCHED,
    TRACE,
    Exchange,
    Middleware,
    Recorder,
    serving,
)
from mad.adapters.sender import LAST_SECONDS

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class MadMiddleware(Middleware[App]):
    """Records every HTTP request and every handshake of a websocket of `app`.

    A request lasts until the last byte of its response was passed to the server, or until its
    client disconnected. Background tasks that run after the response are not part of it. A stream
    of server-sent events lasts until its first event, and a websocket until it is accepted. The
    endpoint is the template of the route if the framework provides it, else the path.

    When the server ends its lifespan, the middleware sends the records that wait.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _Lifespan(self.recorder, receive, send).run(self.app, scope)
            return
        path = scope.get("path", "")
        if scope["type"] not in ("http", "websocket") or self.recorder.skips(path):
            await self.app(scope, receive, send)
            return
        names = {name.lower(): value for name, value in scope["headers"]}

        def header(name: str) -> str | None:
            value = names.get(name.encode())
            return None if value is None else value.decode("latin-1")

        request = _Request(
            self.recorder.begin(scope.get("method", "GET"), header), scope, receive, send
        )
        try:
            with serving(request.exchange):
                await self.app(scope, request.receive, request.send)
        except BaseException as error:
            request.failed(error)
            raise
        finally:
            request.finish()
            self.recorder.sender.after_request()


class _Request:
    """One request, or one handshake of a websocket, while the app serves it."""

    def __init__(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        self.exchange = exchange
        self._scope, self._root, self._path = (
            scope,
            scope.get("root_path", ""),
            scope.get("path", ""),
        )
        self._receive, self._send = receive, send
        self._status: int | None = None
        self._gone = self._broken = self._is_event_stream = self._has_trailers = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] in ("http.disconnect", "websocket.disconnect"):
            self._leave()
        return message

    async def send(self, message: Message) -> None:
        kind = message["type"].removeprefix("websocket.")
        if kind in ("http.response.start", "accept"):
            message = self._begin(message, SWITCHED if kind == "accept" else message["status"])
        elif kind == "close" and self._status is None:
            self._status = REFUSED
        try:
            await self._send(message)
        except OSError:
            self._leave()
            raise
        if self._is_last(kind, message):
            self.finish()

    def failed(self, error: BaseException) -> None:
        """Records that the app raised. Neither a disconnect of the client nor a cancellation is
        a failure."""
        if not isinstance(error, Exception):
            self._leave()
        elif not self._gone:
            self._broken = True
            self.exchange.failed(error)

    def finish(self) -> None:
        """Ends the request with its status; 500 for an app that raised or sent no response."""
        status = DISCONNECTED if self._status is None else self._status
        if self._broken or (self._status is None and not self._gone):
            status = 500
        self.exchange.finish(_endpoint(self._scope, self._root, self._path), status)

    def _begin(self, message: Message, status: int) -> Message:
        """The message of the response's start with the header of the trace."""
        self._status = status
        self._has_trailers = bool(message.get("trailers"))
        own = (TRACE.lower().encode(), self.exchange.trace_id.encode("latin-1"))
        headers = list(message.get("headers", ()))
        self._is_event_stream = any(
            name.lower() == b"content-type" and value.lower().startswith(EVENT_STREAM.encode())
            for name, value in headers
        )
        return {**message, "headers": [*(one for one in headers if one[0].lower() != own[0]), own]}

    def _is_last(self, kind: str, message: Message) -> bool:
        """Whether the request ends with a message that was sent."""
        if kind in ("http.response.body", "http.response.zerocopysend"):
            is_event = self._is_event_stream and bool(message.get("body"))
            return is_event or not (message.get("more_body") or self._has_trailers)
        if kind == "http.response.trailers":
            return not message.get("more_trailers", False)
        return kind in ("accept", "close", "http.response.pathsend")

    def _leave(self) -> None:
        """The client has disconnected, or the server ends the request."""
        if not self.exchange.is_finished:
            self._gone = True
            self.finish()
        elif self._status == SWITCHED or self._is_event_stream:
            self._gone = True


class _Lifespan:
    """The lifespan of the app, at whose end the records that wait are sent.

    The middleware answers in the place of an app that does not support the protocol, because the
    server would else stop without a message.
    """

    def __init__(self, recorder: Recorder, receive: Receive, send: Send) -> None:
        self._sender = recorder.sender
        self._receive, self._send = receive, send
        self._has_started = self._has_answered = False

    async def run(self, app: App, scope: Scope) -> None:
        try:
            await app(scope, self._receive_message, self._send_message)
        except Exception:
            if self._has_answered:
                raise
            await self._answer_instead()

    async def _receive_message(self) -> Message:
        message = await self._receive()
        self._has_started = True
        return message

    async def _send_message(self, message: Message) -> None:
        self._has_answered = True
        if message["type"].startswith("lifespan.shutdown."):
            self._sender.flush(LAST_SECONDS)
        await self._send(message)

    async def _answer_instead(self) -> None:
        if not self._has_started:
            await self._receive()
        await self._send({"type": "lifespan.startup.complete"})
        await self._receive()
        await self._send_message({"type": "lifespan.shutdown.complete"})


def _endpoint(scope: Scope, root: str, path: str) -> str:
    """The template of the route with the mount path of its app."""
    route = scope.get("route")
    # FastAPI stores the prefixes of included routers beside the route
    included = scope.get("fastapi", {}).get("effective_route_context")
    if included is not None and getattr(included, "original_route", None) is route:
        route = included
    template = getattr(route, "path_format", None) or getattr(route, "path", None)
    if not isinstance(template, str):
        return path or "/"
    mounted = scope.get("root_path", "")
    return (mounted.removeprefix(root) + template) or "/"
