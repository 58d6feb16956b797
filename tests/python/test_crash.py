"""Kills the server under load again and again, with commands and ticks: nothing acknowledged is
lost or judged twice, and the state is that of a run that was never killed."""

from __future__ import annotations

import contextlib
import os
import pickle
import random
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import httpx
from service import Server, an_hour, lines

from mad import Config, _core
from mad.engine import EngineStats, EventClock
from mad.engine.intake import RecentIntake
from mad.engine.judge import Judge
from mad.journal import Entry

#: Number of kills: `MAD_KILLS=500` for more. `MAD_SEED` chooses other moments.
KILLS = int(os.environ.get("MAD_KILLS", "25"))
SEED = int(os.environ.get("MAD_SEED", "7"))
#: Seconds for which threads send at the same time.
THREAD_SECONDS = float(os.environ.get("MAD_THREAD_SECONDS", "2"))
TEE = Path(__file__).parent / "tee"


def teed(data: Path, *arguments: str) -> Server:
    """A server that also writes its entries to a second file."""
    path = f"{TEE}:{Path(__file__).parents[2] / 'python'}"
    tee = data.with_name(f"{data.name}.tee")
    return Server(data, *arguments, env={"PYTHONPATH": path, "MAD_TEST_TEE": str(tee)})


def judged_in_order(data: Path, newest: int) -> tuple[bytes, list[dict[str, Any]]]:
    """The state after the entries of a second file up to a number, judged one after the other in
    one process, and the entries."""
    entries: dict[int, Entry] = {}
    with data.with_name(f"{data.name}.tee").open("rb") as file, contextlib.suppress(EOFError):
        while True:
            seq, *fields = pickle.load(file)
            entries[seq] = Entry(*fields, seq=seq)
    config = Config()
    judge = Judge(config, _core.EnginePipeline(config), EngineStats(), EventClock(), RecentIntake())
    kinds = []
    for seq in range(1, newest + 1):
        judge.judge(entries[seq], live=False)
        kinds.append(entries[seq].kind)
    return judge.pipeline.checkpoint(), kinds


def table(data: Path, query: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(data / "mad.db")) as db:
        return db.execute(query).fetchall()


class Sender:
    """Sends batches one after the other, each again until it is acknowledged, and commands and
    ticks between them."""

    def __init__(self, bodies: list[bytes]) -> None:
        self.acknowledged: list[int] = []
        self.seqs: list[int] = []
        self.comments: list[str] = []
        self.mutes: list[str] = []
        self._bodies = bodies
        self._tried = 0

    def run(self, url: str, stop: threading.Event) -> None:
        """Continues with the next batch until stopped or the server is gone."""
        with (
            httpx.Client(base_url=url, timeout=20, trust_env=False) as http,
            contextlib.suppress(httpx.TransportError),
        ):
            while len(self.acknowledged) < len(self._bodies) and not stop.is_set():
                place = len(self.acknowledged)
                headers = {
                    "Idempotency-Key": f"batch-{place}",
                    "Content-Type": "application/x-ndjson",
                }
                answer = http.post(
                    "/v1/ingest/requests", content=self._bodies[place], headers=headers
                )
                assert answer.status_code == 200, answer.text
                self.acknowledged.append(answer.json()["accepted"])
                self.seqs.append(answer.json()["seq"])
                if place % 7 == 3:
                    self._act(http)

    def _act(self, http: httpx.Client) -> None:
        self._tried += 1
        name = f"try-{self._tried}"
        mute = {"service": name, "minutes": 5}
        assert http.post("/v1/mutes", json=mute).status_code == 200
        self.mutes.append(f"{name} *")
        assert http.post("/v1/analyze").status_code == 200
        for incident in http.get("/v1/query/incidents").json()["data"]:
            path = f"/v1/incidents/{incident['id']}"
            assert http.post(f"{path}/acknowledge").status_code in (200, 404, 409)
            assert http.post(f"{path}/comments", json={"text": name}).status_code == 201
            self.comments.append(name)


def test_killed_at_any_moment(tmp_path: Path) -> None:
    random.seed(SEED)
    records = an_hour()
    # as many batches as the kills need, the same hour in smaller and smaller pieces
    size = max(3, len(records) // (30 * KILLS))
    bodies = [lines(records[start : start + size]) for start in range(0, len(records), size)]
    sender = Sender(bodies)
    data = tmp_path / "data"
    arguments = ("--no-ticks", "--checkpoint-seconds", "0.3")
    slowest = most_cpu = 0.0
    for kill in range(KILLS):
        began = time.monotonic()
        with teed(data, *arguments) as server:
            slowest = max(slowest, time.monotonic() - began)
            most_cpu = max(most_cpu, server.cpu_seconds())
            stop = threading.Event()
            thread = threading.Thread(target=sender.run, args=(server.url, stop))
            thread.start()
            until = (kill + 1) * len(bodies) // (KILLS + 1)
            for _ in range(4_000):
                if len(sender.acknowledged) >= until or not thread.is_alive():
                    break
                time.sleep(0.005)
            time.sleep(random.uniform(0, 0.02))
            server.kill()
            stop.set()
            thread.join(30)
    with teed(data, *arguments) as server:
        sender.run(server.url, threading.Event())
        assert len(sender.acknowledged) == len(bodies)
        assert sender.seqs == sorted(set(sender.seqs))
        total = server.get("/ingest/stats")["accepted_total"]
        state = server.http.get("/v1/state").content
        assert server.get("/health")["status"] == "ok"
        assert len(server.get("/v1/query/incidents")["data"]) == 1
        server.kill()
    assert total == sum(sender.acknowledged) == len(records)
    ((newest,),) = table(data, "SELECT max(seq) FROM audit")
    expected, kinds = judged_in_order(data, max(newest, sender.seqs[-1]))
    assert expected == state
    assert kinds.count("command") >= len(sender.mutes) and "tick" in kinds
    # each acknowledged command is in the audit trail, and each entry has one line at most
    done = table(data, "SELECT target FROM audit WHERE action = 'mute' AND outcome = 'done'")
    assert {target for (target,) in done} >= set(sender.mutes)
    notes = [text for (text,) in table(data, "SELECT text FROM notes")]
    assert len(notes) == len(set(notes)) and set(notes) >= set(sender.comments)
    assert table(data, "SELECT count(*) FROM set_aside") == [(0,)]
    print(
        f"{KILLS} kills, {newest} entries, ready at most {slowest:.1f} s after the start, and "
        f"{most_cpu:.1f} s of CPU time"
    )


def test_threads_give_the_state_of_a_serial_order(tmp_path: Path) -> None:
    """Eight clients send at the same time; judged again in the journal's order, the entries give
    the same state."""
    data = tmp_path / "data"
    accepted: list[int] = []
    newest: list[int] = []

    def send(url: str, number: int) -> None:
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as http:
            until, minute = time.monotonic() + THREAD_SECONDS, 0
            while time.monotonic() < until:
                records = [
                    {**one, "service": f"{one['service']}-{number}"}
                    for one in an_hour(minutes=minute + 1)[90 * minute :]
                ]
                answer = http.post("/v1/ingest/requests", content=lines(records))
                assert answer.status_code in (200, 422), answer.text
                accepted.append(answer.json()["accepted"])
                newest.append(answer.json()["seq"])
                minute = (minute + 1) % 600

    with teed(data, "--checkpoint-seconds", "0.5", "--no-ticks") as server:
        threads = [threading.Thread(target=send, args=(server.url, n)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(THREAD_SECONDS + 60)
        state = server.http.get("/v1/state").content
        assert server.get("/ingest/stats")["accepted_total"] == sum(accepted)
        server.kill()
    assert len(set(newest)) == len(newest)
    assert judged_in_order(data, max(newest))[0] == state
