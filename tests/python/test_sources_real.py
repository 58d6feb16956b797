"""The contract of sources, over real servers. `make test-real` names those that are missing."""

from __future__ import annotations

import contextlib
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from kafka_front import Front
from peers import certificate, needs
from source_peers import PEERS, elasticsearch, kafka, nats

from mad._core import EnginePipeline
from mad.config import Config
from mad.config.secret import Secret
from mad.engine import Engine
from mad.engine import source_contract as contract
from mad.engine.source_contract import START, requests
from mad.engine.source_runner import SourceRunner
from mad.journal import Journal
from mad.sources.protocol import Source, SourceHealth

KAFKA = needs(*PEERS[kafka])


def _name(one: Any) -> str:
    return str(one.__name__)


@pytest.mark.parametrize("check", contract.CHECKS, ids=_name)
@pytest.mark.parametrize(
    "peer", [pytest.param(one, marks=needs(*of)) for one, of in PEERS.items()], ids=_name
)
def test_sources_keep_the_contract(peer: Any, check: Any, tmp_path: Path) -> None:
    (tmp_path / "peer").mkdir()
    with peer(tmp_path / "peer") as one:
        check(one, tmp_path / "data")


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, marks=needs("nats-server"), id=check.__name__)
        for check in (contract.judges_each_record_once, contract.returns_after_the_loss_of_its_peer)
    ],
)
def test_a_work_queue_of_nats_gives_each_record_once(check: Any, tmp_path: Path) -> None:
    (tmp_path / "peer").mkdir()
    with nats(tmp_path / "peer", "workqueue") as one:
        check(one, tmp_path / "data")


@pytest.mark.parametrize("is_uneven", [pytest.param(one, marks=KAFKA) for one in (False, True)])
def test_partitions_of_a_topic_advance_together(is_uneven: bool, tmp_path: Path) -> None:
    """No record is late because its partition is read after another one, though an hour waits in
    each, and though one partition has most of the records."""
    records = requests(0, 6_000)
    at = START.timestamp() * 1000
    with kafka(tmp_path, partitions=3) as peer:
        for partition in range(3):
            mine = [number for number in range(6_000) if _partition(number, is_uneven) == partition]
            peer.write(
                [records[number] for number in mine],
                partition,
                times=[int(at + 50 * number) for number in mine],
            )
        for first in (True, False):
            engine = Engine(Journal(tmp_path / "data"))
            engine.start()
            runner = SourceRunner("kafka", peer.source(batch_records=700), engine)
            runner.start()
            try:
                for _ in range(400):
                    if engine.stats.accepted_total >= (3_000 if first else 6_000):
                        break
                    time.sleep(0.05)
                assert runner.health().rejected == 0
            finally:
                runner.stop()
                engine.stop()
        assert engine.stats.accepted_total == 6_000
        assert len(runner.health().positions) == 3


def _partition(number: int, is_uneven: bool) -> int:
    if is_uneven:
        return number % 10 if number % 10 < 3 else 0
    return number % 3


#: 2026-01-07, in nanoseconds.
END = 1_767_744_000 * 10**9
#: The same request in the two shapes that API monitoring writes, and in the Elastic Common Schema.
SHAPES: dict[str, dict[str, Any]] = {
    "nested": {
        "service": {"name": "shop"},
        "request": {"method": "GET", "endpoint": "/buy"},
        "response": {"status_code": 503, "duration_ms": 12.5},
        "is_error": True,
    },
    "dotted": {
        "service.name": "shop",
        "request.method": "GET",
        "request.endpoint": "/buy",
        "response.status_code": 503,
        "response.duration_ms": 12.5,
        "is_error": True,
    },
    "ecs": {
        "service": {"name": "shop"},
        "http": {"request": {"method": "GET"}, "response": {"status_code": 503}},
        "url": {"path": "/buy"},
        "event": {"duration": 12_500_000, "outcome": "failure"},
    },
}


@pytest.mark.parametrize(
    "shape", [pytest.param(one, marks=needs("osmem-server", "osmem_server")) for one in SHAPES]
)
def test_documents_of_several_shapes_are_read(shape: str, tmp_path: Path) -> None:
    """Also many documents of one time, over several pages and a restart between these."""
    documents = [
        json.dumps(
            {"@timestamp": f"2026-01-06T10:00:0{place // 20}.000Z", **SHAPES[shape]}
        ).encode()
        for place in range(60)
    ]
    (tmp_path / "peer").mkdir()
    with elasticsearch(tmp_path / "peer") as peer:
        peer.write(documents)
        positions: dict[str, Any] = {}
        lines: list[bytes] = []
        for _ in range(12):
            source = peer.source(time_field="@timestamp", batch_records=7)
            source.open(positions)
            for _ in range(1 + len(lines) % 2):
                if (batch := source.read(0.2)) is not None:
                    lines += batch.body.splitlines()
                    positions.update(batch.positions)
            source.close()
    assert len(lines) == 60
    pipeline = EnginePipeline(Config())
    update = pipeline.ingest(b"\n".join(lines), "requests", partition="")
    assert (update.accepted, update.rejected) == (60, 0)
    (row,) = pipeline.advance(END).rows()
    assert row[1:6] == ("shop", row[2], 60, 60, 12.5)
    assert row[2] in ("/buy", "GET /buy")


def _field(number: int, value: bytes | int) -> bytes:
    """A field of a protobuf message: bytes, or 64 fixed bits."""
    if isinstance(value, int):
        return bytes([number << 3 | 1]) + value.to_bytes(8, "little")
    size, length = len(value), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + value


def _span(number: int) -> bytes:
    """An OTLP request of one span, as an exporter for Kafka writes it."""
    start = int(START.timestamp() * 10**9) + number * 10**8
    span = b"".join(
        (
            _field(1, (number + 1).to_bytes(16, "big")),
            _field(2, (number + 1).to_bytes(8, "big")),
            _field(5, b"GET /buy"),
            _field(7, start),
            _field(8, start + 12_500_000),
        )
    )
    name = _field(1, b"service.name") + _field(2, _field(1, b"shop"))
    return _field(1, _field(1, _field(1, name)) + _field(2, _field(2, span)))


def _arrow(number: int) -> bytes:
    """An Arrow stream of one request."""
    table = pyarrow.table(
        {
            "timestamp": [int(START.timestamp() * 1000) + 100 * number],
            "service": ["shop"],
            "endpoint": ["/buy"],
            "status_code": [200],
            "latency_ms": [12.5],
        }
    )
    out = io.BytesIO()
    with pyarrow.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table)
    return out.getvalue()


def _settled(runner: SourceRunner, until: Callable[[SourceHealth], bool]) -> SourceHealth:
    """The health of a source as soon as it has a property; fails after 60 seconds."""
    for _ in range(600):
        if until(runner.health()):
            return runner.health()
        time.sleep(0.1)
    raise AssertionError(runner.health())


@contextlib.contextmanager
def _running(source: Source, directory: Path) -> Iterator[SourceRunner]:
    """A runner of a source with a separate engine."""
    engine = Engine(Journal(directory))
    engine.start()
    runner = SourceRunner("kafka", source, engine)
    runner.start()
    try:
        yield runner
    finally:
        runner.stop()
        engine.stop()


@pytest.mark.parametrize(
    "format_", [pytest.param(one, marks=KAFKA) for one in ("otlp-pb", "arrow")]
)
def test_a_payload_that_cannot_be_read_costs_no_other_one(format_: str, tmp_path: Path) -> None:
    """Many protobuf messages become one body; a broken one is found by dividing it. A message with
    an Arrow stream is a body by itself."""
    payload = _arrow if format_ == "arrow" else _span
    payloads = [payload(number) for number in range(200)]
    with kafka(tmp_path) as peer:
        peer.write([*payloads[:70], b"\xff\xff\xff neither", *payloads[70:]])
        source = peer.source(format=format_, kind="requests" if format_ == "arrow" else "spans")
        with _running(source, tmp_path / "data") as runner:
            health = _settled(runner, lambda one: one.records >= 200 and bool(one.unreadable))
            assert (health.records, health.unreadable) == (200, 1)
            assert health.positions == {"requests/0": 201}


@pytest.mark.parametrize("user", [pytest.param(one, marks=KAFKA) for one in ("", "mad")])
def test_a_broker_with_tls_and_a_password(user: str, tmp_path: Path) -> None:
    """The broker has neither: a program before it ends TLS and asks for SASL PLAIN."""
    pem, secret = certificate(tmp_path), tmp_path / "password"
    secret.write_text("right-one")
    secret.chmod(0o600)
    login = {"username": user, "password": Secret(f"file:{secret}")} if user else {}
    with kafka(tmp_path, front=lambda port: Front(port, pem, user, "right-one")) as peer:
        peer.write(requests(0, 500))
        access = {"tls": True, "ca_file": str(pem), **login}
        assert peer.source(**access).check() == []
        with _running(peer.source(**access), tmp_path / "data") as runner:
            health = _settled(runner, lambda one: one.records >= 500)
            assert (health.records, health.rejected) == (500, 0)
        (fault,) = peer.source(**{**access, "ca_file": ""}).check()
        assert "certificate" in fault and "check brokers, TLS" in fault
        (fault,) = peer.source(**{**access, "tls": False}).check()
        assert "cannot be reached" in fault
        if user:
            secret.write_text("wrong-one")
            (fault,) = peer.source(**access).check()
            assert "authentication" in fault and "wrong-one" not in fault
