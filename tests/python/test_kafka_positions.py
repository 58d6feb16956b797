"""Where a source of Kafka continues, over the cluster that librdkafka brings along."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("confluent_kafka")

from confluent_kafka import Consumer, Producer

from mad.sources.kafka import KafkaOptions, KafkaSource

SETTINGS = {"session.timeout.ms": "6000", "max.poll.interval.ms": "10000"}


class Cluster:
    """A cluster of one broker with the topic `requests`."""

    def __init__(self) -> None:
        self._producer = Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 1})
        broker = next(iter(self._producer.list_topics(timeout=10).brokers.values()))
        self.address = f"{broker.host}:{broker.port}"

    def write(self, count: int, partition: int = 0) -> None:
        for _ in range(count):
            self._producer.produce("requests", b"{}", partition=partition)
        assert self._producer.flush(10) == 0

    def source(self, start: str = "beginning") -> KafkaSource:
        given: dict[str, Any] = {"topics": ("requests",), "settings": SETTINGS}
        return KafkaSource(KafkaOptions(brokers=(self.address,), start=start, **given))


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    yield Cluster()


def read(source: KafkaSource, is_enough: Callable[[list[Any]], bool], seconds: float) -> list[Any]:
    """The part and the position after each message, until they are enough or too late."""
    found: list[Any] = []
    until = time.monotonic() + seconds
    while not is_enough(found) and time.monotonic() < until:
        if (batch := source.read(0.2)) is not None:
            found += batch.marks
            source.acknowledge(batch.positions)
    return found


@pytest.mark.parametrize("start", ["beginning", "end"])
def test_a_position_without_a_message_continues_at_the_oldest_one(
    cluster: Cluster, start: str
) -> None:
    cluster.write(10)
    source = cluster.source(start)
    # the topic was deleted and made again since the journal had this position
    source.open({"requests/0": 1000})
    found = read(source, lambda found: len(found) >= 10, 30)
    cluster.write(3)
    found += read(source, lambda found: len(found) >= 3, 30)
    source.close()
    assert found == [("requests/0", place) for place in range(1, 14)]


def test_a_new_subscription_begins_at_the_end_where_it_is_set(cluster: Cluster) -> None:
    cluster.write(10)
    source = cluster.source("end")
    source.open({})
    assert read(source, lambda _: source._is_assigned and not source.lags(), 30) == []
    cluster.write(3)
    found = read(source, lambda found: len(found) >= 3, 30)
    source.close()
    assert found == [("requests/0", place) for place in (11, 12, 13)]


def test_partitions_that_come_back_continue_after_the_last_message(cluster: Cluster) -> None:
    for partition in range(2):
        cluster.write(10, partition)
    source = cluster.source()
    source.open({"requests/0": 0, "requests/1": 4})
    found = read(source, lambda found: len(found) >= 16, 30)
    settings = {"bootstrap.servers": cluster.address, "group.id": "mad", **SETTINGS}
    other = Consumer(settings)
    other.subscribe(["requests"])

    def is_shared(_: list[Any]) -> bool:
        other.poll(0.01)
        return bool(other.assignment())

    found += read(source, is_shared, 40)
    assert other.assignment(), "the group was not divided"
    other.close()
    found += read(source, lambda _: len(source._partitions) == 2, 40)
    assert len(source._partitions) == 2
    for partition in range(2):
        cluster.write(2, partition)
    found += read(source, lambda found: len(found) >= 4, 30)
    source.close()
    assert sorted(found) == [
        *(("requests/0", place) for place in range(1, 13)),
        *(("requests/1", place) for place in range(5, 13)),
    ]
