"""Acknowledged data survives: recovery, ticks, full disks, a second server."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from service import Server, an_hour, lines, minute_of

from mad import Config, _core
from mad.engine import Busy, Engine, StorageFailed
from mad.engine.arrivals import ARRIVING_SECONDS, EXPECTED_SECONDS, Arrivals
from mad.engine.clock import SECOND, EventClock
from mad.engine.job import Job, JobQueue
from mad.errors import StateError, UsageError
from mad.journal import Entry, Journal, Retention, TableWrites
from mad.journal.reader import Reader


def batches(records: list[dict[str, Any]], size: int = 200) -> list[Entry]:
    """Batches with ids."""
    return [
        Entry("requests", lines(records[start : start + size]), batch_id=f"b{start}")
        for start in range(0, len(records), size)
    ]


@contextlib.contextmanager
def running(directory: Path, **options: Any) -> Iterator[Engine]:
    """A running engine, which ends as in a crash at the end of the block."""
    engine = Engine(Journal(directory), ticking=False, **options)
    engine.start()
    try:
        yield engine
    finally:
        crash(engine)


def crash(engine: Engine) -> None:
    """Ends an engine without saving its state."""
    engine.stop(save=False)


def tables(directory: Path) -> dict[str, list[Any]]:
    """All rows that readers can query."""
    with contextlib.closing(sqlite3.connect(directory / "mad.db")) as db:
        names = ("rows", "points", "log_lines", "incidents", "history", "batches")
        return {name: sorted(db.execute(f"SELECT * FROM {name}").fetchall()) for name in names}


def whole(directory: Path, work: list[Any]) -> tuple[bytes, dict[str, list[Any]]]:
    """State and tables of an engine that ran without interruption."""
    with running(directory) as engine:
        for one in work:
            _do(engine, one)
        state = engine.pipeline.checkpoint()
    return state, tables(directory)


def _do(engine: Engine, work: Any) -> None:
    if isinstance(work, Entry):
        engine.submit(work).result(30)
    elif isinstance(work, int):
        engine.tick(work).result(30)
    else:
        with contextlib.suppress(KeyError, ValueError):
            engine.command(work).result(30)


def some_work() -> list[Any]:
    """Batches of several kinds, ticks and commands."""
    records = an_hour()
    logs = [
        {"timestamp": one["timestamp"], "service": "payments", "level": "ERROR", "body": "slow"}
        for one in records[::90]
    ]
    metrics = [
        {"timestamp": one["timestamp"], "service": "db", "metric": "cpu", "value": i % 9}
        for i, one in enumerate(records[::30])
    ]
    work: list[Any] = batches(records)
    work.insert(6, Entry("logs", lines(logs), batch_id="logs"))
    work.insert(9, Entry("metrics", lines(metrics), batch_id="metrics"))
    newest = 1767693600 * SECOND
    work.insert(3, newest + 120 * SECOND)
    work.insert(12, Entry("requests", b"a,b\n1,2\n", batch_id="unreadable"))
    mute = {"command": "mute", "service": "auth", "endpoint": "*", "at": newest}
    work.insert(14, {**mute, "until": newest + 600 * SECOND})
    work.insert(15, {"command": "resolve", "id": "INC-none", "at": newest})
    work.append(newest + 3600 * SECOND)
    return work


@pytest.mark.parametrize("saved_every", [1, 4, 1000])
def test_recovery_gives_the_same_state_as_an_uninterrupted_run(
    tmp_path: Path, saved_every: int
) -> None:
    """State byte for byte and tables row for row, wherever the run is cut and saved."""
    work = [one for one in some_work() if not _unreadable(one)]
    expected = whole(tmp_path / "whole", work)
    cut = tmp_path / "cut"
    for start in range(0, len(work), 5):
        with running(cut) as engine:
            for place, one in enumerate(work[start : start + 5], start):
                _do(engine, one)
                if place % saved_every == 0:
                    engine.checkpoint().result(30)
    with running(cut) as engine:
        assert engine.pipeline.checkpoint() == expected[0]
    assert tables(cut) == expected[1]


def _unreadable(one: Any) -> bool:
    return isinstance(one, Entry) and one.batch_id == "unreadable"


def test_an_unreadable_batch_is_refused_and_not_journaled(tmp_path: Path) -> None:
    bad = Entry("requests", b"a,b\n1,2\n", batch_id="bad")
    with running(tmp_path) as engine:
        with pytest.raises(ValueError, match="timestamp"):
            engine.submit(bad).result(30)
        engine.submit(batches(an_hour())[0]).result(30)
    with running(tmp_path) as engine:
        assert engine.stats.recovered_entries == 1
        assert engine.stats.accepted_total == 200
        with pytest.raises(ValueError, match="timestamp"):
            engine.submit(bad).result(30)


def test_a_batch_is_known_after_a_crash_and_after_a_checkpoint(tmp_path: Path) -> None:
    first = batches(an_hour())[0]
    with running(tmp_path) as engine:
        taken = engine.submit(first).result(30)
    with running(tmp_path) as engine:
        again = engine.submit(first).result(30)
        assert again.repeated and (again.seq, again.accepted) == (taken.seq, taken.accepted)
        engine.checkpoint().result(30)
    with running(tmp_path) as engine:
        assert engine.submit(first).result(30).repeated
        both = [engine.submit(batches(an_hour())[1]) for _ in range(2)]
        assert [one.result(30).repeated for one in both] == [False, True]
        assert engine.stats.accepted_total == 400


def test_a_checkpoint_covers_the_commands_that_wait_behind_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    engine = Engine(journal, ticking=False)
    saved = engine.checkpoint()
    mute = {"service": "cart", "endpoint": "*"}
    muted = engine.command({"command": "mute", "until": 4 * 10**18, "at": 10**18, **mute})
    engine.start()
    saved.result(30), muted.result(30)
    engine.stop(save=False)
    with running(tmp_path) as engine:
        engine.command({"command": "unmute", "at": 10**18, **mute}).result(30)


def test_text_that_the_tables_cannot_hold_costs_its_write_alone(tmp_path: Path) -> None:
    """Half a character in a comment or in the name of a file rebuilds nothing."""
    engine = Engine(Journal(tmp_path), ticking=False)
    engine.start()
    write = engine.write(lambda to: to.note("INC-1", "ann", "comment", "\ud800"))
    with pytest.raises(ValueError, match="surrogates"):
        write.result(30)
    moved = {"logs": {"/var/log/\udcff.log": {"offset": 3}}}
    entry = Entry("requests", lines(an_hour(minutes=1)))
    assert engine.submit(entry, positions=moved).result(30).accepted == 90
    assert engine.journal.positions("logs") == moved["logs"]
    engine.write(lambda to: to.move_positions({"logs": {"/var/log/\udcff.log": None}})).result(30)
    assert engine.journal.positions("logs") == {}
    assert engine.stats.rebuilt == 0 and engine.problems() == []
    engine.stop()


def test_a_checkpoint_deletes_the_entries_that_it_covers(tmp_path: Path) -> None:
    with running(tmp_path) as engine:
        for batch in batches(an_hour()):
            engine.submit(batch).result(30)
        engine.checkpoint().result(30)
        assert list(engine.journal.entries()) == []
        _, first, _ = engine.journal.state() or (b"", [], [])
        # the clock follows one endpoint alone once it has sent for more than a minute
        for minute in (62, 63, 64):
            engine.submit(Entry("requests", lines(list(minute_of(minute))))).result(30)
        engine.checkpoint().result(30)
        _, then, _ = engine.journal.state() or (b"", [], [])
        # two of three endpoints had nothing new, once the last minutes of all of them had closed
        engine.submit(Entry("requests", lines(list(minute_of(66))))).result(30)
        engine.checkpoint().result(30)
        _, last, _ = engine.journal.state() or (b"", [], [])
    assert len(first) == len(then) == len(last) == 3
    assert [one == two for one, two in zip(then, last, strict=True)].count(True) == 2


def test_a_full_disk_refuses_batches_and_loses_nothing(tmp_path: Path) -> None:
    work = batches(an_hour(), 300)
    with running(tmp_path) as engine:
        engine.submit(work[0]).result(30)
        before = engine.pipeline.checkpoint()
        engine.journal.limit_growth(0)
        large = Entry("requests", work[1].body + b"\n" * 1_000_000, batch_id="large")
        with pytest.raises(StorageFailed, match="full"):
            engine.submit(large).result(30)
        assert engine.pipeline.checkpoint() == before  # data that is not on disk is not judged
        engine.journal.limit_growth(None)
        for batch in work[1:]:
            engine.submit(batch).result(30)
        state = engine.pipeline.checkpoint()
    assert state == whole(tmp_path / "whole", work)[0]


def test_a_checkpoint_that_failed_on_a_full_disk_is_repeated(tmp_path: Path) -> None:
    work = batches(an_hour())
    with running(tmp_path) as engine:
        for batch in work:
            engine.submit(batch).result(30)
        engine.journal.limit_growth(0)
        with pytest.raises(StorageFailed, match="full"):
            engine.checkpoint().result(30)
        engine.journal.limit_growth(None)
        engine.checkpoint().result(30)
        state = engine.pipeline.checkpoint()
    with running(tmp_path) as engine:
        assert engine.stats.recovered_entries == 0
        assert engine.pipeline.checkpoint() == state


def test_a_full_queue_refuses_batches(tmp_path: Path) -> None:
    engine = Engine(Journal(tmp_path), ticking=False, queue_batches=4)
    work = batches(an_hour())
    waiting = [engine.submit(batch) for batch in work[:4]]
    with pytest.raises(Busy):
        engine.submit(work[4])
    assert engine.stats.refused_busy == 1
    engine.start()
    assert [future.result(30).accepted for future in waiting] == [200] * 4
    assert engine.submit(work[4]).result(30).accepted == 200
    engine.stop()


def test_the_bytes_in_the_queue_are_bounded(tmp_path: Path) -> None:
    first, second, *_ = batches(an_hour())
    engine = Engine(Journal(tmp_path), ticking=False, queue_bytes=len(first.body) + 10)
    waiting = engine.submit(first)
    with pytest.raises(Busy):
        engine.submit(second)
    engine.start()
    assert waiting.result(30).accepted == 200
    assert engine.submit(second).result(30).accepted == 200
    engine.stop()
    with pytest.raises(StorageFailed, match="stops"):
        engine.submit(second)


def test_a_second_server_learns_which_process_holds_the_journal(tmp_path: Path) -> None:
    with (
        Server(tmp_path),
        pytest.raises(StateError, match=r"process \d+ is already writing this journal"),
    ):
        Journal(tmp_path)
    Journal(tmp_path).close()


def test_an_unusable_journal_is_reported(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with contextlib.closing(sqlite3.connect(other / "mad.db")) as db:
        db.execute("CREATE TABLE things (name)")
    with pytest.raises(StateError, match="is not a mad journal"):
        Journal(other)
    (other / "mad.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(StateError, match="not a database"):
        Journal(other)
    newer = tmp_path / "newer"
    Journal(newer).close()
    with contextlib.closing(sqlite3.connect(newer / "mad.db")) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StateError, match="newer version"):
        Journal(newer)
    with pytest.raises(StateError, match="not a directory"):
        Journal(newer / "mad.db" / "deeper")


def test_a_changed_threshold_keeps_the_learnt_state(tmp_path: Path) -> None:
    with running(tmp_path) as engine:
        for batch in batches(an_hour()):
            engine.submit(batch).result(30)
        engine.checkpoint().result(30)
        newest = engine.pipeline.newest
    config = Config(
        {
            "score": {"threshold": 0.6},
            "guard": {"min_points": 30, "warm_up_minutes": 5.0},
            "override": [{"service": "payments", "warm_up_minutes": 20.0}],
        }
    )
    with running(tmp_path, config=config) as engine:
        assert engine.stats.recovered_entries == 0
        assert engine.pipeline.newest == newest
        assert engine.submit(Entry("requests", lines(list(minute_of(62))))).result(30).accepted


def test_fresh_replaces_a_state_of_another_shape(tmp_path: Path) -> None:
    with running(tmp_path) as engine:
        for batch in batches(an_hour()):
            engine.submit(batch).result(30)
        engine.checkpoint().result(30)
    config = Config({"score": {"window": 100}})
    with pytest.raises(StateError, match=r"`score\.window` = 240, and the config has 100"):
        Engine(Journal(tmp_path), config)
    Journal(tmp_path).close()  # an engine that failed to start releases the journal
    engine = Engine(Journal(tmp_path), config, fresh=True)
    assert engine.pipeline.newest is None
    assert len(Reader(engine.journal.path).incidents({})) == 1
    engine.journal.close()


def test_a_checkpoint_deletes_rows_beyond_the_retention(tmp_path: Path) -> None:
    retention = Retention.parse(["rows=50", "batches=3", "incidents=1"])
    engine = Engine(Journal(tmp_path, retention=retention), ticking=False)
    engine.start()
    for batch in batches(an_hour()):
        engine.submit(batch).result(30)
    engine.stop()
    kept = tables(tmp_path)
    assert (len(kept["rows"]), len(kept["batches"]), len(kept["incidents"])) == (50, 3, 1)
    assert min(row[0] for row in kept["rows"]) > (1767693600 + 40 * 60) * SECOND
    for given in ("rows", "rows=0", "rows=-1", "rows=x", "things=5"):
        with pytest.raises(UsageError, match="--retain"):
            Retention.parse([given])


def test_the_clock_advances_from_the_newest_event() -> None:
    seconds = [500.0]
    clock = EventClock(lateness=2 * SECOND, patience=1.0, time=lambda: seconds[0])
    assert clock.now() is None and clock.tick() is None
    clock.observe(1_000 * SECOND)
    assert (clock.now(), clock.tick()) == (1_000 * SECOND, None)  # data arrived just now
    seconds[0] += 1.5
    assert clock.tick() == 999 * SECOND + SECOND // 2
    assert clock.tick() is None  # the next tick is due later
    seconds[0] += 1.0
    assert clock.tick() == 1_000 * SECOND + SECOND // 2
    seconds[0] += 997.5  # the pause between ticks grows with the idle time
    assert clock.tick() == 1_998 * SECOND
    seconds[0] += 59.0
    assert clock.tick() is None
    seconds[0] += 1.0
    assert clock.tick() == 2_058 * SECOND
    assert clock.now() == 2_060 * SECOND
    clock.observe(900 * SECOND)  # a restart that knows an older newest event
    assert clock.now() == 900 * SECOND


def test_ticks_are_in_the_journal(tmp_path: Path) -> None:
    config = Config({"features": {"lateness_seconds": 0.1, "step_seconds": 1.0}})
    engine = Engine(Journal(tmp_path), config)
    engine.clock.patience = 0.05
    engine.start()
    engine.submit(batches(an_hour())[0]).result(30)
    for _ in range(200):
        if engine.stats.ticks > 2:
            break
        time.sleep(0.05)
    ticks = engine.stats.ticks
    crash(engine)
    state = engine.pipeline.checkpoint()
    again = Engine(Journal(tmp_path), config, ticking=False)
    assert again.stats.ticks >= ticks > 2
    assert again.pipeline.checkpoint() == state
    again.journal.close()


def test_readers_see_only_complete_batches(tmp_path: Path) -> None:
    """While other threads read, counts only grow and queries never fail."""
    with running(tmp_path) as engine:
        reader, seen, failed = Reader(engine.journal.path), [0], []

        def read() -> None:
            try:
                while seen[-1] < 3 * 59:
                    seen.append(reader.totals()["rows"])
                    json_of = engine.pipeline.states()
                    assert json_of.startswith(b"[")
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        for batch in batches(an_hour(), 50):
            engine.submit(batch).result(30)
        thread.join(30)
    assert not failed and seen == sorted(seen) and seen[-1] == 3 * 59


def test_entries_with_arrow_bodies(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    entry = Entry("requests", b"\x00\xff", "arrow", "p", "id", 3600)
    assert journal.append([entry], TableWrites()) == [1]
    (read,) = journal.entries()
    assert (read.body, read.format, read.partition, read.naive_offset_seconds, read.seq) == (
        b"\x00\xff",
        "arrow",
        "p",
        3600,
        1,
    )
    journal.close()


def test_json_becomes_lines_with_the_same_positions() -> None:
    assert _core.json_lines(b' [ {"a": 1},\n {"b":\n 2} , 7]') == b'{"a": 1}\n{"b":  2}\n7\n'
    assert _core.json_lines(b'{"events": []}') == b""
    assert _core.json_lines(b'{"x": "[1]"}') == b'{"x": "[1]"}\n'
    for bad in (b"", b"[", b'{"a": 1}{"b": 2}', b"\xff"):
        with pytest.raises(ValueError, match="line 1"):
            _core.json_lines(bad)


def test_no_job_waits_for_an_engine_that_has_ended() -> None:
    """A source that outlives the engine is refused, instead of waiting for good."""
    queue = JobQueue(4, 1_000)
    assert queue.put_batch(Job(Entry("requests", b"{}"), Future()))
    assert not queue.close()
    assert len(queue.take(0.0)) == 1
    assert queue.close()
    for put in (queue.put_batch, queue.put_command):
        with pytest.raises(StorageFailed, match="the server stops"):
            put(Job(Entry("requests", b"{}"), Future()))


def test_ticks_wait_for_data_on_its_way_and_not_for_good() -> None:
    now = [0.0]
    arrivals = Arrivals(lambda: now[0])
    assert not arrivals.are_awaited()
    with arrivals.arriving():
        now[0] = ARRIVING_SECONDS - 1.0
        assert arrivals.are_awaited()
        now[0] = ARRIVING_SECONDS
        assert not arrivals.are_awaited()
    arrivals.expect("logs")
    now[0] += EXPECTED_SECONDS - 1.0
    arrivals.expect("logs")
    assert arrivals.are_awaited()
    now[0] += 1.0
    assert not arrivals.are_awaited()
    arrivals.expect("other")
    assert arrivals.are_awaited()
    arrivals.caught_up("other")
    assert not arrivals.are_awaited()


@pytest.mark.parametrize("seconds, is_saved", [(0.0, False), (1.0, True)])
def test_a_checkpoint_follows_the_cpu_time_of_a_replay(
    seconds: float, is_saved: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a start after a kill judges little again, however costly the records are."""
    passed = itertools.count()
    monkeypatch.setattr("mad.engine.judge.thread_time", lambda: seconds * next(passed))
    with running(tmp_path, checkpoint_seconds=3_600) as engine:
        for batch in batches(an_hour()):
            engine.submit(batch).result(30)
        # a write is done after the checkpoint of the batch before it
        engine.write(lambda _: None).result(30)
        assert (engine.stats.checkpoints > 0) == is_saved
