"""Members of a group over a real broker: killed, stopped, paused, and compared with one process."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from peers import needs
from service import START, Server
from source_peers import PEERS, KafkaPeer, kafka

from mad.cli import main as mad
from mad.group.member import KafkaGroup, KafkaGroupOptions
from mad.group.topics import make_topics
from mad.sources.protocol import SourceUnavailable

pytestmark = needs(*PEERS[kafka])

PARTITIONS = 4
SETTINGS = '"session.timeout.ms" = "6000", "heartbeat.interval.ms" = "1000"'
#: When the shop ends, in nanoseconds.
END = round((START + timedelta(hours=2)).timestamp()) * 10**9
#: Requests of each service that follow the others, one a minute.
AFTER = 10
#: Seconds that a test waits for something.
SECONDS = 60


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, int, bytes]]:
    """Requests of a simulated shop with an incident, in order of time: the partition of the
    service, the time in ms, and the payload. The last ones of each service close the
    steps before."""
    folder = tmp_path_factory.mktemp("shop")
    given = ["--rows", "30000", "--services", "8", "--duration", "2h", "--no-labels"]
    assert mad(["simulate", "--out", str(folder), *given]) == 0
    with (folder / "requests.csv").open() as file:
        records = list(csv.DictReader(file))
    services = sorted({one["service"] for one in records})
    last = max(datetime.fromisoformat(one["timestamp"]) for one in records)
    records += [
        {**first, "timestamp": (last + timedelta(minutes=minute)).isoformat()}
        for minute in range(1, AFTER + 1)
        for service in services
        for first in [next(one for one in records if one["service"] == service)]
    ]
    found = []
    for one in records:
        at = round(datetime.fromisoformat(one["timestamp"]).timestamp() * 1000)
        body = {
            **one,
            "status_code": int(one["status_code"]),
            "latency_ms": float(one["latency_ms"]),
        }
        partition = services.index(one["service"]) % PARTITIONS
        found.append((partition, at, json.dumps(body).encode()))
    return sorted(found, key=lambda one: one[1])


class Fleet:
    """A broker, and servers that read from it."""

    def __init__(self, peer: KafkaPeer, folder: Path) -> None:
        self.peer, self._folder = peer, folder
        self._stack = contextlib.ExitStack()

    def server(self, name: str, source: str, *arguments: str) -> Server:
        """A server with one source."""
        settings = self._folder / f"{name}.toml"
        access = f'brokers = ["{self.peer.address}"]\nsettings = {{ {SETTINGS} }}\n'
        settings.write_text(f"[sources.topic]\n{access}{source}")
        server = Server(self._folder / name, "--config", str(settings), *arguments)
        return self._stack.enter_context(server)

    def member(self, name: str, save_seconds: float = 2.0) -> Server:
        """A member of the group."""
        source = f'type = "kafka-group"\ntopic = "requests"\nsave_seconds = {save_seconds}\n'
        return self.server(name, source, "--no-ticks")

    def view(self) -> Server:
        """A server that reads the results."""
        return self.server("view", 'type = "kafka-results"\n')

    def alone(self) -> Server:
        """A server that judges the topic alone."""
        return self.server(
            "alone", 'type = "kafka"\ntopics = ["requests"]\ngroup = "alone"\n', "--no-ticks"
        )

    def rows(self, name: str, table: str = "rows") -> dict[tuple[Any, ...], tuple[Any, ...]]:
        """The rows that a server wrote, by time, service and endpoint, without the last minutes."""
        with contextlib.closing(sqlite3.connect(self._folder / name / "mad.db")) as db:
            found = {row[:3]: row[3:] for row in db.execute(f"SELECT * FROM {table}")}
        return {key: row for key, row in found.items() if key[0] < END}

    def incidents(self, name: str) -> dict[str, tuple[Any, ...]]:
        """Place, times, severity and state of each incident that opened before the last minutes, by
        its id."""
        with contextlib.closing(sqlite3.connect(self._folder / name / "mad.db")) as db:
            columns = "id, service, endpoint, start, end, severity, status, data"
            found = db.execute(f"SELECT {columns} FROM incidents WHERE start < ?", (END,))
            return {row[0]: row[1:] for row in found}

    def sent_rows(self) -> Iterator[tuple[tuple[Any, ...], list[Any]]]:
        """Every row that the members sent, with its time, service and endpoint."""
        from confluent_kafka import Consumer, TopicPartition

        settings = {"bootstrap.servers": self.peer.address, "group.id": "all"}
        more = {"enable.partition.eof": True, "auto.offset.reset": "earliest"}
        consumer = Consumer({**settings, **more})
        consumer.assign([TopicPartition("mad-results", part, 0) for part in range(PARTITIONS)])
        at_end: set[int | None] = set()
        while len(at_end) < PARTITIONS:
            for message in consumer.consume(100, 1.0):
                if message.error():
                    at_end.add(message.partition())
                    continue
                for row in json.loads(message.value() or b"")["tables"].get("rows", ()):
                    yield tuple(row[:3]), row
        consumer.close()

    def write(self, messages: list[tuple[int, int, bytes]]) -> None:
        """Writes messages of a shop."""
        for partition in range(PARTITIONS):
            mine = [(body, at) for part, at, body in messages if part == partition]
            self.peer.write([body for body, _ in mine], partition, [at for _, at in mine])

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with kafka(tmp_path, PARTITIONS) as peer:
        fleet = Fleet(peer, tmp_path)
        try:
            yield fleet
        finally:
            fleet.close()


def positions(*members: Server) -> dict[str, int]:
    """The offset after the last message of each partition that the members have."""
    found: dict[str, int] = {}
    for member in members:
        (source,) = member.get("/health")["inputs"]
        for part, position in source["positions"].items():
            found[part] = max(position, found.get(part, 0))
    return found


def until(holds: Callable[[], bool], shown: Callable[[], Any]) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, shown()
        time.sleep(0.1)


def ends(messages: list[tuple[int, int, bytes]]) -> dict[str, int]:
    """The number of messages of each partition."""
    parts = [part for part, _, _ in messages]
    return {f"requests/{part}": parts.count(part) for part in range(PARTITIONS)}


def shared(*members: Server) -> Callable[[], bool]:
    """Whether the members have all partitions, and each has at least one."""

    def holds() -> bool:
        of = [positions(member) for member in members]
        return all(of) and len({part for one in of for part in one}) == PARTITIONS

    return holds


def judged(rows: dict[tuple[Any, ...], tuple[Any, ...]]) -> int:
    """Requests in rows."""
    return sum(row[0] for row in rows.values())


def assert_equal_to_one_process(
    fleet: Fleet, view: Server, shop: list[tuple[int, int, bytes]]
) -> None:
    """Rows and incidents of the group are those of one process, and each request is in one."""
    alone = fleet.alone()
    health = alone.eventually("/health", lambda one: one["accepted"] == len(shop), SECONDS)
    assert health["rejected"] == 0
    closed = len(shop) - AFTER * len({json.loads(body)["service"] for _, _, body in shop})
    until(lambda: judged(fleet.rows("alone")) == closed, lambda: judged(fleet.rows("alone")))
    expected = fleet.rows("alone")
    until(lambda: len(fleet.rows("view")) >= len(expected), lambda: view.get("/health"))
    assert fleet.rows("view") == expected
    assert fleet.rows("view", "services") == fleet.rows("alone", "services")
    assert fleet.incidents("alone")
    until(lambda: len(fleet.incidents("view")) >= len(fleet.incidents("alone")), str)
    assert fleet.incidents("view") == fleet.incidents("alone")


def test_three_members_of_which_one_is_killed_answer_as_one_process(
    fleet: Fleet, shop: list[tuple[int, int, bytes]]
) -> None:
    half, rest = len(shop) // 2, 3 * len(shop) // 4
    # the state is saved at the begin alone, so that all is read again after the kill
    members = [fleet.member(f"member-{number}", save_seconds=600) for number in range(3)]
    until(shared(*members), lambda: [positions(one) for one in members])
    fleet.write(shop[:half])
    until(lambda: positions(*members) == ends(shop[:half]), lambda: positions(*members))
    fleet.write(shop[half:rest])
    until(lambda: positions(*members) == ends(shop[:rest]), lambda: positions(*members))
    members.pop().kill()
    fleet.write(shop[rest:])
    until(lambda: positions(*members) == ends(shop), lambda: positions(*members))
    assert_equal_to_one_process(fleet, fleet.view(), shop)


def test_a_member_that_stops_gives_its_state_to_the_others(
    fleet: Fleet, shop: list[tuple[int, int, bytes]]
) -> None:
    third, rest = len(shop) // 3, 2 * len(shop) // 3
    first = fleet.member("first")
    fleet.write(shop[:third])
    until(lambda: positions(first) == ends(shop[:third]), lambda: positions(first))
    second = fleet.member("second")
    until(shared(first, second), lambda: (positions(first), positions(second)))
    fleet.write(shop[third:rest])
    until(lambda: positions(first, second) == ends(shop[:rest]), lambda: positions(first, second))
    assert first.stop() == 0
    fleet.write(shop[rest:])
    until(lambda: positions(second) == ends(shop), lambda: positions(second))
    assert_equal_to_one_process(fleet, fleet.view(), shop)


def test_a_member_that_was_paused_writes_nothing_more(
    fleet: Fleet, shop: list[tuple[int, int, bytes]]
) -> None:
    """The others have its partitions when it wakes up with messages that it has not judged."""
    half = len(shop) // 2
    members = [fleet.member(f"member-{number}") for number in range(2)]
    until(shared(*members), lambda: [positions(one) for one in members])
    paused, other = members
    fleet.write(shop[:half])
    paused.process.send_signal(signal.SIGSTOP)
    fleet.write(shop[half:])
    until(lambda: positions(other) == ends(shop), lambda: positions(other))
    paused.process.send_signal(signal.SIGCONT)
    until(shared(*members), lambda: [positions(one) for one in members])
    assert_equal_to_one_process(fleet, fleet.view(), shop)
    sent = [key for key, _ in fleet.sent_rows()]
    assert len(sent) == len(set(sent))


def test_records_are_judged_once_after_an_outage_of_the_brokers(
    fleet: Fleet, shop: list[tuple[int, int, bytes]]
) -> None:
    half = len(shop) // 2
    member = fleet.member("member", save_seconds=600)
    fleet.write(shop[:half])
    until(lambda: positions(member) == ends(shop[:half]), lambda: positions(member))
    fleet.peer.cut()
    health = member.eventually(
        "/health", lambda one: one["inputs"][0]["state"] == "failing", SECONDS
    )
    assert health["status"] == "degraded"
    assert health["inputs"][0]["error"]
    fleet.peer.restore()
    fleet.write(shop[half:])
    until(lambda: positions(member) == ends(shop), lambda: member.get("/health")["inputs"])
    assert_equal_to_one_process(fleet, fleet.view(), shop)


def test_faults_of_topics_are_named(fleet: Fleet) -> None:
    access = {"brokers": (fleet.peer.address,), "topic": "requests"}
    assert KafkaGroup(KafkaGroupOptions(**access)).check() == []
    (fault,) = KafkaGroup(KafkaGroupOptions(**{**access, "topic": "unknown"})).check()
    assert "unknown" in fault
    options = KafkaGroupOptions(**access)
    with pytest.raises(SourceUnavailable, match="topic unknown does not exist"):
        make_topics(options, {}, "unknown")
    assert make_topics(options, {"four": {}}, "requests") == PARTITIONS
    fleet.peer.create("two", 2)
    with pytest.raises(SourceUnavailable, match="topic two has 2 partitions, requests has 4"):
        make_topics(options, {"two": {}}, "requests")


def test_members_that_are_killed_at_random_lose_and_repeat_nothing(
    fleet: Fleet, shop: list[tuple[int, int, bytes]]
) -> None:
    """Another member starts for each that is killed. MAD_KILLS is the number of kills."""
    chance = random.Random(int(os.environ.get("MAD_SEED", "7")))
    kills = int(os.environ.get("MAD_KILLS", "4"))
    members = [fleet.member(f"member-{number}") for number in range(3)]
    until(shared(*members), lambda: [positions(one) for one in members])
    size = -(-len(shop) // (kills + 1))
    for kill in range(kills):
        fleet.write(shop[kill * size : (kill + 1) * size])
        time.sleep(chance.uniform(0.0, 2.0))
        members.pop(chance.randrange(len(members))).kill()
        members.append(fleet.member(f"new-{kill}"))
        if chance.random() < 0.7:
            time.sleep(chance.uniform(0.0, 12.0))
    fleet.write(shop[kills * size :])
    until(lambda: positions(*members) == ends(shop), lambda: positions(*members))
    assert_equal_to_one_process(fleet, fleet.view(), shop)
