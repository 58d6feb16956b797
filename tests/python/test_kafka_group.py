"""Members of a group without a broker: states in a topic, replays, and results."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mad import _core
from mad.config import Config
from mad.engine import Engine
from mad.engine.alerts import Route
from mad.engine.intake import RecentIntake
from mad.engine.source_contract import START, requests
from mad.errors import StateError
from mad.group.partition import GroupPartition, Place
from mad.group.saved import CHUNK, SavedState, SaveRecord, chunks_of, record_of
from mad.journal import Entry, Journal, TableWrites
from mad.journal.results import MESSAGE_BYTES, check_message, messages, writes_of
from mad.sources.protocol import SourceUnavailable

PLACE = Place("mad-group", "requests", 0, "state", "results", "requests", "json")
MINUTE = 60 * 10**9
#: The message before which a pause advances event time.
PAUSE = 30_000


class Message:
    """A message of a topic."""

    def __init__(self, offset: int, body: bytes) -> None:
        self._offset, self._body = offset, body

    def offset(self) -> int:
        return self._offset

    def value(self) -> bytes:
        return self._body

    def __len__(self) -> int:
        return len(self._body)


class Topics:
    """Committed messages. The process ends at the write with the number `until`, before it is
    committed or, with `late`, after that."""

    def __init__(self) -> None:
        self.committed: list[tuple[str, str, int, bytes | None]] = []
        self.until, self.late, self.writes = 10**9, False, 0

    def write(self, written: Iterable[tuple[str, int, str, bytes | None]], number: int) -> None:
        found = [(topic, key, number, value) for topic, _, key, value in written]
        self.writes += 1
        if self.writes != self.until or self.late:
            self.committed += found
        if self.writes == self.until:
            raise SourceUnavailable("the process ends")

    def saved(self) -> SavedState:
        saved = SavedState()
        for topic, key, number, value in self.committed:
            if topic == "state":
                saved.take(key, number, value)
        return saved

    def rows(self) -> list[list[Any]]:
        """All rows that were sent, in order."""
        bodies = [body or b"" for topic, _, _, body in self.committed if topic == "results"]
        return [row for body in bodies for row in check_message(body).get("rows", [])]

    def changes(self) -> list[list[Any]]:
        bodies = [body or b"" for topic, _, _, body in self.committed if topic == "results"]
        return [change for body in bodies for change in check_message(body).get("history", [])]


def partition(topics: Topics) -> GroupPartition:
    """An owner of the partition that restores the committed state."""
    intake = RecentIntake()
    writer: Any = topics
    return GroupPartition(
        PLACE, Config(), writer, topics.saved(), intake=intake, save_seconds=3_600.0
    )


def shop(count: int) -> list[Message]:
    """Requests of two services, with a fault in the middle, and payloads that are no record."""
    found = []
    for number, body in enumerate(requests(0, count)):
        record = json.loads(body)
        record["service"] = f"shop-{number % 2}"
        is_bad = count // 2 <= number < count // 2 + 6_000
        record["latency_ms"] = 30.0 + number % 17 + (900.0 if is_bad else 0.0)
        found.append(Message(number, json.dumps(record).encode()))
    found[count // 3] = Message(count // 3, b"no record \xff")
    return found


@pytest.fixture(scope="module")
def stream() -> list[Message]:
    return shop(60_000)


def tick(owner: GroupPartition, minute: int) -> None:
    """Advances event time as a pause without messages would."""
    at = round(START.timestamp()) * 10**9 + minute * MINUTE
    owner._ticks.append([owner.position, at])
    owner._tick(at)


def run(owner: GroupPartition, stream: list[Message], step: int = 1_700) -> None:
    """Judges the rest of a stream in pieces, with sendings, saves and a tick between them."""
    while owner.position < len(stream):
        before = owner.position
        end = before + step
        # a pause, for every owner at the same message
        owner.take(stream[before : min(end, PAUSE) if before < PAUSE else end])
        if owner.is_replaying:
            continue
        if owner.position == PAUSE:
            tick(owner, 25)
        if owner.position // 5_000 > before // 5_000:
            owner.send()
        if owner.position // 20_000 > before // 20_000:
            owner.save()
    owner.finish()


def test_an_owner_that_ends_at_any_write_sends_each_result_once(stream: list[Message]) -> None:
    whole = Topics()
    run(partition(whole), stream)
    assert len(whole.rows()) == len({tuple(row[:3]) for row in whole.rows()}) > 80
    assert whole.changes()
    assert whole.writes > 12
    for late in (False, True):
        for until in range(1, whole.writes + 1):
            topics = Topics()
            topics.until, topics.late = until, late
            with pytest.raises(SourceUnavailable):
                run(partition(topics), stream)
            topics.until = 10**9
            # the next owner gets the messages in other pieces
            run(partition(topics), stream, 2_300)
            assert topics.rows() == whole.rows(), (until, late)
            assert sorted(topics.changes()) == sorted(whole.changes())


def test_requests_are_counted_once_and_bad_payloads_too(stream: list[Message]) -> None:
    topics = Topics()
    owner = partition(topics)
    run(owner, stream)
    assert (owner.records, owner.rejected + owner.unreadable) == (len(stream) - 1, 1)
    tick(owner, 300)
    owner.send()
    assert sum(row[3] for row in topics.rows()) == len(stream) - 1


def test_a_save_that_was_cut_off_changes_nothing() -> None:
    saved = SavedState()

    def save(number: int, previous: int, parts: dict[str, bytes | None], *, ends: bool) -> None:
        for key, value in parts.items():
            saved.take(key, number, value)
        if ends:
            record = SaveRecord(
                of="mad-group.requests",
                number=number,
                previous=previous,
                position=10 * number,
                seq=number,
                chunks=1,
                entities=1,
                incidents=0,
            )
            saved.take("save", number, record_of(record))

    save(1, 0, {"g0": b"one", "e7": b"seven"}, ends=True)
    save(2, 1, {"g0": b"two", "e8": b"eight"}, ends=False)
    assert saved.state() == (b"one", [(7, b"seven")], [])
    # the next owner knows the highest number, and builds on the save that ended
    assert saved.number == 2
    save(3, 1, {"g0": b"three", "e7": None, "e9": b"nine"}, ends=True)
    assert saved.state() == (b"three", [(9, b"nine")], [])
    assert saved.save is not None
    assert saved.save.position == 30


def test_a_compacted_topic_gives_the_same_state() -> None:
    """Compaction keeps the newest message of each key, and so no record but the last."""
    saved = SavedState()
    saved.take("e7", 1, b"seven")
    saved.take("e8", 4, b"eight")
    saved.take("g0", 6, b"six")
    record = SaveRecord(
        of="mad-group.requests",
        number=6,
        previous=4,
        position=60,
        seq=6,
        chunks=1,
        entities=2,
        incidents=0,
    )
    saved.take("save", 6, record_of(record))
    assert saved.state() == (b"six", [(7, b"seven"), (8, b"eight")], [])


def test_missing_parts_and_other_versions_are_found() -> None:
    saved = SavedState()
    record = SaveRecord(
        of="mad-group.requests",
        number=1,
        previous=0,
        position=1,
        seq=1,
        chunks=1,
        entities=1,
        incidents=0,
    )
    saved.take("g0", 1, b"one")
    saved.take("save", 1, record_of(record))
    with pytest.raises(StateError, match="0 of 1 entities"):
        saved.state()
    newer = json.dumps({**json.loads(record_of(record)), "version": 2}).encode()
    with pytest.raises(StateError, match="version"):
        SavedState().take("save", 1, newer)


def test_a_large_global_part_is_cut_into_chunks(stream: list[Message]) -> None:
    assert [chunks_of(bytes(size)) for size in (0, 1, CHUNK, CHUNK + 1)] == [1, 1, 1, 2]


def test_a_config_that_does_not_fit_the_state_is_named(stream: list[Message]) -> None:
    topics = Topics()
    run(partition(topics), stream[:5_000])
    config = Config({"features": {"step_seconds": 30}})
    writer: Any = topics
    with pytest.raises(StateError, match=r"requests/0 in state: .*step_seconds"):
        GroupPartition(
            PLACE, config, writer, topics.saved(), intake=RecentIntake(), save_seconds=1.0
        )


def test_the_state_of_another_group_is_refused(stream: list[Message]) -> None:
    topics = Topics()
    run(partition(topics), stream[:5_000])
    writer: Any = topics
    place = replace(PLACE, group="other")
    with pytest.raises(StateError, match=r"has the states of mad-group\.requests"):
        GroupPartition(
            place, Config(), writer, topics.saved(), intake=RecentIntake(), save_seconds=1.0
        )


def results(stream: list[Message]) -> list[bytes]:
    topics = Topics()
    run(partition(topics), stream)
    return [body or b"" for topic, _, _, body in topics.committed if topic == "results"]


def submitted(folder: Path, bodies: list[bytes], *, save: bool) -> None:
    """Gives results to a server with a sink, in its journal."""
    engine = Engine(Journal(folder), routes=[Route("ops")], ticking=False)
    engine.start()
    try:
        for body in bodies:
            engine.submit(Entry("results", body, "results")).result(30)
    finally:
        engine.stop(save=save)


def table(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "mad.db")) as db:
        return db.execute(query).fetchall()


@pytest.mark.parametrize("save", [False, True])
def test_results_go_to_the_tables_and_give_alerts_once(
    stream: list[Message], tmp_path: Path, save: bool
) -> None:
    bodies = results(stream)
    submitted(tmp_path, bodies, save=save)
    before = table(tmp_path, "SELECT seq, position, event, incident FROM alerts")
    assert any(event == "opened" for _, _, event, _ in before)
    # the entries since the checkpoint are judged again
    submitted(tmp_path, [], save=True)
    assert table(tmp_path, "SELECT seq, position, event, incident FROM alerts") == before
    assert len(table(tmp_path, "SELECT DISTINCT sink, incident, event FROM deliveries")) == len(
        table(tmp_path, "SELECT 1 FROM deliveries")
    )
    rows = [row for body in bodies for row in check_message(body).get("rows", [])]
    found = table(tmp_path, "SELECT at, service, endpoint, req_count FROM rows ORDER BY 1, 2, 3")
    assert found == sorted(tuple(row[:4]) for row in rows)
    changes = [one for body in bodies for one in check_message(body).get("history", [])]
    assert len(table(tmp_path, "SELECT 1 FROM history")) == len(changes)


def test_points_of_one_time_keep_their_blocks() -> None:
    """An entry of results may hold several blocks of one time, those of several entries of the
    member."""
    pipeline = _core.EnginePipeline()
    blocks = []
    for metric in ("cpu", "memory"):
        lines = [
            json.dumps(
                {
                    "timestamp": (START + timedelta(minutes=minute)).isoformat(),
                    "service": "shop",
                    "metric": metric,
                    "value": minute,
                }
            )
            for minute in range(30)
        ]
        update = pipeline.ingest("\n".join(lines).encode(), "metrics", partition=metric)
        blocks += [(at, len(blocks), *block) for at, *block in update.points()]
    times = [at for at, *_ in blocks]
    assert len(set(times)) < len(times)
    (body,) = messages(TableWrites(points=blocks), "metrics/0", 1)
    taken = writes_of(check_message(body), 9).points
    assert [(at, *block) for at, _, *block in taken] == [(at, *block) for at, _, *block in blocks]
    assert len({(at, seq) for at, seq, *_ in taken}) == len(taken)


def test_large_results_become_several_messages(stream: list[Message]) -> None:
    lines = [(1, place, 5, "shop", "error", "x" * 1_000, None) for place in range(1_000)]
    bodies = list(messages(TableWrites(log_lines=lines), "logs/0", 1))
    assert len(bodies) > 2
    assert all(len(body) < 2 * MESSAGE_BYTES for body in bodies)
    assert sum(len(check_message(body)["log_lines"]) for body in bodies) == 1_000


def _changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = {
        "version": 1,
        "of": "t/0",
        "number": 1,
        "tables": {"history": [["opened", "i", 1, "{}"]]},
    }
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"1",
        b"[" * 100_000,
        _changed(lambda one: one.pop("version")),
        _changed(lambda one: one.update(version=2)),
        _changed(lambda one: one.update(tables=[])),
        _changed(lambda one: one["tables"].update(meta=[])),
        _changed(lambda one: one["tables"].update(history=5)),
        _changed(lambda one: one["tables"].update(history=[["opened", "i", 1]])),
        _changed(lambda one: one["tables"].update(history=[["opened", "i", 2**63, "{}"]])),
        _changed(lambda one: one["tables"].update(history=[["opened", 5, 1, "{}"]])),
        _changed(lambda one: one["tables"].update(history=[["opened", "i", 1, "no JSON"]])),
        _changed(lambda one: one["tables"].update(history=[["opened", "i", 1, "[" * 100_000]])),
        _changed(lambda one: one["tables"].update(history=[["opened", "\ud800", 1, "{}"]])),
        _changed(lambda one: one["tables"].update(points=[[1, 1, 0, "no base64 !"]])),
        _changed(lambda one: one["tables"].update(points=[[1, 1, 0, "bm8gYmxvY2s="]])),
    ],
    ids=range(18),
)
def test_messages_that_hold_no_results_never_reach_the_journal(body: bytes, tmp_path: Path) -> None:
    engine = Engine(Journal(tmp_path), ticking=False)
    engine.start()
    try:
        with pytest.raises(ValueError, match=r"."):
            engine.submit(Entry("results", body, "results")).result(30)
        assert engine.journal.seq == 0
        assert engine.problems() == []
    finally:
        engine.stop()
