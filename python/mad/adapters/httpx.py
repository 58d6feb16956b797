"""Transports for httpx that propagate the trace and record a span for each call.

client = httpx.Client(transport=MadTransport())
client = httpx.AsyncClient(transport=AsyncMadTransport())
"""

from __future__ import annotations

import httpx

from mad.adapters.record import call


def _named(request: httpx.Request) -> tuple[str, str]:
    url = request.url
    return f"{request.method} {url.path}", url.netloc.decode("ascii", "replace")


class MadTransport(httpx.BaseTransport):
    """Wraps a transport, by default httpx's own."""

    def __init__(self, transport: httpx.BaseTransport | None = None) -> None:
        self._inner = transport if transport is not None else httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with call(*_named(request)) as made:
            request.headers.update(made.headers)
            answer = self._inner.handle_request(request)
            made.status = answer.status_code
            return answer

    def close(self) -> None:
        self._inner.close()


class AsyncMadTransport(httpx.AsyncBaseTransport):
    """The same for an asyncio client."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._inner = transport if transport is not None else httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with call(*_named(request)) as made:
            request.headers.update(made.headers)
            answer = await self._inner.handle_async_request(request)
            made.status = answer.status_code
            return answer

    async def aclose(self) -> None:
        await self._inner.aclose()
