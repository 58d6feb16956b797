"""An exporter that sends spans of the OpenTelemetry SDK to mad. Needs `pip install 'mad-py[otel]'`.

provider = TracerProvider(resource=Resource.create({"service.name": "checkout"}))
provider.add_span_processor(SimpleSpanProcessor(MadSpanExporter("http://127.0.0.1:8000")))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mad.adapters.clock import Clock, rfc3339
from mad.adapters.sender import Sender
from mad.errors import MissingExtraError

try:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id
except ImportError as error:
    raise MissingExtraError(
        "the OpenTelemetry SDK is not installed", "pip install 'mad-py[otel]'"
    ) from error


class MadSpanExporter(SpanExporter):
    """Sends each span. A server span with a status also becomes a request, and a recorded exception
    a log line.

    `to` is the URL of a server, or a sender; a given sender stays open at shutdown. The sender
    batches and never blocks, so that `SimpleSpanProcessor` is sufficient.
    """

    def __init__(
        self,
        to: str | Sender,
        token: str | None = None,
        *,
        clock: Clock | None = None,
        requests: bool = True,
    ) -> None:
        self._sender = Sender(to, token) if isinstance(to, str) else to
        self._owned = isinstance(to, str)
        self._clock = clock if clock is not None else Clock()
        self._requests = requests

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            self._send(span)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        if self._owned:
            self._sender.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._sender.flush(timeout_millis / 1e3)

    def _send(self, span: ReadableSpan) -> None:
        context, start, end = span.context, span.start_time, span.end_time
        if context is None or start is None or end is None:
            return
        trace = format_trace_id(context.trace_id)
        service = str(span.resource.attributes.get("service.name") or "unknown")
        marks: Mapping[str, Any] = span.attributes or {}
        milliseconds = round((end - start) / 1e6, 3)
        self._sender.send(
            "spans",
            {
                "trace_id": trace,
                "span_id": format_span_id(context.span_id),
                "parent_id": format_span_id(span.parent.span_id) if span.parent else "",
                "service": service,
                "operation": span.name,
                "start": rfc3339(self._clock.at(start / 1e9, trace)),
                "duration_ms": milliseconds,
                "status": "error" if span.status.status_code is StatusCode.ERROR else "ok",
                "kind": span.kind.name.lower(),
                "peer": _peer(span.kind, marks),
            },
        )
        status = _first(marks, "http.response.status_code", "http.status_code")
        if self._requests and span.kind is SpanKind.SERVER and status is not None:
            method = _first(marks, "http.request.method", "http.method") or ""
            route = _first(marks, "http.route", "url.path", "http.target")
            self._sender.send(
                "requests",
                {
                    "timestamp": rfc3339(self._clock.began(start / 1e9, trace)),
                    "service": service,
                    "endpoint": route or span.name.removeprefix(f"{method} "),
                    "method": method,
                    "status_code": status,
                    "latency_ms": milliseconds,
                    "trace_id": trace,
                },
            )
        for event in span.events:
            if event.name == "exception":
                said: Mapping[str, Any] = event.attributes or {}
                line = f"{said.get('exception.type')}: {said.get('exception.message')}"
                body = f"{span.name}: {line}\n{said.get('exception.stacktrace') or ''}"
                self._sender.send(
                    "logs",
                    {
                        "timestamp": rfc3339(self._clock.at(end / 1e9)),
                        "service": service,
                        "level": "ERROR",
                        "body": body,
                        "trace_id": trace,
                    },
                )


def _first(marks: Mapping[str, Any], *names: str) -> Any:
    return next((marks[name] for name in names if marks.get(name) is not None), None)


def _peer(kind: SpanKind, marks: Mapping[str, Any]) -> str:
    """The name of the callee, if the span has one."""
    if kind not in (SpanKind.CLIENT, SpanKind.PRODUCER):
        return ""
    if name := _first(marks, "peer.service"):
        return str(name)
    host, port = _first(marks, "server.address", "net.peer.name"), marks.get("server.port")
    return f"{host}:{port}" if host and port else str(host or "")
