"""Outages of the network: senders keep and resend, and nothing of theirs is late."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from service import lines

from mad.engine import Engine
from mad.engine.job import Job
from mad.engine.outage import CATCH_UP_SECONDS, OUTAGE_SECONDS, OutageWatch
from mad.journal import Entry, Journal

BEGIN = 1_767_693_600


class Fleet:
    """Senders that send what they have every few seconds, all at the same moments, to an engine on
    a simulated clock. Each may have its own partition."""

    def __init__(
        self, directory: Path, senders: int = 6, *, every: int = 1, partitions: bool = False
    ) -> None:
        self.now = 0.0
        self.every, self.partitions = every, partitions
        self.engine = Engine(Journal(directory))
        for clock in (self.engine.clock, self.engine._outage, self.engine._pace):
            clock.time = lambda: self.now
        self.engine.clock.__post_init__()
        self.queues: list[list[dict[str, Any]]] = [[] for _ in range(senders)]
        self.returns = [0.0] * senders
        self.sent = 0

    def second(self, *, is_cut: bool = False, cut: int | None = None) -> None:
        """One second: each sender makes three requests, and sends unless it waits, all are cut off,
        or it alone is."""
        self.now += 1.0
        for number, queue in enumerate(self.queues):
            for place in range(3):
                at = BEGIN + self.now - 1 + place / 3
                request = {"timestamp": at, "service": f"s{number}", "endpoint": "/"}
                queue.append({**request, "status_code": 200, "latency_ms": 90.0 + place})
            is_due = self.now % self.every == 0 and self.now >= self.returns[number]
            if is_due and not is_cut and number != cut:
                self._send(queue, f"p{number}" if self.partitions else "")
        self.engine._step([])

    def outage(self, seconds: int, chance: random.Random) -> None:
        """All senders are cut off, and return at different times."""
        for _ in range(seconds):
            self.second(is_cut=True)
        self.returns = [self.now + chance.uniform(0.0, 6.0) for _ in self.queues]

    def _send(self, queue: list[dict[str, Any]], partition: str = "") -> None:
        while queue:
            batch, queue[:] = queue[:100], queue[100:]
            job = Job(Entry("requests", lines(batch), partition=partition), Future())
            self.engine._step([job])
            self.sent += job.future.result(0).accepted

    @property
    def late(self) -> int:
        return self.engine.stats.rejected.get("late", 0)


def warm(directory: Path) -> Fleet:
    """A fleet that has run for 90 seconds."""
    fleet = Fleet(directory)
    for _ in range(90):
        fleet.second()
    return fleet


@pytest.mark.parametrize("seconds", [5, 45, 90, 150])
def test_nothing_is_late_after_an_outage(tmp_path: Path, seconds: int) -> None:
    fleet = warm(tmp_path)
    fleet.outage(seconds, random.Random(seconds))
    for _ in range(150):
        fleet.second()
    assert fleet.late == 0 and fleet.engine.stats.rejected == {}
    assert fleet.sent == 3 * 6 * (240 + seconds)
    assert not fleet.engine.pipeline.is_paused
    watermark = fleet.engine.pipeline.watermark
    assert watermark is not None and watermark / 1e9 > BEGIN + fleet.now - 30
    with contextlib.closing(sqlite3.connect(tmp_path / "mad.db")) as db:
        (rows,) = db.execute("SELECT count(*) FROM rows").fetchone()
    assert rows >= 6 * ((240 + seconds) // 60 - 1)
    fleet.engine.stop()


@pytest.mark.parametrize("every", [1, 5, 10])
def test_a_sender_with_its_own_partition_loses_nothing(tmp_path: Path, every: int) -> None:
    """One sender is cut off while the others continue, also with pauses between their batches."""
    fleet = Fleet(tmp_path, 3, every=every, partitions=True)
    for _ in range(90):
        fleet.second()
    for _ in range(120):
        fleet.second(cut=0)
    for _ in range(60):
        fleet.second()
    assert fleet.late == 0 and fleet.sent == 3 * 3 * 270
    fleet.engine.stop()


def test_senders_of_the_same_moments_are_regular(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 3, every=5)
    for _ in range(90):
        fleet.second()
    fleet.outage(100, random.Random(1))
    for _ in range(60):
        fleet.second()
    assert fleet.late == 0 and fleet.sent == 3 * 3 * 250
    fleet.engine.stop()


def test_many_batches_between_two_pauses_are_no_outage() -> None:
    now = [0.0]
    watch = OutageWatch(lambda: now[0])
    for _ in range(30):
        for _ in range(500):
            watch.batch()
            assert not watch.is_catching_up()
        now[0] += 9.0
    assert watch.is_waiting()
    now[0] += 100.0
    watch.batch()
    assert watch.is_catching_up()


def test_records_are_late_without_the_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault that the watch prevents."""
    monkeypatch.setattr(OutageWatch, "batch", lambda _: False)
    monkeypatch.setattr(OutageWatch, "is_waiting", lambda _: False)
    fleet = warm(tmp_path)
    fleet.outage(150, random.Random(1))
    for _ in range(60):
        fleet.second()
    assert fleet.late > 500
    fleet.engine.stop()


def test_a_silence_that_lasts_is_real(tmp_path: Path) -> None:
    fleet = warm(tmp_path)
    before = fleet.engine.pipeline.watermark
    for _ in range(int(OUTAGE_SECONDS) - 5):
        fleet.second(is_cut=True)
    assert fleet.engine.pipeline.watermark == before
    for _ in range(60):
        fleet.second(is_cut=True)
    watermark = fleet.engine.pipeline.watermark
    assert watermark is not None and watermark / 1e9 > BEGIN + fleet.now - 60
    fleet.engine.stop()


def test_a_restart_in_the_time_to_catch_up_ends_it_later(tmp_path: Path) -> None:
    fleet = warm(tmp_path)
    fleet.outage(60, random.Random(2))
    for _ in range(3):
        fleet.second()
    assert fleet.engine.pipeline.is_paused
    fleet.engine.stop()
    again = Engine(Journal(tmp_path))
    assert again.pipeline.is_paused and again._outage.is_waiting()
    again._outage.time = lambda: 1e9
    again._step([])
    assert not again.pipeline.is_paused
    again.stop()


def test_rare_batches_and_bulk_loads_do_not_delay_ticks() -> None:
    now = [0.0]
    watch = OutageWatch(lambda: now[0])
    for _ in range(20):  # one batch a minute
        watch.batch()
        assert not watch.is_catching_up()
        now[0] += 60.0
        assert not watch.is_waiting()
    watch = OutageWatch(lambda: now[0])
    for _ in range(50):  # a file in a few seconds
        watch.batch()
        assert not watch.is_catching_up()
        now[0] += 0.1
    now[0] += 2.0
    assert not watch.is_waiting()


def test_a_second_outage_in_the_time_to_catch_up_counts() -> None:
    now = [0.0]
    watch = OutageWatch(lambda: now[0])
    for _ in range(60):
        watch.batch()
        now[0] += 1.0
    now[0] += 50.0
    watch.batch()
    assert watch.is_catching_up() and watch.is_waiting()
    now[0] += 30.0
    watch.batch()
    assert watch.is_catching_up() and not watch.is_ending()
    now[0] += CATCH_UP_SECONDS
    assert watch.is_ending()
    watch.end()
    assert not watch.is_ending() and not watch.is_waiting()
