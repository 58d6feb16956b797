"""A batch that makes the pipeline fail is set aside: the service lives, forgets nothing else, and
starts again."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from service import Server, an_hour, lines

from mad.engine import Engine
from mad.journal import Entry, Journal

POISON = Path(__file__).parent / "poison"
ROUTE = "/v1/ingest/requests"


def poisonable(data: Path, **more: str) -> Server:
    """A server whose pipeline fails at marked batches."""
    path = f"{POISON}:{Path(__file__).parents[2] / 'python'}"
    return Server(data, "--no-ticks", env={"PYTHONPATH": path, **more})


def poison(how: str, place: int = 0) -> dict[str, Any]:
    """A request at the time of another one."""
    return {**an_hour()[place], "endpoint": f"/poison-{how}"}


def expected_of(bodies: list[list[dict[str, Any]]], directory: Path) -> bytes:
    """The state after these batches alone."""
    engine = Engine(Journal(directory), ticking=False)
    engine.start()
    for body in bodies:
        engine.submit(Entry("requests", lines(body))).result(30)
    state = engine.pipeline.checkpoint()
    engine.stop()
    return state


def set_aside(data: Path) -> list[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(data / "mad.db")) as db:
        return db.execute("SELECT kind, reason FROM set_aside ORDER BY seq").fetchall()


def test_a_batch_that_panics_is_set_aside_and_the_state_is_rebuilt(tmp_path: Path) -> None:
    first, second = an_hour()[:900], an_hour()[900:1800]
    data = tmp_path / "data"
    with poisonable(data) as server:
        server.post(ROUTE, first)
        answer = server.send(ROUTE, [*an_hour()[:30], poison("always")])
        assert (answer.status_code, answer.json()["error"]) == (500, "not_judged")
        assert "index out of bounds" in answer.json()["message"]
        again = [server.send(ROUTE, [poison("always")], Idempotency_Key="p") for _ in range(3)]
        assert [one.status_code for one in again] == [500] * 3
        assert "mad_rebuilt_total 4" in server.http.get("/metrics/prometheus").text
        server.post(ROUTE, second)
        health = server.get("/health")
        assert health["status"] == "degraded" and "set aside" in health["message"]
        metrics = server.http.get("/metrics/prometheus").text
        assert "mad_set_aside_total 2" in metrics and "mad_rebuilt_total 4" in metrics
        assert server.get("/ingest/stats")["accepted_total"] == 1800
        state = server.http.get("/v1/state").content
        assert state == expected_of([first, second], tmp_path / "expected")
        server.kill()
        assert "entry 2 cannot be judged: Panic: index out of bounds" in server.said
    assert set_aside(data) == [("requests", "Panic: index out of bounds")] * 2
    with poisonable(data) as server:
        assert server.http.get("/v1/state").content == state
        assert server.get("/ingest/stats")["accepted_total"] == 1800


def test_an_error_that_passes_costs_no_batch(tmp_path: Path) -> None:
    once = tmp_path / "once"
    once.touch()
    with poisonable(tmp_path / "data", MAD_TEST_ONCE=str(once)) as server:
        server.post(ROUTE, an_hour()[:900])
        assert server.post(ROUTE, [poison("once", 899)])["accepted"] == 1
        assert not once.exists()
        assert server.get("/health")["status"] == "ok"
        assert server.get("/ingest/stats")["accepted_total"] == 901
        state = server.http.get("/v1/state").content
        bodies = [an_hour()[:900], [poison("once", 899)]]
        assert state == expected_of(bodies, tmp_path / "expected")


def test_a_poisoned_entry_of_an_earlier_version_is_set_aside_in_the_replay(tmp_path: Path) -> None:
    """The entry is in the journal, and only the replay fails at it."""
    data = tmp_path / "data"
    bodies = [an_hour()[:300], [poison("always", 299)], an_hour()[300:600]]
    with Server(data, "--no-ticks") as server:
        for body in bodies:
            server.post(ROUTE, body)
        server.kill()
    with poisonable(data) as server:
        assert "1 entries could not be judged and were set aside" in server.said
        assert server.get("/health")["status"] == "degraded"
        assert server.get("/ingest/stats")["accepted_total"] == 600
        state = server.http.get("/v1/state").content
        assert server.stop() == 0
        assert "set aside" in server.said.split("routes:")[1]
    assert state == expected_of([bodies[0], bodies[2]], tmp_path / "expected")


def test_an_entry_that_ends_the_process_is_set_aside_after_two_tries(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with poisonable(data) as server:
        server.post(ROUTE, an_hour()[:300])
        with pytest.raises(Exception, match=r"disconnect|reset|closed|EOF"):
            server.send(ROUTE, [poison("abort")])
        server.process.wait(30)
    with pytest.raises(AssertionError, match="did not start"):
        poisonable(data)  # the second try
    with poisonable(data) as server:
        assert server.get("/ingest/stats")["accepted_total"] == 300
        assert server.get("/health")["status"] == "degraded"
        server.post(ROUTE, an_hour()[300:600])
    ((kind, why),) = set_aside(data)
    assert kind == "requests" and "ended the process 2 times" in why


def test_kills_alone_set_nothing_aside(tmp_path: Path) -> None:
    """A marker of two kills at one sound entry: another process judges it, and it stays."""
    data = tmp_path / "data"
    engine = Engine(Journal(data), ticking=False)
    engine.start()
    for start in (0, 300):
        engine.submit(Entry("requests", lines(an_hour()[start : start + 300]))).result(30)
    state = engine.pipeline.checkpoint()
    engine.stop(save=False)
    (data / "mad.replay").write_bytes((2).to_bytes(8, "big") + (2).to_bytes(8, "big"))
    again = Engine(Journal(data), ticking=False)
    assert again.stats.set_aside == 0
    assert again.pipeline.checkpoint() == state
    again.start()
    again.stop()


def test_a_tick_out_of_range_ends_nothing(tmp_path: Path) -> None:
    engine = Engine(Journal(tmp_path), ticking=False)
    engine.start()
    engine.submit(Entry("requests", lines(an_hour()[:300]))).result(30)
    for at in (2**63 - 1, -(2**63)):
        with contextlib.suppress(ValueError):
            engine.tick(at).result(30)
    seq = engine.journal.seq
    with pytest.raises(ValueError, match="outside of 64 bits"):
        engine.tick(2**70).result(30)
    for body in (b"", b"ARROW1", bytes(200)):
        with pytest.raises(ValueError):
            engine.submit(Entry("logs", body, "arrow")).result(30)
    assert engine.failure == "" and engine.journal.seq == seq
    engine.stop(save=False)
    again = Engine(Journal(tmp_path), ticking=False)
    again.start()
    again.stop()


def test_refused_batches_do_not_fill_the_disk(tmp_path: Path) -> None:
    """Unreadable batches are not journaled; checkpoints cover rejected records."""
    engine = Engine(Journal(tmp_path), ticking=False, checkpoint_bytes=2_000_000)
    engine.start()
    unreadable = Entry("requests", b"a,b,c\n" + b"1,2,3\n" * 20_000)
    rejected = Entry("requests", b'{"timestamp": "never"}\n' * 10_000)
    for _ in range(50):
        with pytest.raises(ValueError, match="timestamp"):
            engine.submit(unreadable).result(30)
    assert engine.journal.seq == 0 and engine.stats.refused_unreadable == 50
    for _ in range(60):
        assert engine.submit(rejected).result(30).accepted == 0
    engine.stop(save=False)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 20_000_000
