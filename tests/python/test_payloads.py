"""Messages that share a batch: whatever one of them holds, the others are judged."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

import mad
from mad import _core
from mad.sources.payload import joined
from mad.sources.protocol import Batch

START = 1_767_696_300_000_000_000


def request(number: int) -> bytes:
    return json.dumps(
        {
            "timestamp": START // 10**9 + number,
            "service": "shop",
            "endpoint": "/pay",
            "status_code": 200,
            "latency_ms": 3.0,
        }
    ).encode()


def otlp_json(number: int) -> bytes:
    span = {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": f"{number + 1:016x}",
        "name": "/pay",
        "kind": 2,
        "startTimeUnixNano": str(START + number),
        "endTimeUnixNano": str(START + number + 10_000_000),
    }
    name = {"key": "service.name", "value": {"stringValue": "shop"}}
    resource = {"resource": {"attributes": [name]}, "scopeSpans": [{"spans": [span]}]}
    return json.dumps({"resourceSpans": [resource]}).encode()


def zipkin(number: int) -> bytes:
    span = {
        "traceId": "0af7651916cd43dd",
        "id": f"{number + 1:016x}",
        "name": "pay",
        "kind": "SERVER",
        "timestamp": START // 1000 + number,
        "duration": 12_000,
        "localEndpoint": {"serviceName": "shop"},
    }
    return json.dumps([span]).encode()


def field(number: int, content: bytes) -> bytes:
    """A field of protobuf with a length of less than 16,384 bytes."""
    low, high = len(content) & 0x7F, len(content) >> 7
    return bytes([number << 3 | 2, low | 0x80, high]) + content


def otlp_pb(number: int) -> bytes:
    name = field(1, b"service.name") + field(2, field(1, b"shop"))
    times = b"".join(
        bytes([tag << 3 | 1]) + at.to_bytes(8, "little")
        for tag, at in ((7, START + number), (8, START + number + 10_000_000))
    )
    ids = field(1, bytes([1] * 16)) + field(2, (number + 1).to_bytes(8, "big"))
    span = ids + field(5, b"/pay") + b"\x30\x02" + times
    return field(1, field(1, field(1, name)) + field(2, field(2, span)))


FORMATS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "json": ("requests", request),
    "otlp-json": ("spans", otlp_json),
    "zipkin": ("spans", zipkin),
    "otlp-pb": ("spans", otlp_pb),
}
COUNT = 5
HOSTILE = [
    b"timestamp,service,endpoint,status_code,latency_ms",
    b'timestamp,service,endpoint,status_code,latency_ms\n2026-01-06T10:45:00Z,"shop',
    b"\xef\xbb\xbftimestamp,service\n1,2\n",
    b"\xff\xff\xff\xff\x10\x00\x00\x00",
    b"\xff\xfe{\x00}\x00",
    b"\x1f\x8b\x08",
    b"[",
    b'[{"x":',
    b'{"x":"',
    b"}]",
    b'"',
    b"\x00",
    b" \r\n\t",
    b"\x0b{,timestamp,service,endpoint,status_code,latency_ms",
    b"[" * 5_000,
    b"\x7a\x7f",
    b"\x0a\xff\xff\xff\xff\x0f",
    b"\x0b",
    b"\x80" * 12,
]


def accepted(batch: Batch) -> int:
    """The accepted records of a batch, divided as the runner of a source divides it."""
    pipeline = _core.EnginePipeline(mad.Config())
    waiting, count = [batch], 0
    while waiting:
        one = waiting.pop()
        try:
            pipeline.check(one.body, one.kind, one.format)
            count += pipeline.ingest(one.body, one.kind, format=one.format).accepted
        except ValueError:
            waiting += one.halves() or ()
    return count


def batch_of(payloads: list[bytes | None], format_: str) -> Batch:
    marks = [("topic/0", place + 1) for place in range(len(payloads))]
    return joined(payloads, marks, FORMATS[format_][0], format_)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_message_costs_no_other_message(format_: str) -> None:
    good = [FORMATS[format_][1](number) for number in range(COUNT)]
    assert accepted(batch_of([*good], format_)) == COUNT
    for hostile in HOSTILE:
        for place in (0, 2, COUNT):
            mixed = [*good[:place], hostile, *good[place:]]
            assert accepted(batch_of([*mixed], format_)) >= COUNT, (hostile, place)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_cut_or_changed_message_costs_no_other_message(format_: str) -> None:
    good = [FORMATS[format_][1](number) for number in range(COUNT)]
    drawn = random.Random(5)
    for _ in range(300):
        hurt = bytearray(FORMATS[format_][1](COUNT))[: drawn.randrange(1, 120)]
        for _ in range(drawn.randrange(4)):
            hurt[drawn.randrange(len(hurt))] = drawn.randrange(256)
        place = drawn.randrange(COUNT + 1)
        mixed = [*good[:place], bytes(hurt), *good[place:]]
        assert accepted(batch_of([*mixed], format_)) >= COUNT, (bytes(hurt), place)


def test_the_length_of_a_field_takes_no_other_message() -> None:
    """The field ends where the next message does, so that both together are valid protobuf."""
    good = [otlp_pb(number) for number in range(COUNT)]
    hostile = bytes([15 << 3 | 2, len(good[1]) & 0x7F | 0x80, len(good[1]) >> 7])
    assert accepted(batch_of([good[0], hostile, *good[1:]], "otlp-pb")) == COUNT


def test_a_byte_order_mark_before_a_record_is_left_out() -> None:
    marked = [b"\xef\xbb\xbf" + request(number) for number in range(COUNT)]
    assert accepted(batch_of([*marked], "json")) == COUNT
