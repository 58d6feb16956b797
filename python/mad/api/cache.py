"""A cache of GET responses, valid until the engine's version changes, with ETags."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Most cached responses, and most bytes of all of them.
ANSWERS = 2_000
BYTES = 64 * 1024 * 1024
#: Routes that are not cached, because they change with every batch, change without one, or never
#: end.
NEVER = (
    "/v1/query/stats",
    "/v1/query/graph",
    "/aiops/metrics",
    "/aiops/incidents",
    "/v1/stream",
    "/metrics/prometheus",
    "/ingest/stats",
    "/health",
    "/api/health",
    "/v1/state",
)


@dataclass(frozen=True, slots=True)
class _CachedResponse:
    version: int
    tag: bytes
    start: Message
    body: Message
    size: int


class AnswerCache:
    """Serves a cached response while the version of the engine has not changed."""

    def __init__(self, app: ASGIApp, version: Callable[[], int]) -> None:
        self._app, self._version = app, version
        self._answers: OrderedDict[tuple[str, bytes], _CachedResponse] = OrderedDict()
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request from the cache, or passes it on and stores the response."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] in NEVER:
            await self._app(scope, receive, send)
            return
        version = self._version()
        key = (scope["path"], scope["query_string"])
        cached = self._answers.get(key)
        if cached is None or cached.version != version:
            await self._app(scope, receive, _CacheWriter(self, key, version, send))
            return
        for name, value in scope["headers"]:
            if name == b"if-none-match" and cached.tag in value:
                await send(
                    {
                        "type": "http.response.start",
                        "status": 304,
                        "headers": [(b"etag", cached.tag)],
                    }
                )
                await send({"type": "http.response.body", "body": b""})
                return
        await send(cached.start)
        await send(cached.body)

    def keep(self, key: tuple[str, bytes], answer: _CachedResponse) -> None:
        """Stores a response and evicts the oldest ones."""
        before = self._answers.pop(key, None)
        self._bytes += answer.size - (before.size if before else 0)
        self._answers[key] = answer
        while len(self._answers) > ANSWERS or self._bytes > BYTES:
            _, oldest = self._answers.popitem(last=False)
            self._bytes -= oldest.size


class _CacheWriter:
    """Sends a response on with its ETag, and stores it when it is complete and has status 200."""

    def __init__(
        self, cache: AnswerCache, key: tuple[str, bytes], version: int, send: Send
    ) -> None:
        self._cache, self._key, self._version, self._send = cache, key, version, send
        self._start: dict[str, Any] | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            self._start = dict(message)
            return
        if self._start is None:
            await self._send(message)
            return
        start, self._start = self._start, None
        body = message.get("body", b"")
        if not message.get("more_body"):
            tag = b'"' + hashlib.blake2b(body, digest_size=12).hexdigest().encode() + b'"'
            start["headers"] = [*start["headers"], (b"etag", tag), (b"cache-control", b"no-cache")]
            answer = _CachedResponse(self._version, tag, start, dict(message), len(body) + 500)
            if answer.size < BYTES // 8:
                self._cache.keep(self._key, answer)
        await self._send(start)
        await self._send(message)
