"""ASGI middleware for Starlette, FastAPI, Quart, Django and other ASGI frameworks.

from mad.adapters.asgi import MadMiddleware

app.add_middleware(MadMiddleware, service="checkout", url="http://127.0.0.1:8000")
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mad.adapters.record import DISCONNECTED, TRACE, Exchange, Middleware, serving

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class MadMiddleware(Middleware[App]):
    """Records every HTTP request of `app`; websockets and lifespan events pass through unchanged.

    A request lasts until the last byte of its response. Its endpoint is the template of the route
    if the framework provides it, else the path.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or self.recorder.skips(path):
            await self.app(scope, receive, send)
            return
        names = {name.lower(): value for name, value in scope["headers"]}

        def header(name: str) -> str | None:
            value = names.get(name.encode())
            return None if value is None else value.decode("latin-1")

        request = _Request(self.recorder.begin(scope["method"], header), receive, send)
        root = scope.get("root_path", "")
        try:
            with serving(request.exchange):
                await self.app(scope, request.receive, request.send)
        except BaseException as error:
            request.failed(error)
            raise
        finally:
            request.exchange.finish(_endpoint(scope, root, path), request.outcome())


class _Request:
    """One request while the app serves it."""

    def __init__(self, exchange: Exchange, receive: Receive, send: Send) -> None:
        self.exchange = exchange
        self._receive, self._send = receive, send
        self._status: int | None = None
        self._complete = self._gone = self._broken = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self._complete:
            self._gone = True
        return message

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self._status = message["status"]
            own = (TRACE.lower().encode(), self.exchange.trace_id.encode("latin-1"))
            others = [pair for pair in message.get("headers", ()) if pair[0].lower() != own[0]]
            message = {**message, "headers": [*others, own]}
        try:
            await self._send(message)
        except OSError:
            self._gone = True
            raise
        if kind == "http.response.body" and not message.get("more_body", False):
            self._complete = True

    def failed(self, error: BaseException) -> None:
        """Records that the app raised. Neither a disconnect of the client nor a cancellation is
        a failure."""
        if not isinstance(error, Exception):
            self._gone = True
        elif not self._gone:
            self._broken = True
            self.exchange.error = error

    def outcome(self) -> int:
        """The status to record; 500 for an app that raised or sent no response."""
        if self._broken or (self._status is None and not self._gone):
            return 500
        return DISCONNECTED if self._status is None else self._status


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
