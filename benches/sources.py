"""Receivers under load: spans by OTLP over HTTP and samples by remote write, acknowledged by the
server, and the decoders alone.

    python benches/sources.py [--seconds 10]

A body of OTLP has 2,000 spans, one of remote write 2,000 samples, the sizes in which collectors and
Prometheus send. Bodies are made before the measurement. Two connections send as fast as they get
answers. The sender runs on the machine of the server.
"""

from __future__ import annotations

import argparse
import http.client
import json
import struct
import tempfile
import threading
import time
from pathlib import Path

from service import Server

from mad import _core

SPANS, SAMPLES, CONNECTIONS = 2_000, 2_000, 2
START = 1_767_693_600_000_000_000


def varint(number: int) -> bytes:
    """A variable-length integer of protobuf."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, body: bytes) -> bytes:
    """A field with a length."""
    return varint(number << 3 | 2) + varint(len(body)) + body


def attribute(key: str, value: str) -> bytes:
    """A `KeyValue` of text."""
    return field(1, key.encode()) + field(2, field(1, value.encode()))


def traces(number: int) -> bytes:
    """A request of server spans with the six attributes of an HTTP instrumentation."""
    marks = b"".join(
        field(9, attribute(key, value))
        for key, value in (
            ("http.request.method", "GET"),
            ("url.scheme", "http"),
            ("url.path", "/cart"),
            ("http.route", "/cart"),
            ("server.address", "127.0.0.1"),
            ("network.protocol.version", "1.1"),
        )
    )
    spans = []
    for place in range(SPANS):
        index = number * SPANS + place
        # ten seconds of event time a second of the measurement, at the rate to be reached
        start = START + index * 50_000
        spans.append(
            field(
                2,
                field(1, (index + 1).to_bytes(16, "big"))
                + field(2, (index + 1).to_bytes(8, "big"))
                + field(5, b"GET /cart")
                + b"\x30\x02"
                + b"\x39"
                + struct.pack("<Q", start)
                + b"\x41"
                + struct.pack("<Q", start + 10_000_000 + index % 977 * 3_000)
                + marks
                + field(15, b""),
            )
        )
    resource = field(1, field(1, attribute("service.name", f"shop-{number % 4}")))
    return field(1, resource + field(2, b"".join(spans)))


def snappy(body: bytes) -> bytes:
    """A block of Snappy of literals alone."""
    out = bytearray(varint(len(body)))
    for at in range(0, len(body), 65_536):
        piece = body[at : at + 65_536]
        out += b"\xf4" + struct.pack("<H", len(piece) - 1) + piece
    return bytes(out)


def samples(number: int) -> bytes:
    """A body of one sample of each of many series; every body is a scrape five seconds later."""
    series = []
    for place in range(SAMPLES):
        labels = (
            ("__name__", "http_requests_total"),
            ("code", "200"),
            ("instance", f"10.0.0.{place % 50}:8080"),
            ("job", "shop"),
            ("route", f"/route-{place // 50}"),
        )
        marks = b"".join(field(1, field(1, k.encode()) + field(2, v.encode())) for k, v in labels)
        value = b"\x09" + struct.pack("<d", number * 100.0 + place)
        at = b"\x10" + varint(START // 1_000_000 + number * 5_000)
        series.append(field(1, marks + field(2, value + at)))
    return snappy(b"".join(series))


def send(server: Server, path: str, bodies: list[bytes], headers: dict[str, str]) -> float:
    """Seconds in which all bodies are acknowledged."""
    left, lock, failed = iter(bodies), threading.Lock(), []

    def work() -> None:
        connection = http.client.HTTPConnection(server.host, int(server.port))
        while True:
            with lock:
                body = next(left, None)
            if body is None:
                return
            while True:
                connection.request("POST", path, body, headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 429:
                    break
                time.sleep(0.05)
            if answer.status not in (200, 204):
                failed.append(answer.status)

    began = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    if failed:
        raise SystemExit(f"{len(failed)} bodies were refused: {set(failed)}")
    return seconds


def decode(name: str, bodies: list[bytes], items: int) -> None:
    """Measures a decoder alone."""
    best = 0.0
    for _ in range(3):
        began = time.perf_counter()
        for body in bodies:
            _core.count_records(name, body)
        best = max(best, len(bodies) * items / (time.perf_counter() - began))
    print(f"{name}: {best:,.0f} items a second and core, decoded alone")


def sdk(bodies: list[bytes]) -> None:
    """Measures the protobuf library of Python on the same bodies, where it is installed."""
    try:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest as Message,
        )
    except ImportError:
        print("opentelemetry-proto is not installed; its decoder was not measured")
        return
    best = 0.0
    for _ in range(3):
        began = time.perf_counter()
        for body in bodies:
            for resource in Message.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        span.trace_id, span.span_id, span.name, span.kind  # noqa: B018
                        span.start_time_unix_nano, span.end_time_unix_nano  # noqa: B018
        best = max(best, len(bodies) * SPANS / (time.perf_counter() - began))
    print(f"opentelemetry-proto of Python: {best:,.0f} spans a second and core")


def main() -> None:
    """Runs the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="length, at the rates to reach")
    seconds = parser.parse_args().seconds
    spans = [traces(number) for number in range(int(seconds * 100_000 / SPANS))]
    points = [samples(number) for number in range(int(seconds * 300_000 / SAMPLES))]
    decode("otlp-pb", spans[:100], SPANS)
    sdk(spans[:20])
    decode("remote-write", points[:100], SAMPLES)
    for path, bodies, items, headers in (
        ("/v1/traces", spans, SPANS, {"Content-Type": "application/x-protobuf"}),
        (
            "/api/v1/write",
            points,
            SAMPLES,
            {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"},
        ),
    ):
        with tempfile.TemporaryDirectory() as data:
            server = Server(Path(data))
            try:
                took = send(server, path, bodies, headers)
                print(
                    json.dumps(
                        {
                            "path": path,
                            "items": len(bodies) * items,
                            "seconds": round(took, 2),
                            "items_per_second": round(len(bodies) * items / took),
                        }
                    )
                )
            finally:
                server.stop()


if __name__ == "__main__":
    main()
