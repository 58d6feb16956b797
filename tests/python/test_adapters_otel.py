"""The exporter in the real OpenTelemetry SDK."""

from __future__ import annotations

import json

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, format_trace_id
from receiver import Receiver, receiving

import mad
from mad.adapters import Clock, Sender
from mad.adapters.opentelemetry import MadSpanExporter


def provider(service: str, exporter: MadSpanExporter) -> TracerProvider:
    resource = Resource.create({"service.name": service})
    one = TracerProvider(resource=resource, shutdown_on_exit=False)
    one.add_span_processor(SimpleSpanProcessor(exporter))
    return one


def test_spans_keep_their_parents(receiver: Receiver) -> None:
    exporter = MadSpanExporter(receiver.url)
    shop, stock = (provider(name, exporter).get_tracer("test") for name in ("shop", "stock"))
    with shop.start_as_current_span("GET /buy", kind=SpanKind.SERVER) as top:
        top.set_attributes(
            {
                "http.request.method": "GET",
                "http.route": "/buy/{item}",
                "url.path": "/buy/3",
                "http.response.status_code": 200,
            }
        )
        with shop.start_as_current_span("GET /level", kind=SpanKind.CLIENT) as call:
            call.set_attributes({"server.address": "stock.local", "server.port": 80})
            with stock.start_as_current_span("GET /level", kind=SpanKind.SERVER) as bottom:
                bottom.set_status(Status(StatusCode.ERROR))
        with shop.start_as_current_span("cart"):
            pass
    assert exporter.force_flush(30_000)
    spans = {(one["service"], one["kind"]): one for one in receiver.of("spans")}
    trace = format_trace_id(top.get_span_context().trace_id)
    assert {one["trace_id"] for one in spans.values()} == {trace}
    server, client, below = (
        spans[key] for key in (("shop", "server"), ("shop", "client"), ("stock", "server"))
    )
    assert server["parent_id"] == ""
    assert client["parent_id"] == server["span_id"]
    assert below["parent_id"] == client["span_id"]
    assert (server["status"], below["status"], client["peer"]) == ("ok", "error", "stock.local:80")
    assert spans["shop", "internal"]["operation"] == "cart"
    assert server["duration_ms"] >= client["duration_ms"] >= below["duration_ms"] > 0.0
    # only a server span with a status is a request
    (request,) = receiver.of("requests")
    assert (request["service"], request["endpoint"], request["method"]) == (
        "shop",
        "/buy/{item}",
        "GET",
    )
    assert (request["status_code"], request["trace_id"]) == (200, trace)
    graph = mad.ServiceGraph()
    graph.feed("spans", "".join(json.dumps(one) + "\n" for one in spans.values()).encode())
    graph.end("spans")
    assert graph.callees("shop") == ["stock"]
    exporter.shutdown()


def test_exceptions_become_log_lines(receiver: Receiver) -> None:
    exporter = MadSpanExporter(receiver.url, requests=False)
    tracer = provider("shop", exporter).get_tracer("test")

    def deep_inside() -> None:
        raise LookupError("no such card")

    with (
        pytest.raises(LookupError),
        tracer.start_as_current_span("POST /pay", kind=SpanKind.SERVER) as span,
    ):
        span.set_attribute("http.status_code", 500)
        deep_inside()
    assert exporter.force_flush(30_000)
    (line,), (sent,) = receiver.of("logs"), receiver.of("spans")
    assert (line["service"], line["level"]) == ("shop", "ERROR")
    assert line["trace_id"] == sent["trace_id"]
    assert line["body"].startswith("POST /pay: LookupError: no such card\nTraceback")
    assert "deep_inside" in line["body"]
    assert sent["status"] == "error"
    assert not receiver.of("requests")
    exporter.shutdown()


def test_a_batch_processor_and_a_given_sender(receiver: Receiver) -> None:
    sender = Sender(receiver.url)
    exporter = MadSpanExporter(sender, clock=Clock(start=1_767_696_300.0, factor=20.0))
    one = TracerProvider(shutdown_on_exit=False)
    one.add_span_processor(BatchSpanProcessor(exporter))
    tracer = one.get_tracer("test")
    for _ in range(100):
        with tracer.start_as_current_span("work"):
            pass
    assert one.force_flush()
    spans = receiver.wait("spans", 100)
    assert len({span["span_id"] for span in spans}) == 100
    assert {span["start"][:10] for span in spans} == {"2026-01-06"}
    one.shutdown()
    sender.send("spans", spans[0])
    assert sender.flush(30.0)
    assert sender.stats.sent == 101, "a sender that was given stays open"
    sender.close()


def test_an_unreachable_server_does_not_affect_the_app() -> None:
    with receiving() as gone:
        away = gone.url
    sender = Sender(away, patience=0.01, interval=0.01)
    tracer = provider("shop", MadSpanExporter(sender)).get_tracer("test")
    for _ in range(10):
        with tracer.start_as_current_span("work"):
            pass
    assert sender.flush(30.0)
    assert sender.stats.dropped == 10
    sender.close()
