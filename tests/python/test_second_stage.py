"""The live second stage: partitions of a group give the incidents of one process, wherever members
and the server that groups end."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fleet import fleet, simulated

from mad import _core
from mad.config import Config
from mad.engine import Engine
from mad.group.fleet_watch import FleetWatch
from mad.journal import Entry, Journal, TableWrites
from mad.journal.results import messages
from mad.partition import key_of, place

MINUTE = 60 * 10**9
#: The kinds in the order in which records of one time are taken, and the column of their time.
TIMES = {"changes": "timestamp", "requests": "timestamp", "spans": "start"} | dict.fromkeys(
    ("metrics", "logs"), "timestamp"
)
#: Seconds of the records that arrive at once.
PIECE = 10

#: Pieces of a stream: the kind and the records.
Pieces = list[tuple[str, pd.DataFrame]]


def pieces(tables: dict[str, pd.DataFrame], seconds: float = PIECE) -> Pieces:
    """The records of all kinds as they arrive, in order of time; with 0 seconds, records of another
    kind end a piece."""
    found = []
    for rank, (kind, column) in enumerate(TIMES.items()):
        if kind in tables:
            table = tables[kind].copy()
            at = pd.to_datetime(table[column], format="ISO8601", utc=True)
            table[column] = at.dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            times = at.astype("datetime64[us, UTC]").astype("int64")
            found.append((kind, table, times, rank))
    edges = [("edges", tables["edges"])] if "edges" in tables else []
    if seconds:
        cut = [
            ((n, rank), kind, part)
            for kind, table, times, rank in found
            for n, part in table.groupby(times // int(seconds * 1e6))
        ]
        return [*edges, *((kind, part) for _, kind, part in sorted(cut, key=lambda one: one[0]))]
    order = sorted(
        (int(at), rank, number, place)
        for number, (_, _, times, rank) in enumerate(found)
        for place, at in enumerate(times)
    )
    runs = groupby(order, key=lambda one: (one[0] // (PIECE * 10**6), one[2]))
    whole = [(found[n][0], found[n][1].iloc[[one[3] for one in run]]) for (_, n), run in runs]
    return [*edges, *whole]


def body(records: pd.DataFrame) -> bytes:
    return records.to_json(orient="records", lines=True).encode()  # type: ignore[no-any-return]


class Members:
    """A pipeline for each partition of each kind, as the members of a group have them."""

    def __init__(self, given: Pieces, count: int, config: Any = None) -> None:
        self.count, self._config = count, config
        self.used = {(kind, n) for kind, part in given for n in self._numbers(kind, part)}
        self.pipelines = {place: self._fresh(*place) for place in sorted(self.used)}
        #: The newest parts of the states of killed members.
        self._saved: dict[
            tuple[str, int], tuple[dict[int, bytes | None], dict[str, bytes | None]]
        ] = {}

    def _numbers(self, kind: str, records: pd.DataFrame) -> list[int]:
        return [place(service, self.count) for service in records[key_of(kind)]]

    def _fresh(self, kind: str, number: int) -> _core.EnginePipeline:
        pipeline = _core.EnginePipeline(self._config)
        pipeline.hand_over(kind, number, self.count, 1)
        return pipeline

    def take(self, kind: str, records: pd.DataFrame) -> Iterator[bytes]:
        """Judges records, and gives the results of each partition as messages."""
        numbers = pd.Series(self._numbers(kind, records), index=records.index)
        for number in sorted(set(numbers)):
            pipeline = self.pipelines[kind, number]
            pipeline.ingest(body(records[numbers == number]), kind)
            yield from self.sent(kind, number)

    def sent(self, kind: str, number: int) -> Iterator[bytes]:
        """What a partition has to hand over, as messages."""
        pipeline = self.pipelines[kind, number]
        if pipeline.has_handovers:
            handed = pipeline.take_handovers()
            yield from messages(TableWrites(), f"{kind}/{number}", 1, handed)

    def killed(self, kind: str, number: int) -> None:
        """Another member restores the state of a partition."""
        whole, entities, closed = self.pipelines[kind, number].take_delta()
        saved, incidents = self._saved.setdefault((kind, number), ({}, {}))
        saved.update(entities)
        incidents.update(closed)
        pipeline = _core.EnginePipeline.restore(
            self._config,
            whole,
            [(id, part) for id, part in saved.items() if part is not None],
            [(id, part) for id, part in incidents.items() if part is not None],
        )
        # the number of another stream does not count for a state that has one
        pipeline.hand_over(kind, number, self.count, 2)
        self.pipelines[kind, number] = pipeline

    def tick(self, at: int) -> Iterator[bytes]:
        """Advances the event time of all partitions."""
        for kind, number in self.pipelines:
            self.pipelines[kind, number].advance(at)
            yield from self.sent(kind, number)

    def unused(self, kinds: set[str]) -> list[str]:
        """The partitions without records, for which the others need not wait."""
        return [
            f"{kind}/{n}"
            for kind in sorted(kinds)
            for n in range(self.count)
            if (kind, n) not in self.used
        ]


class Server:
    """A server that groups the results, with its journal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.start()

    def start(self) -> None:
        self.engine = Engine(Journal(self.folder), ticking=False)
        self.engine.start()

    def kill(self) -> None:
        """Ends without a checkpoint, and starts again."""
        self.engine.stop(save=False)
        self.start()

    def give(self, message: bytes) -> None:
        self.engine.submit(Entry("results", message, "results")).result(30)

    def without(self, partition: str) -> None:
        self.engine.submit(Entry("hold", b"without " + partition.encode())).result(30)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.engine.pipeline.fleet())
        return found

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "mad.db")) as db:
            return db.execute(query).fetchall()

    def incidents(self) -> dict[str, tuple[Any, ...]]:
        return {row[0]: row for row in self.rows("SELECT * FROM incidents")}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "view")
    yield server
    server.engine.stop()


def alone(given: Pieces) -> tuple[dict[str, tuple[Any, ...]], list[Any], int]:
    """The incidents of one process with all their columns, their changes, and the time of the tick
    that ends the stream."""
    pipeline = _core.EnginePipeline()
    updates = [pipeline.ingest(body(part), kind) for kind, part in given]
    at = (pipeline.newest or 0) + 30 * MINUTE
    updates.append(pipeline.advance(at))
    incidents = {record[0]: record for update in updates for record in update.incidents()}
    changes = [one[:3] for update in updates for one in update.changes() if one[1]]
    return incidents, sorted(changes), at


def with_calls() -> dict[str, pd.DataFrame]:
    """A fleet in which the fault of one service reaches those that call it: three services of which
    each calls the next one, with a span for each call."""
    rng = random.Random(5)
    spans = []
    start = pd.Timestamp("2026-01-06T10:00:00Z")
    names = ["front", "cart", "store"]
    for number in range(9_000):
        at, slow = number * 1.2, 7_200 < number * 1.2 < 7_800
        left = 0.0
        for depth, service in reversed(list(enumerate(names))):
            left += rng.lognormvariate(3.0, 0.2) + (900.0 if slow and service == "store" else 0.0)
            spans.append(
                {
                    "start": start + pd.Timedelta(seconds=at + 0.001 * depth),
                    "trace_id": f"{number:032x}",
                    "span_id": f"{number:012x}{depth:04x}",
                    "parent_id": f"{number:012x}{depth - 1:04x}" if depth else None,
                    "service": service,
                    "operation": f"/{service}",
                    "duration_ms": left,
                    "status": "ok",
                    "kind": "server",
                }
            )
    return {"spans": pd.DataFrame(spans).sort_values("start", kind="stable")}


SYSTEMS = {
    "fleet": lambda to: fleet(),
    "shop": lambda to: simulated("shop", to),
    "calls": lambda to: with_calls(),
}


@pytest.fixture(scope="module", params=SYSTEMS)
def system(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Pieces, Any]:
    tables = SYSTEMS[request.param](tmp_path_factory.mktemp(request.param))
    tables = {kind: table for kind, table in tables.items() if kind in {*TIMES, "edges"}}
    given, (incidents, changes, at) = pieces(tables), alone(pieces(tables, 0))
    return given, (incidents, changes, at)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_partitions_give_the_incidents_of_one_process(
    system: tuple[Pieces, Any], count: int, server: Server
) -> None:
    """Members and the server end at random."""
    given, (incidents, changes, at) = system
    chance = random.Random(count)
    members = Members(given, count)
    for kind in {kind for kind, _ in given}:
        # all partitions are known before the first record
        number = min(n for of, n in members.used if of == kind)
        for message in messages(
            TableWrites(), kind, 1, members.pipelines[kind, number].take_handovers()
        ):
            server.give(message)
    for partition in members.unused({kind for kind, _ in given}):
        server.without(partition)
    for kind, records in given:
        for message in members.take(kind, records):
            server.give(message)
        if chance.random() < 0.02:
            members.killed(*chance.choice(sorted(members.used)))
        if chance.random() < 0.005:
            server.kill()
    for message in members.tick(at):
        server.give(message)
    assert server.incidents() == incidents != {}
    found = server.rows("SELECT change, incident, at FROM history WHERE incident != ''")
    assert sorted(found) == changes
    status = server.status()
    assert (status["waiting"], status["early"]) == (0, 0)
    assert not any(one["missing"] or one["late_rows"] for one in status["partitions"])


def test_a_fault_that_crosses_partitions_is_one_incident_with_its_culprit(server: Server) -> None:
    given = pieces(with_calls())
    members = Members(given, 7)
    assert len(members.used) == 3
    for kind, records in given:
        for message in members.take(kind, records):
            server.give(message)
    for partition in members.unused({"spans"}):
        server.without(partition)
    (document,) = (json.loads(row[8]) for row in server.incidents().values())
    assert document["ranking"]["culprits"][0]["service"] == "store"
    assert {one.split()[0] for one in document["affected"]} == {"front", "cart", "store"}
    at = round(pd.Timestamp("2026-01-06T12:08:00Z").timestamp()) * 10**9
    ranking = json.loads(server.engine.pipeline.culprits(at))
    assert ranking["culprits"][0]["service"] == "store"
    edges = json.loads(server.engine.pipeline.graph())["edges"]
    calls = {("front", "cart"), ("cart", "store")}
    assert {(one["caller"], one["callee"]) for one in edges} == calls


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pieces, Any]:
    tables = {"requests": simulated("shop", tmp_path_factory.mktemp("shop"))["requests"]}
    return pieces(tables), alone(pieces(tables, 0))


def all_messages(given: Pieces, at: int) -> dict[int, list[bytes]]:
    """The messages of two partitions."""
    members = Members(given, 2)
    found: dict[int, list[bytes]] = {0: [], 1: []}
    sent = [one for kind, records in given for one in members.take(kind, records)]
    for message in [*sent, *members.tick(at)]:
        found[int(json.loads(message)["of"][-1])].append(message)
    return found


def test_an_old_topic_is_grouped_in_order_whatever_partition_is_read_first(
    shop: tuple[Pieces, Any], server: Server
) -> None:
    given, (incidents, _, at) = shop
    of = all_messages(given, at)
    for message in of[1]:
        server.give(message)
    assert server.incidents() == {}
    assert server.status()["waiting"] > 0
    for message in of[0]:
        server.give(message)
    assert server.incidents() == incidents


def test_rows_of_a_late_partition_join_and_are_counted(
    shop: tuple[Pieces, Any], server: Server
) -> None:
    """One partition is silent for more than an hour, and the others do not wait for it."""
    given, (incidents, _, at) = shop
    of = all_messages(given, at)
    (culprit,) = {row[2] for row in incidents.values()}
    on_time = 1 - place(culprit, 2)
    server.give(of[place(culprit, 2)][0])
    server.without(f"requests/{place(culprit, 2)}")
    for message in of[on_time]:
        server.give(message)
    status = {one["name"]: one for one in server.status()["partitions"]}
    late = f"requests/{place(culprit, 2)}"
    assert status[late]["is_left_out"]
    assert server.status()["waiting"] == 0
    for message in of[place(culprit, 2)][1:]:
        server.give(message)
    status = {one["name"]: one for one in server.status()["partitions"]}
    assert status[late]["late_rows"] > 100
    assert not status[late]["is_left_out"]
    # nothing but rows of this partition is in the incident
    assert {id: row[2:7] for id, row in server.incidents().items()} == {
        id: row[2:7] for id, row in incidents.items()
    }
    assert FleetWatch().faults(server.status()) == []


def test_a_partition_that_hands_over_nothing_is_left_out_after_the_wait() -> None:
    now = 0.0
    watch = FleetWatch(60.0, time=lambda: now)

    def status(clock: int, *, awaited: bool = True, out: bool = False, late: int = 0) -> Any:
        of = {"is_awaited": awaited, "is_left_out": out, "late_rows": late, "missing": 0}
        partition = {"name": "requests/0", "clock": clock, "settings": 1, **of}
        return {"waiting": 5, "early": 0, "partitions": [partition]}

    assert watch.overdue(None, is_read=True) == []
    assert watch.overdue(status(1), is_read=True) == []
    now = 59.0
    assert watch.overdue(status(1), is_read=True) == []
    # it moved on
    assert watch.overdue(status(2), is_read=True) == []
    now = 118.0
    assert watch.overdue(status(2), is_read=True) == []
    now = 120.0
    # its messages may be among those that were not read yet
    assert watch.overdue(status(2), is_read=False) == []
    assert watch.overdue(status(2), is_read=True) == ["requests/0"]
    assert watch.faults(status(2)) == []
    assert watch.faults(status(2, out=True, late=3)) == [
        "requests/0 has not kept up for 60 s, and incidents are grouped without it; is one of the "
        "members down?",
        "3 rows of requests/0 came late, after the others were grouped",
    ]
    now = 2_000.0
    assert watch.faults(status(3, late=3)) == []


def test_members_with_other_settings_are_refused(shop: tuple[Pieces, Any], server: Server) -> None:
    given, _ = shop
    for name, value in (("step_seconds", 30.0), ("lateness_seconds", 5.0)):
        members = Members(given, 2, Config({"features": {name: value}}))
        message = next(one for kind, records in given for one in members.take(kind, records))
        with pytest.raises(_core.SettingsError, match=f"features.{name}` = {value:g}, and"):
            server.give(message)
    assert server.engine.journal.seq == 0


def test_members_with_unequal_thresholds_are_named(
    shop: tuple[Pieces, Any], server: Server
) -> None:
    given, _ = shop
    for number, config in enumerate((None, Config({"score": {"threshold": 0.9}}))):
        members = Members(given, 2, config)
        wanted = (
            one
            for kind, records in given
            for one in members.take(kind, records)
            if json.loads(one)["of"] == f"requests/{number}"
        )
        server.give(next(wanted))
    assert FleetWatch().faults(server.status()) == [
        "requests/0 and requests/1 are judged with different settings; start all members with the "
        "same file"
    ]


def test_missing_and_repeated_results_are_noticed(shop: tuple[Pieces, Any], server: Server) -> None:
    given, (incidents, _, at) = shop
    of = all_messages(given, at)
    for message in of[0]:
        server.give(message)
        # brokers that show aborted transactions give results twice
        server.give(message)
    for message in [*of[1][:20], *of[1][21:]]:
        server.give(message)
    missing = {one["name"]: one["missing"] for one in server.status()["partitions"]}
    assert missing["requests/0"] == 0
    assert missing["requests/1"] > 0
    assert set(server.incidents()) == set(incidents)


def test_commands_apply_to_the_incidents_of_the_group(
    shop: tuple[Pieces, Any], server: Server, tmp_path: Path
) -> None:
    given, (incidents, _, at) = shop
    of = all_messages(given, at)
    ((id, expected),) = incidents.items()
    both = [one for pair in zip(of[0], of[1], strict=False) for one in pair]
    for message in both:
        server.give(message)
        if server.incidents():
            break
    command = {"command": "acknowledge", "id": id, "at": expected[4]}
    server.engine.command(command).result(30)
    assert [row[7] for row in server.incidents().values()] == ["acknowledged"]
    muted = Server(tmp_path / "muted")
    mute = {"command": "mute", "service": expected[2], "endpoint": "*", "reason": "a test"}
    muted.engine.command({**mute, "at": expected[4] - 10**13, "until": at}).result(30)
    for message in both:
        muted.give(message)
    assert muted.incidents() == {}
    muted.engine.stop()
