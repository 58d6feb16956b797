"""Members of a group without a broker: states in a topic, replays, and results."""

from __future__ import annotations

import csv
import json
import sqlite3
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mad import _core
from mad.cli import main as mad
from mad.config import Config
from mad.engine import Engine
from mad.engine.alerts import Route
from mad.engine.intake import RecentIntake
from mad.engine.judge import Poisoned
from mad.engine.source_contract import START, requests
from mad.errors import StateError
from mad.group.partition import GroupPartition, Place
from mad.group.saved import CHUNK, SavedState, SaveRecord, chunks_of, record_of
from mad.journal import Entry, Journal, TableWrites
from mad.journal.results import (
    MESSAGE_BYTES,
    check_message,
    handovers,
    messages,
    writes_of,
)
from mad.sources.protocol import SourceUnavailable

PLACE = Place("mad-group", "requests", 0, 1, "state", "results", "requests", "json")
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

    def of(self, table: str) -> list[list[Any]]:
        """All records of a table that were sent, in order."""
        bodies = [body or b"" for topic, _, _, body in self.committed if topic == "results"]
        return [record for body in bodies for record in check_message(body).get(table, [])]

    def rows(self) -> list[list[Any]]:
        return self.of("rows")

    def handovers(self) -> list[bytes]:
        """The hand-overs, in order."""
        bodies = [body or b"" for topic, _, _, body in self.committed if topic == "results"]
        return [one for body in bodies for one in handovers(check_message(body))]


def incidents_of(updates: list[_core.EngineUpdate]) -> dict[str, Any]:
    """The incidents with rankings and explanations, without the rows around them, which end with a
    batch. Sums of evidence differ in the last digit where records have equal times."""

    def read(document: str) -> Any:
        return json.loads(document, parse_float=lambda text: round(float(text), 12))

    records = {record[0]: record for one in updates for record in one.incidents()}
    return {id: (*record[:8], read(record[8])) for id, record in records.items()}


def grouped(all_topics: list[Topics]) -> tuple[dict[str, Any], list[Any], dict[str, Any]]:
    """The incidents of the second stage by these hand-overs, their changes, and its state."""
    second = _core.EnginePipeline()
    updates = [second.receive([one]) for topics in all_topics for one in topics.handovers()]
    changes = [change for update in updates for change in update.changes()]
    return incidents_of(updates), changes, json.loads(second.fleet())


def partition(topics: Topics, place: Place = PLACE) -> GroupPartition:
    """An owner of a partition that restores the committed state."""
    intake = RecentIntake()
    writer: Any = topics
    return GroupPartition(
        place, Config(), writer, topics.saved(), intake=intake, save_seconds=3_600.0
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
    expected = grouped([whole])
    assert expected[0]
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
            found = grouped([topics])
            assert found[:2] == expected[:2]
            assert found[2]["partitions"][0]["missing"] == 0


def test_requests_are_counted_once_and_bad_payloads_too(stream: list[Message]) -> None:
    topics = Topics()
    owner = partition(topics)
    run(owner, stream)
    assert (owner.records, owner.rejected + owner.unreadable) == (len(stream) - 1, 1)
    tick(owner, 300)
    owner.send()
    assert sum(row[3] for row in topics.rows()) == len(stream) - 1


@pytest.fixture(scope="module")
def systems(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[str, bytes]]]:
    """Services and records, as JSON, of a simulated shop (requests) and of the system MELT
    (metrics), in order of time."""
    found = {}
    for kind, system in (("requests", "shop"), ("metrics", "melt")):
        folder = tmp_path_factory.mktemp(system)
        given = ["--system", system, "--services", "8", "--out", str(folder), "--no-labels"]
        assert mad(["simulate", *given]) == 0
        with (folder / f"{kind}.csv").open() as file:
            records = list(csv.DictReader(file))
        for one in records:
            for name in {"latency_ms", "value"} & set(one):
                one[name] = float(one[name])  # type: ignore[assignment]
        found[kind] = [(one["service"], json.dumps(one).encode()) for one in records]
    return found


@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("kind", ["requests", "metrics"])
def test_partitions_with_owners_that_end_give_the_answer_of_one_pipeline(
    systems: dict[str, list[tuple[str, bytes]]], kind: str, count: int
) -> None:
    records = systems[kind]
    alone = _core.EnginePipeline()
    updates = [alone.ingest(b"\n".join(body for _, body in records), kind)]
    at = (alone.newest or 0) + 30 * MINUTE
    updates.append(alone.advance(at))
    services = sorted({service for service, _ in records})
    all_topics = []
    for number in range(count):
        of = [body for service, body in records if services.index(service) % count == number]
        stream = [Message(offset, body) for offset, body in enumerate(of)]
        topics = Topics()
        topics.until = 4
        place = replace(PLACE, topic=kind, kind=kind, number=number, partitions=count)
        with pytest.raises(SourceUnavailable):
            run_until(partition(topics, place), stream, at)
        topics.until = 10**9
        run_until(partition(topics, place), stream, at)
        all_topics.append(topics)
    for table in ("rows", "services"):
        expected = {row[:3]: row for one in updates for row in getattr(one, table)()}
        found = {tuple(row[:3]): tuple(row) for one in all_topics for row in one.of(table)}
        assert found == expected
        assert bool(found) == (kind == "requests")
    assert grouped(all_topics)[0] == incidents_of(updates) != {}
    blocks = [(at, body) for one in updates for at, _, _, body in one.points()]
    sent = [(at, b64decode(body)) for one in all_topics for at, _, _, body in one.of("points")]
    assert points_of(sent) == points_of(blocks)
    assert bool(sent) == (kind == "metrics")


@pytest.mark.parametrize("kind", ["logs", "spans"])
def test_log_lines_and_failed_calls_reach_the_tables_of_a_view(kind: str, tmp_path: Path) -> None:
    stream = []
    for number in range(600):
        at = (START + timedelta(seconds=number)).isoformat()
        named = {"trace_id": f"trace-{number}", "service": "shop"}
        if kind == "logs":
            record = {"timestamp": at, "level": "error", "body": f"no answer {number}", **named}
        else:
            call = {"span_id": f"span-{number}", "operation": "pay", "duration_ms": 5.0}
            record = {"start": at, "status": "error", **call, **named}
        stream.append(Message(number, json.dumps(record).encode()))
    topics = Topics()
    owner = partition(topics, replace(PLACE, kind=kind))
    run_until(owner, stream, round(START.timestamp()) * 10**9 + 30 * MINUTE)
    assert owner.records == 600
    bodies = [body or b"" for topic, _, _, body in topics.committed if topic == "results"]
    submitted(tmp_path, bodies, save=True)
    columns = "service, body" if kind == "logs" else "service, span_id"
    name = "log_lines" if kind == "logs" else "failures"
    found = table(tmp_path, f"SELECT {columns} FROM {name} ORDER BY at")
    text = "no answer" if kind == "logs" else "span"
    joint = " " if kind == "logs" else "-"
    assert found == [("shop", f"{text}{joint}{number}") for number in range(600)]


def points_of(blocks: list[tuple[int, bytes]]) -> dict[int, list[str]]:
    """The points of each time."""
    of: dict[int, list[bytes]] = {}
    for at, body in blocks:
        of.setdefault(at, []).append(body)
    return {at: _core.stored_points(bodies) for at, bodies in of.items()}


def run_until(owner: GroupPartition, stream: list[Message], at: int) -> None:
    """Judges a stream with sendings and saves, and closes its steps."""
    while owner.position < len(stream):
        owner.take(stream[owner.position : owner.position + 150])
        if not owner.is_replaying:
            (owner.save if owner.position % 4 else owner.send)()
    owner._ticks.append([owner.position, at])
    owner._tick(at)
    owner.save()


def save_record(number: int, previous: int, *, entities: int) -> SaveRecord:
    """The record of a save whose global part has one chunk."""
    return SaveRecord(
        of="mad-group.requests",
        number=number,
        previous=previous,
        position=10 * number,
        seq=number,
        chunks=1,
        entities=entities,
        incidents=0,
    )


def test_a_save_that_was_cut_off_changes_nothing() -> None:
    saved = SavedState()

    def save(number: int, previous: int, parts: dict[str, bytes | None], *, ends: bool) -> None:
        for key, value in parts.items():
            saved.take(key, number, value)
        if ends:
            saved.take("save", number, record_of(save_record(number, previous, entities=1)))

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
    saved.take("save", 6, record_of(save_record(6, 4, entities=2)))
    assert saved.state() == (b"six", [(7, b"seven"), (8, b"eight")], [])


def test_missing_parts_and_other_versions_are_found() -> None:
    saved = SavedState()
    record = save_record(1, 0, entities=1)
    saved.take("g0", 1, b"one")
    saved.take("save", 1, record_of(record))
    with pytest.raises(StateError, match="0 of 1 entities"):
        saved.state()
    newer = json.dumps({**json.loads(record_of(record)), "version": 2}).encode()
    with pytest.raises(StateError, match="version"):
        SavedState().take("save", 1, newer)


class Failing:
    """A pipeline that fails at a record with the latency 12345."""

    def __init__(self, pipeline: _core.EnginePipeline) -> None:
        self._pipeline = pipeline

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)

    def ingest(self, body: bytes, *given: Any, **named: Any) -> Any:
        if b'"latency_ms": 12345' in body:
            raise RuntimeError("a fault of the core")
        return self._pipeline.ingest(body, *given, **named)


def test_a_message_that_makes_the_core_fail_is_set_aside(stream: list[Message]) -> None:
    wrong = {7_777, 7_778, 25_000}
    records = [json.loads(stream[number].value()) for number in sorted(wrong)]
    bad = [json.dumps({**record, "latency_ms": 12345}).encode() for record in records]
    changed = list(stream[:40_000])
    for number, body in zip(sorted(wrong), bad, strict=True):
        changed[number] = Message(number, body)
    topics, failures = Topics(), 0
    while True:
        owner = partition(topics)
        pipeline: Any = Failing(owner._judge.pipeline)
        owner._judge.pipeline = pipeline
        try:
            run(owner, changed)
        except Poisoned:
            failures += 1
            assert failures < 10
        else:
            break
    # 7,777 and 7,778 are in one batch, which is judged one by one
    assert failures == 5
    assert topics.saved().poison.skipped == sorted(wrong)
    assert owner.faults() == [
        "requests/0: 3 messages could not be judged and were set aside; the newest is at offset "
        "25000"
    ]
    expected = Topics()
    # without any body, as a tombstone has none
    run(partition(expected), [Message(n, b"") if n in wrong else m for n, m in enumerate(changed)])
    assert topics.rows() == expected.rows()


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
    second = _core.EnginePipeline()
    updates = [second.receive(handovers(check_message(body))) for body in bodies]
    changes = [change for update in updates for change in update.changes()]
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


def _packed(body: bytes) -> str:
    """A hand-over as messages have it."""
    return b64encode(zlib.compress(body)).decode()


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
        _changed(lambda one: one["tables"].update(handed=[["no base64 !"]])),
        _changed(lambda one: one["tables"].update(handed=[["bm8gYmxvY2s="]])),
        _changed(lambda one: one["tables"].update(handed=[[_packed(b"no hand-over")]])),
        _changed(lambda one: one["tables"].update(handed=[[_packed(bytes(20 << 20))]])),
        _changed(lambda one: one["tables"].update(handed=[[_packed(b"x")[:8]]])),
    ],
    ids=range(23),
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


@pytest.mark.parametrize(
    ("type_", "given", "wanted"),
    [
        ("kafka-group", {"results_topic": "requests"}, "results_topic and topic are both"),
        ("kafka-group", {"state_topic": "requests"}, "state_topic and topic are both"),
        ("kafka-group", {"state_topic": "mad-results"}, "state_topic and results_topic are both"),
        ("kafka-group", {"results_topic": ""}, "results_topic is ''"),
        ("kafka-group", {"topic": "a b"}, "topic is 'a b'; the name of a topic"),
        ("kafka-group", {"group": " "}, "group is empty"),
        ("kafka-group", {"settings": {"isolation.level": "read_uncommitted"}}, "must not be read"),
        ("kafka-group", {"settings": {"Transactional.ID": "x"}}, "leave it out"),
        ("kafka-group", {"settings": {"acks": "0"}}, "leave it out"),
        ("kafka-results", {"settings": {"isolation.level": "read_uncommitted"}}, "leave it out"),
        ("kafka-results", {"group": ""}, "group is empty"),
        ("kafka", {"settings": {"enable.auto.commit": "true"}}, "committed with the records"),
        ("kafka", {"settings": {"group.id": "x"}}, "use the option group"),
        ("kafka", {"settings": {"bootstrap.servers": "x:1"}}, "use the option brokers"),
    ],
)
def test_settings_that_would_lose_records_are_refused(
    type_: str, given: dict[str, Any], wanted: str, tmp_path: Path, capsys: Any
) -> None:
    fields = {"topics" if type_ == "kafka" else "topic": "requests", **given}
    if type_ == "kafka":
        fields["topics"] = ["requests"]
    table = "\n".join(
        f"{name} = " + (json.dumps(value) if not isinstance(value, dict) else _inline(value))
        for name, value in fields.items()
    )
    file = tmp_path / "mad.toml"
    file.write_text(f'[sources.x]\ntype = "{type_}"\nbrokers = ["b:1"]\n{table}\n')
    assert mad(["config", "check", str(file)]) != 0
    assert wanted in "".join(capsys.readouterr())


def _inline(table: dict[str, str]) -> str:
    return "{" + ", ".join(f'"{name}" = "{value}"' for name, value in table.items()) + "}"


@pytest.mark.parametrize(
    "key, value",
    [
        ("save", b"{"),
        ("save", b"[" * 100_000),
        ("save", b'{"version": 1, "more": 2}'),
        (
            "save",
            record_of(save_record(6, 4, entities=1)).replace(b'"chunks": 1', b'"chunks": "1"'),
        ),
        ("sent", b'{"version": 1, "number": 7, "position": 1, "ticks": [[1]]}'),
        ("sent", b'{"version": 1, "number": 7, "position": 1, "ticks": 5}'),
        ("poison", b'{"version": 1, "careful": [1], "skipped": []}'),
        ("poison", b'{"version": 1, "careful": [1, 2], "skipped": ["x"]}'),
        ("", b""),
        ("entity", b"x"),
        ("e" + "9" * 5_000, b"x"),
    ],
)
def test_messages_that_are_not_of_mad_are_refused(key: str, value: bytes) -> None:
    saved = SavedState()
    saved.take("g0", 6, b"global")
    with pytest.raises(StateError):
        saved.take(key, 6, value)
        saved.state()


def test_a_forged_number_of_chunks_takes_no_memory() -> None:
    saved = SavedState()
    record = replace(save_record(6, 4, entities=0), chunks=2**62)
    saved.take("save", 6, record_of(record))
    with pytest.raises(StateError, match="are missing"):
        saved.state()
