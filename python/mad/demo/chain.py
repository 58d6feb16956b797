"""Two services in a chain, instrumented with the OpenTelemetry SDK: service-a `/start` and `/test`
call service-b `/ping`.

Needs `pip install 'mad-py[otel]'`.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from mad.adapters.clock import Clock
from mad.adapters.opentelemetry import MadSpanExporter
from mad.adapters.sender import Sender
from mad.demo.faults import ROUTES, Faults, simulate_work
from mad.demo.service import App, Served, app, ask

_PROPAGATOR = TraceContextTextMapPropagator()


def services(
    sender: Sender, clock: Clock, faults: Faults, ports: Mapping[str, int]
) -> Iterator[tuple[str, Served]]:
    """Starts both services, the callee first."""
    exporter = MadSpanExporter(sender, clock=clock)

    def ping() -> Mapping[str, Any]:
        simulate_work(10.0)
        return {"message": "pong"}

    tracer = _tracer("service-b", exporter)
    watched = _watched(app("service-b", {("GET", "/ping"): ping}, faults, _noted), tracer)
    callee = Served(watched, ports.get("service-b", 0))
    yield "service-b", callee
    url = callee.url + "/ping"
    tracer = _tracer("service-a", exporter)

    def call() -> Mapping[str, Any]:
        simulate_work(5.0)
        with tracer.start_as_current_span("GET /ping", kind=SpanKind.CLIENT) as span:
            span.set_attribute("server.address", "service-b")
            headers: dict[str, str] = {}
            _PROPAGATOR.inject(headers)
            return {"answer": ask("GET", url, urllib.request.urlopen, **headers)}

    routes = {("GET", "/start"): call, ("GET", "/test"): call}
    watched = _watched(app("service-a", routes, faults, _noted), tracer)
    yield "service-a", Served(watched, ports.get("service-a", 0))


def _tracer(service: str, exporter: MadSpanExporter) -> Tracer:
    provider = TracerProvider(
        resource=Resource.create({"service.name": service}), shutdown_on_exit=False
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer("mad.demo")


def _watched(inner: App, tracer: Tracer) -> App:
    """A WSGI app with the spans that the SDK's instrumentation would create."""

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO") or "/"
        if path.startswith(ROUTES):
            return inner(environ, start_response)
        names = {name[5:].lower(): value for name, value in environ.items() if name[:5] == "HTTP_"}
        with tracer.start_as_current_span(
            f"{method} {path}", _PROPAGATOR.extract(names), SpanKind.SERVER
        ) as span:
            span.set_attributes({"http.request.method": method, "http.route": path})

            def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
                _answered(span, int(status[:3]))
                trace_id = trace.format_trace_id(span.get_span_context().trace_id)
                return start_response(status, [*headers, ("X-Trace-ID", trace_id)], *exc_info)

            return inner(environ, start)

    return serve


def _noted(error: BaseException) -> None:
    trace.get_current_span().record_exception(error)


def _answered(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR))
