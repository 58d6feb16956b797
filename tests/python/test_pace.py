"""One sender with a wrong clock does not move the event time of a live service."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import pytest
from service import lines
from test_outage import BEGIN, Fleet

from mad.engine import Engine
from mad.engine.batch import IngestReceipt
from mad.engine.job import Job
from mad.engine.pace import LivePace
from mad.journal import Entry, Journal

YEAR = 365 * 86_400


def wrong(fleet: Fleet, ahead: float, partition: str = "", kind: str = "requests") -> IngestReceipt:
    """A batch of one sender that names 32 services, all with the same wrong time."""
    records = [
        {"timestamp": BEGIN + fleet.now + ahead, "service": f"wrong-{number}", "endpoint": "/"}
        | {"status_code": 200, "latency_ms": 9.0, "metric": "cpu", "value": 1.0, "body": "x"}
        for number in range(32)
    ]
    job = Job(Entry(kind, lines(records), partition=partition), Future())
    fleet.engine._step([job])
    return job.future.result(0)


@pytest.mark.parametrize("partition", ["", "other"])
@pytest.mark.parametrize("ahead", [4_000, 86_400, 150 * YEAR])
def test_a_wrong_clock_makes_no_other_record_late(
    tmp_path: Path, ahead: int, partition: str
) -> None:
    fleet = Fleet(tmp_path)
    for _ in range(90):
        fleet.second()
    for kind in ("requests", "metrics", "logs"):
        receipt = wrong(fleet, ahead, partition, kind)
        assert (receipt.accepted, receipt.rejected) == (0, 32) and "future" in receipt.problems
    for _ in range(70):
        fleet.second()
    assert fleet.late == 0 and fleet.sent == 3 * 6 * 160
    state, clock = fleet.engine.pipeline.checkpoint(), fleet.engine.pipeline.clock
    assert clock is not None and clock / 1e9 < BEGIN + fleet.now
    fleet.engine.stop(save=False)
    again = Engine(Journal(tmp_path))  # the same decisions in a replay
    assert again.pipeline.checkpoint() == state and again.pipeline.refuses_jumps
    again.stop()


def test_after_a_pause_the_event_time_may_jump(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    for _ in range(90):
        fleet.second()
    assert fleet.engine.pipeline.refuses_jumps
    fleet.now += 7_200.0
    for _ in range(30):
        fleet.second()
    assert not fleet.engine.pipeline.refuses_jumps
    assert fleet.engine.stats.rejected.get("future", 0) == 0
    assert fleet.sent == 3 * 6 * 120
    fleet.engine.stop()


def test_a_restart_after_hours_takes_present_records(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    for _ in range(90):
        fleet.second()
    fleet.engine.stop()
    engine = Engine(Journal(tmp_path))
    assert engine.pipeline.refuses_jumps
    fleet.engine, fleet.now = engine, 20_000.0
    fleet.second()
    assert not engine.pipeline.refuses_jumps and engine.stats.rejected == {}
    engine.stop()


def test_files_and_fast_simulations_are_not_live() -> None:
    now = [0.0]
    for speed in (0.0, 0.3, 20.0, 1_000.0):
        pace = LivePace(lambda: now[0])
        for second in range(300):
            now[0] += 1.0
            pace.observe(int((BEGIN + speed * second) * 1e9))
        assert not pace.is_live(), speed
    pace = LivePace(lambda: now[0])
    for second in range(300):
        now[0] += 1.0
        pace.observe(int((BEGIN + second + second % 7) * 1e9))
        assert pace.is_live() == (second >= 60)
    now[0] += 61.0
    assert not pace.is_live()
