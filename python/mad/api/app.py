"""The ASGI application: routes, access control and the answer cache over an engine."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from time import monotonic

from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mad import _core
from mad.api import (
    aiops,
    alerts,
    changes,
    commands,
    compat,
    docs,
    errors,
    exposition,
    ingest,
    otlp,
    overview,
    query,
    radar,
    remote_write,
    stream,
)
from mad.api.auth import Access, Tokens
from mad.api.bodies import BodiesInFlight
from mad.api.cache import AnswerCache
from mad.api.exposition import ScrapeRoute
from mad.api.health import HealthProbe
from mad.api.page import PageFiles
from mad.api.protect import BodyLimit, Overload, QueryLane, ResponseHeaders
from mad.api.service import Service
from mad.api.stream import EventStreams
from mad.api.transport import Connections
from mad.config.server import HttpLimits, WebhookSecrets
from mad.engine import Busy, Engine, StorageFailed
from mad.engine.sink_runner import SinkPool
from mad.engine.source_runner import SourcePool
from mad.explainers import ExplainQueue
from mad.journal import AuditLine
from mad.journal.reader import Reader


class Application:
    """The application as a server runs it."""

    def __init__(
        self, served: ASGIApp, routes: FastAPI, access: Access, connections: Connections
    ) -> None:
        self.routes = routes
        #: The connections of the server, for `uvicorn.Config(http=connections.protocol())`.
        self.connections = connections
        self._served, self._access = served, access
        self._streams: EventStreams = routes.state.streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one ASGI connection."""
        await self._served(scope, receive, send)

    @property
    def tokens(self) -> Tokens | None:
        """The present tokens; None without access control."""
        return self._access.tokens

    def replace_tokens(self, tokens: Tokens) -> None:
        """Replaces the tokens. Event streams of clients that are no longer known are closed."""
        self._access.tokens = tokens
        self._streams.close(except_for=frozenset(tokens.principals.values()))

    def close(self) -> None:
        """Ends all event streams because the server stops."""
        self._streams.close()


class RefusalLog:
    """Writes refused requests to the audit trail, at most one a second."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._last = engine, float("-inf")

    def __call__(self, method: str, path: str, error: str) -> None:
        """Records one refused request."""
        if monotonic() - self._last >= 1.0:
            self._last = monotonic()
            with contextlib.suppress(Busy, StorageFailed):
                line = AuditLine("?", f"{method} {path}"[:500], outcome=error, refused=True)
                self._engine.write(lambda to: to.audit(line))


def create_app(
    engine: Engine,
    *,
    tokens: Tokens | None = None,
    read_only: bool = False,
    limits: HttpLimits | None = None,
    hosts: Iterable[str] = (),
    naive_offset_seconds: int = 0,
    retention_minutes: float = 120.0,
    sources: SourcePool | None = None,
    sinks: SinkPool | None = None,
    webhooks: WebhookSecrets | None = None,
    explanations: ExplainQueue | None = None,
) -> Application:
    """Builds the service over a started engine; the caller stops the engine.

    Without `tokens` every client may do everything, as long as the host name of its request is in
    `hosts` (or `hosts` is empty).
    """
    limits, webhooks = limits or HttpLimits(), webhooks or WebhookSecrets()
    streams = EventStreams()
    sources, sinks = sources or SourcePool(), sinks or SinkPool()
    health = HealthProbe(engine, sources, sinks)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        engine.listeners.append(streams.publish)
        engine.step_listeners.append(streams.publish_step)
        yield
        engine.step_listeners.remove(streams.publish_step)
        engine.listeners.remove(streams.publish)
        health.close()

    app = FastAPI(
        title="mad",
        version=_core.__version__,
        description="Anomalies, incidents, culprits and explanations for microservices. "
        "Times are RFC 3339; errors are `{error, message, hint}`.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = Service(
        engine,
        Reader(engine.journal.path, most_bytes=limits.answer_bytes),
        limits,
        BodiesInFlight(limits.bodies_bytes, limits.bodies_bytes_per_client),
        health,
        datetime.now(timezone.utc),
        naive_offset_seconds=naive_offset_seconds,
        retention_minutes=retention_minutes,
        inputs=sources,
        sinks=sinks,
        webhooks=webhooks,
        explanations=explanations,
    )
    app.state.streams = streams
    errors.install(app)
    parts = (
        compat,
        ingest,
        otlp,
        remote_write,
        overview,
        query,
        commands,
        alerts,
        changes,
        stream,
        radar,
        aiops,
    )
    for part in parts:
        app.include_router(part.router, responses=errors.COMMON)
    app.add_api_route(
        exposition.PATH,
        exposition.exposition,
        methods=["GET"],
        tags=["Query API"],
        summary="Scrape figures for Prometheus",
        response_class=Response,
        responses={**errors.COMMON, 200: {"content": {"text/plain": {}}}},
    )
    docs.install(app)
    connections = Connections(limits)
    cached = AnswerCache(BodyLimit(app, limits), lambda: engine.version)
    access = Access(
        PageFiles(QueryLane(cached, limits, connections.unread_bytes)),
        tokens=tokens,
        read_only=read_only,
        hosts=frozenset(hosts),
        signed=frozenset(f"/v1/webhooks/{name}" for name in webhooks.signed),
        refused=RefusalLog(engine),
    )
    served = ScrapeRoute(Overload(access, engine.refuses_batch))
    return Application(ResponseHeaders(served), app, access, connections)
