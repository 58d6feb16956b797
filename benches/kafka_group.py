"""Measures members of a group: their pace, and the time to catch up after one is killed.

    python benches/kafka_group.py [--rate 20000] [--members 3] [--partitions 12]

The broker is Tansu in memory, from `requirements-test.txt`. Broker, sender and members share the
machine. First a backlog is judged by one member, for its processor time. Then members judge a topic
at a rate, one is killed with SIGKILL, and the time is taken until every message that was written
before is judged, and until the group is at the end of the topic again.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/python"))

import psutil
from confluent_kafka import Producer
from service import Server
from source_peers import KafkaPeer, kafka

#: Settings of the clients: the session after which the group notices that a member is gone.
SETTINGS = '"session.timeout.ms" = "6000", "heartbeat.interval.ms" = "1000"'
#: Time of the first request, in seconds since 1970.
START = 1_767_693_600
#: Messages that may wait for a group that is at the end of its topic.
NEAR = 10_000
#: Seconds that anything takes at most.
LONGEST = 300.0


def bodies(partitions: int, first: int, last: int) -> list[tuple[int, bytes]]:
    """Requests with their partitions: a service for each partition, with ten endpoints. 200 a
    second of event time: a step has 100 for each endpoint of twelve services."""
    found = []
    for number in range(first, last):
        seconds, part = divmod(5 * number, 1_000)
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(START + seconds))
        partition = number % partitions
        endpoint = "abcdefghij"[number // partitions % 10]
        body = (
            f'{{"timestamp":"{at}.{part:03}Z","service":"shop-{partition}","endpoint":"/{endpoint}",'
            f'"status_code":200,"latency_ms":{40 + number * 7_919 % 97}}}'
        )
        found.append((partition, body.encode()))
    return found


class Sender(threading.Thread):
    """Writes messages at a rate."""

    def __init__(self, address: str, messages: list[tuple[int, bytes]], rate: float) -> None:
        super().__init__(daemon=True)
        self._producer = Producer({"bootstrap.servers": address, "linger.ms": 20})
        self._messages, self._rate = messages, rate
        self.sent = 0

    def run(self) -> None:
        """Writes all messages, a fiftieth of a second at a time."""
        began = time.monotonic()
        while self.sent < len(self._messages):
            due = int((time.monotonic() - began) * self._rate)
            for partition, body in self._messages[self.sent : due]:
                self._producer.produce("requests", body, partition=partition)
            self.sent = max(self.sent, min(due, len(self._messages)))
            self._producer.poll(0.02)
        self._producer.flush(60)


def judged(members: list[Server]) -> int:
    """Messages before the positions of all members."""
    found: dict[str, int] = {}
    for member in members:
        (source,) = member.get("/health")["inputs"]
        for part, position in source["positions"].items():
            found[part] = max(position, found.get(part, 0))
    return sum(found.values())


def after(members: list[Server], count: int) -> float:
    """Seconds until the members have judged a number of messages."""
    began = time.monotonic()
    while judged(members) < count:
        if time.monotonic() - began > LONGEST:
            raise SystemExit(f"{judged(members):,} of {count:,} messages after {LONGEST:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - began


@contextlib.contextmanager
def group(peer: KafkaPeer, folder: Path, count: int, save_seconds: float) -> Iterator[list[Server]]:
    """Members of a group."""
    settings = folder / "mad.toml"
    settings.write_text(
        f'[sources.topic]\ntype = "kafka-group"\ntopic = "requests"\n'
        f"save_seconds = {save_seconds}\n"
        f'brokers = ["{peer.address}"]\nsettings = {{ {SETTINGS} }}\n'
    )
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(Server(folder / f"member-{place}", "--config", str(settings)))
            for place in range(count)
        ]


def pace(folder: Path, partitions: int, count: int) -> None:
    """Prints the processor time of one member for a backlog."""
    with kafka(folder, partitions) as peer:
        of: dict[int, list[bytes]] = {}
        for partition, body in bodies(partitions, 0, count):
            of.setdefault(partition, []).append(body)
        for partition, found in of.items():
            peer.write(found, partition)
        with group(peer, folder, 1, 60.0) as members:
            process = psutil.Process(members[0].process.pid)
            after(members, 1)
            first, before, began = judged(members), process.cpu_times(), time.monotonic()
            after(members, count)
            used = process.cpu_times()
            cpu = used.user + used.system - before.user - before.system
            done, seconds = count - first, time.monotonic() - began
            print(f"one member: {done / seconds:,.0f} records a second, ", end="")
            print(f"{done / cpu:,.0f} a second of its processor time, ", end="")
            print(f"{process.memory_info().rss / 2**20:.0f} MiB resident")


def killed(folder: Path, partitions: int, count: int, rate: float, calm: float) -> None:
    """Prints the time to catch up after one member is killed."""
    with kafka(folder, partitions) as peer, group(peer, folder, count, 60.0) as members:
        messages = bodies(partitions, 0, int(rate * (calm + 60)))
        while not all(member.get("/health")["inputs"][0]["positions"] for member in members):
            time.sleep(0.1)
        sender = Sender(peer.address, messages, rate)
        sender.start()
        time.sleep(calm)
        print(f"before: {sender.sent - judged(members):,} messages wait")
        began, sent = time.monotonic(), sender.sent
        members.pop().kill()
        after(members, sent)
        print(f"messages before the kill judged after {time.monotonic() - began:.1f} s")
        while sender.sent - judged(members) > NEAR and sender.is_alive():
            time.sleep(0.1)
        print(f"at the end of the topic again after {time.monotonic() - began:.1f} s", end="")
        print(f" ({sender.sent - judged(members):,} messages wait)")
        sender.join()
        after(members, len(messages))
        rejected = sum(member.get("/health")["inputs"][0]["rejected"] for member in members)
        print(f"all {len(messages):,} messages judged, {rejected} rejected")


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=float, default=20_000.0, help="records a second")
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--partitions", type=int, default=12)
    parser.add_argument("--calm", type=float, default=60.0, help="seconds before the kill")
    parser.add_argument("--backlog", type=int, default=600_000, help="records of the first part")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pace(Path(folder), given.partitions, given.backlog)
    with tempfile.TemporaryDirectory() as folder:
        killed(Path(folder), given.partitions, given.members, given.rate, given.calm)


if __name__ == "__main__":
    main()
