"""`/health` names every problem, also when the engine or the disk does not work."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from peers import left_out
from service import Server, lines, minute_of

from mad.api.health import HealthProbe
from mad.engine import Engine, StorageFailed
from mad.journal import Entry, Journal


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    running = Engine(Journal(tmp_path), ticking=False)
    running.start()
    yield running
    running.stop(save=False)


def batch(minute: int) -> Entry:
    return Entry("requests", lines(list(minute_of(minute))))


def report(probe: HealthProbe) -> tuple[int, dict[str, Any]]:
    return asyncio.run(probe.report())


def test_a_sound_service_is_ok(engine: Engine) -> None:
    engine.submit(batch(0)).result(10)
    status, body = report(HealthProbe(engine))
    assert (status, body["status"], body["reasons"]) == (200, "ok", [])


def test_an_engine_without_progress_is_named(engine: Engine) -> None:
    go_on = threading.Event()
    hung = engine.write(lambda _: go_on.wait(60))
    time.sleep(0.5)
    status, body = report(HealthProbe(engine, slow_seconds=0.3, hung_seconds=60))
    assert (status, body["status"]) == (200, "degraded")
    assert body["reasons"][0]["name"] == "engine"
    probe = HealthProbe(engine, slow_seconds=0.1, hung_seconds=0.3)
    status, body = report(probe)
    assert (status, body["status"]) == (503, "failing")
    go_on.set()
    hung.result(10)
    engine.submit(batch(0)).result(10)
    for _ in range(100):
        if report(probe)[1]["status"] == "ok":
            break
        time.sleep(0.1)
    assert report(probe)[1]["status"] == "ok"


def test_a_journal_that_cannot_be_written_is_failing_until_it_can(engine: Engine) -> None:
    engine.submit(batch(0)).result(10)
    engine.write(lambda to: to.limit_growth(0)).result(10)
    probe = HealthProbe(engine)
    with pytest.raises(StorageFailed):
        for minute in range(1, 50):
            engine.submit(Entry("requests", lines(list(minute_of(minute)) * 20))).result(10)
    status, body = report(probe)
    assert (status, body["status"]) == (503, "failing")
    assert body["reasons"][0]["name"] == "storage"


def test_refused_batches_are_named(engine: Engine) -> None:
    engine.stats.refused_busy += 3
    status, body = report(HealthProbe(engine))
    assert (status, body["status"]) == (200, "degraded")
    assert "queue is full" in body["message"]


def test_sources_of_refused_records_are_named(tmp_path: Path) -> None:
    with Server(tmp_path, "--no-ticks") as server:
        server.post("/v1/ingest/requests?partition=good", list(minute_of(60)))
        server.post("/v1/ingest/requests?partition=slow", list(minute_of(60)))
        for _ in range(3):
            server.send("/v1/ingest/requests?partition=slow", list(minute_of(0)))
        health = server.get("/health")
        assert health["status"] == "degraded" and "already closed" in health["message"]
        assert [one["source"] for one in health["sources"]] == ["anybody/slow"]
        assert health["sources"][0]["late"] == 90


@left_out(not Path("/proc/self").exists(), "needs /proc")
def test_a_deleted_journal_is_failing(tmp_path: Path) -> None:
    with Server(tmp_path / "data", "--no-ticks") as server:
        server.post("/v1/ingest/requests", list(minute_of(0)))
        (tmp_path / "data" / "mad.db").unlink()
        for _ in range(50):
            response = httpx.get(f"{server.url}/health", trust_env=False)
            if response.status_code == 503:
                break
            time.sleep(0.1)
        assert response.json()["status"] == "failing"
        refused = server.send("/v1/ingest/requests", list(minute_of(1)))
        assert refused.status_code == 503 and "Retry-After" in refused.headers
