"""The receivers of OpenTelemetry and of Prometheus' remote write, with real senders."""

from __future__ import annotations

import gzip
import json
import sqlite3
import subprocess
import time
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
    OTLPSpanExporter as GrpcExporter,
)
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
    Compression,
    OTLPSpanExporter,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode
from peers import Process, free_port, left_out, needs, program
from service import Server

PROTOBUF, JSON = "application/x-protobuf", "application/json"
#: 2026-01-06T10:00:00Z in nanoseconds.
START = 1_767_693_600_000_000_000
SECOND = 1_000_000_000


def request(count: int = 3, service: str = "pay", version: str = "", at: int = START) -> Any:
    """A request of server spans, one a second."""
    whole = ExportTraceServiceRequest()
    of = whole.resource_spans.add()
    for key, value in (("service.name", service), ("service.version", version)):
        of.resource.attributes.add(key=key).value.string_value = value
    scope = of.scope_spans.add()
    for number in range(count):
        start = at + number * SECOND
        scope.spans.add(
            trace_id=(number + 1).to_bytes(16, "big"),
            span_id=(number + 1).to_bytes(8, "big"),
            name="GET /pay",
            kind=2,
            start_time_unix_nano=start,
            end_time_unix_nano=start + 12_500_000,
        )
    return whole


def send(server: Server, path: str, body: bytes, kind: str = PROTOBUF, **headers: str) -> Any:
    """The response to a body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.http.post(path, content=body, headers={"content-type": kind, **named})


def test_otlp_over_http_answers_as_the_protocol_says(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        body = request().SerializeToString()
        answer = send(server, "/v1/traces", body)
        assert (answer.status_code, answer.headers["content-type"]) == (200, PROTOBUF)
        assert answer.content == b""
        later = request(at=START + 60 * SECOND).SerializeToString()
        packed = send(server, "/v1/traces", gzip.compress(later), content_encoding="gzip")
        assert packed.status_code == 200
        assert server.get("/v1/query/stats")["accepted"] == 6

        wrong = request(2, at=START + 70 * SECOND)
        wrong.resource_spans[0].scope_spans[0].spans[0].trace_id = b""
        partial = send(server, "/v1/traces", wrong.SerializeToString())
        message = ExportTraceServiceResponse.FromString(partial.content)
        assert message.partial_success.rejected_spans == 1
        assert "trace_id" in message.partial_success.error_message

        assert send(server, "/v1/traces", b"").status_code == 200
        for body, kind, status in (
            (b"\xff\xff", PROTOBUF, 400),
            (b'{"resourceSpans": 1}', JSON, 400),
            (b"spans", "text/plain", 415),
            (b"\x1f\x8bnothing", PROTOBUF, 400),
        ):
            refused = send(server, "/v1/traces", body, kind)
            assert (refused.status_code, refused.headers["content-type"]) == (
                status,
                JSON if kind == JSON else PROTOBUF,
            )
        refused = send(server, "/v1/traces", b"[", JSON)
        assert refused.json()["code"] == 3 and "read" in refused.json()["message"]


def test_otlp_json_and_the_same_body_again(tmp_path: Path) -> None:
    span = {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "charge",
        "kind": 2,
        "startTimeUnixNano": str(START),
        "endTimeUnixNano": str(START + SECOND),
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    with Server(tmp_path) as server:
        for _ in range(3):
            answer = send(server, "/v1/traces", body, JSON)
            assert (answer.status_code, answer.json()) == (200, {})
        stats = server.get("/v1/query/stats")
        assert (stats["accepted"], stats["batches_repeated"]) == (1, 2) or stats["accepted"] == 1


def test_bodies_are_journaled_as_they_came_and_replayed(tmp_path: Path) -> None:
    body = request(50).SerializeToString()
    changed = request(5, version="2", at=START + 100 * SECOND).SerializeToString()
    with Server(tmp_path) as server:
        first = request(5, version="1", at=START - 10 * SECOND).SerializeToString()
        for one in (first, body, changed):
            assert send(server, "/v1/traces", one).status_code == 200
        before = server.get("/v1/query/stats")
        graph = server.get("/v1/query/graph")
        server.process.kill()
        server.process.wait(10)
    with sqlite3.connect(tmp_path / "mad.db") as db:
        stored = db.execute(
            "SELECT kind, format, body FROM journal WHERE kind = 'spans'"
        ).fetchall()
    assert stored[1] == ("spans", "otlp-pb", body)
    with Server(tmp_path) as server:
        after = server.get("/v1/query/stats")
        assert after["requests"] == before["requests"]
        assert server.get("/v1/query/graph") == graph


def test_tokens_hold_for_the_receivers(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("read 0123456789abcdef reader\ningest fedcba9876543210 agent\n")
    tokens.chmod(0o600)
    with Server(tmp_path / "data", "--token-file", str(tokens), "--otlp-grpc", "0") as server:
        body = request().SerializeToString()
        statuses = [
            send(server, "/v1/traces", body, authorization=f"Bearer {token}").status_code
            for token in ("none", "0123456789abcdef", "fedcba9876543210")
        ]
        assert statuses == [401, 403, 200]
        exporter = GrpcExporter(_grpc(server), insecure=True, timeout=2)
        assert not exported(exporter)
        headers = (("authorization", "Bearer fedcba9876543210"),)
        exporter = GrpcExporter(_grpc(server), insecure=True, timeout=10, headers=headers)
        assert exported(exporter)


def _grpc(server: Server) -> str:
    for _ in range(100):
        if "OTLP over gRPC: " in server.said:
            return server.said.partition("OTLP over gRPC: ")[2].split()[0]
        time.sleep(0.05)
    raise AssertionError(server.said)


def provider(exporter: SpanExporter, count: int = 20) -> TracerProvider:
    """Traces of an SDK: a client span and the server span that it calls."""
    of = TracerProvider(resource=Resource({"service.name": "pay", "service.version": "1.0"}))
    of.add_span_processor(BatchSpanProcessor(exporter))
    tracer = of.get_tracer("shop")
    for number in range(count):
        with tracer.start_as_current_span("GET /pay", kind=SpanKind.SERVER) as span:
            with tracer.start_as_current_span("charge", kind=SpanKind.CLIENT) as call:
                call.set_attribute("peer.service", "bank")
            if number % 5 == 0:
                span.record_exception(ValueError("card refused"))
                span.set_status(Status(StatusCode.ERROR))
    return of


def exported(exporter: SpanExporter) -> bool:
    """Whether an exporter delivers its spans."""
    of = provider(exporter, 1)
    spans: list[Any] = []
    exporter_export: Callable[..., Any] = exporter.export

    def export(batch: Any) -> Any:
        result = exporter_export(batch)
        spans.append(result.name)
        return result

    exporter.export = export  # type: ignore[method-assign]
    of.shutdown()
    return spans == ["SUCCESS"]


@pytest.mark.parametrize("protocol", ["http", "http-gzip", "grpc"])
def test_the_sdk_of_opentelemetry_delivers_traces(protocol: str, tmp_path: Path) -> None:
    with Server(tmp_path, "--otlp-grpc", "0") as server:
        if protocol == "grpc":
            exporter: SpanExporter = GrpcExporter(_grpc(server), insecure=True)
        else:
            packing = Compression.Gzip if protocol == "http-gzip" else Compression.NoCompression
            exporter = OTLPSpanExporter(f"{server.url}/v1/traces", compression=packing)
        provider(exporter).shutdown()
        graph = server.get("/v1/query/graph")
        nodes = {node["service"]: node for node in graph["nodes"]}
        assert (nodes["pay"]["spans"], nodes["pay"]["errors"]) == (40, 4)
        stats = server.get("/v1/query/stats")
        # an exception is a log line
        assert (stats["accepted"], stats["rejected"]) == (40 + 4, 0)


def test_the_sdk_of_opentelemetry_delivers_metrics_and_logs(tmp_path: Path) -> None:
    from logging import getLogger

    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor

    resource = Resource({"service.name": "cart"})
    with Server(tmp_path) as server:
        exporter = OTLPMetricExporter(f"{server.url}/v1/metrics")
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=60_000)
        meters = MeterProvider([reader], resource=resource)
        meter = meters.get_meter("shop")
        counter, histogram = meter.create_counter("orders"), meter.create_histogram("seconds")
        for _ in range(3):
            counter.add(5, {"route": "/pay"})
            histogram.record(0.2, {"route": "/pay"})
            reader.force_flush()
            time.sleep(0.01)
        meters.shutdown()
        before = server.get("/v1/query/stats")
        assert before["series"] >= 5 and before["rejected"] == 0, before
        logs = LoggerProvider(resource=resource)
        exporter_of_logs = OTLPLogExporter(f"{server.url}/v1/logs")
        logs.add_log_record_processor(SimpleLogRecordProcessor(exporter_of_logs))
        logger = getLogger("mad.test.receivers")
        handler = LoggingHandler(logger_provider=logs)
        logger.addHandler(handler)
        try:
            logger.error("card refused")
        finally:
            logger.removeHandler(handler)
        logs.shutdown()
        after = server.get("/v1/query/stats")
        assert after["accepted"] == before["accepted"] + 1 and after["rejected"] == 0, after


def test_bodies_of_remote_write_that_cannot_be_read_are_refused_for_good(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        for body, kind, coding, status in (
            (b"nothing", PROTOBUF, "snappy", 400),
            # it claims 4 GiB
            (b"\xff\xff\xff\xff\x0f", PROTOBUF, "snappy", 413),
            (b"", PROTOBUF, "gzip", 415),
            (b"", f"{PROTOBUF};proto=io.prometheus.write.v2.Request", "snappy", 415),
            (b"", PROTOBUF, "snappy", 204),
        ):
            answer = send(server, "/api/v1/write", body, kind, content_encoding=coding)
            assert answer.status_code == status, answer.text


@pytest.mark.parametrize("name", [pytest.param("prometheus", marks=needs("prometheus"))])
def test_prometheus_writes_to_mad(name: str, tmp_path: Path) -> None:
    port = free_port()
    data = tmp_path / "mad"
    server = Server(data)
    settings = tmp_path / "prometheus.yml"
    settings.write_text(
        "global: {scrape_interval: 1s}\n"
        "scrape_configs:\n- job_name: prometheus\n"
        f"  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
        f"remote_write:\n- url: {server.url}/api/v1/write\n"
        "  queue_config: {batch_send_deadline: 500ms}\n"
    )
    command = [
        str(program(name)),
        f"--config.file={settings}",
        f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    prometheus = Process(command, port)
    try:
        for _ in range(200):
            stats = server.get("/v1/query/stats")
            if stats["series"] > 50:
                break
            time.sleep(0.1)
        assert stats["series"] > 50 and stats["rejected"] == 0, stats
    finally:
        prometheus.stop()
        server.process.terminate()
        server.process.wait(20)


def _rotel() -> Path:
    found = util.find_spec("rotel")
    place = found.origin if found is not None else None
    return Path(place or "rotel").parent / "rotel-agent"


@pytest.mark.real
@left_out(not _rotel().exists(), "rotel is missing")
def test_the_rotel_collector_forwards_to_mad(tmp_path: Path) -> None:
    agent = _rotel()
    ports = free_port(), free_port()
    with Server(tmp_path) as server:
        process = subprocess.Popen(
            [
                str(agent),
                "start",
                f"--otlp-grpc-endpoint=127.0.0.1:{ports[0]}",
                f"--otlp-http-endpoint=127.0.0.1:{ports[1]}",
                f"--otlp-exporter-endpoint={server.url}",
                "--otlp-exporter-protocol=http",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            url = f"http://127.0.0.1:{ports[1]}/v1/traces"
            for _ in range(100):
                exporter = OTLPSpanExporter(url, timeout=2)
                if exported(exporter):
                    break
                time.sleep(0.1)
            for _ in range(200):
                if server.get("/v1/query/graph")["nodes"]:
                    break
                time.sleep(0.1)
            assert server.get("/v1/query/graph")["nodes"]
        finally:
            process.terminate()
            process.wait(10)
