"""Kills the server under load again and again: acknowledged batches are neither lost nor judged
twice."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import httpx
from service import Server, an_hour, lines

from mad import Pipeline

#: Number of kills: `MAD_KILLS=25` for more.
KILLS = int(os.environ.get("MAD_KILLS", "5"))


class Sender:
    """Sends batches one after the other, each again until it is acknowledged."""

    def __init__(self, bodies: list[bytes]) -> None:
        self.acknowledged: list[int] = []
        self.seqs: list[int] = []
        self._bodies = bodies

    def run(self, url: str, stop: threading.Event) -> None:
        """Continues with the next batch until stopped or the server is gone."""
        with httpx.Client(base_url=url, timeout=10, trust_env=False) as http:
            while len(self.acknowledged) < len(self._bodies) and not stop.is_set():
                place = len(self.acknowledged)
                headers = {
                    "Idempotency-Key": f"batch-{place}",
                    "Content-Type": "application/x-ndjson",
                }
                try:
                    answer = http.post(
                        "/v1/ingest/requests", content=self._bodies[place], headers=headers
                    )
                except httpx.TransportError:
                    return
                assert answer.status_code == 200, answer.text
                self.acknowledged.append(answer.json()["accepted"])
                self.seqs.append(answer.json()["seq"])


def test_killed_at_any_moment(tmp_path: Path) -> None:
    random.seed(7)
    records = an_hour()
    # as many batches as the kills need, the same hour in smaller and smaller pieces
    size = max(3, len(records) // (60 * KILLS))
    bodies = [lines(records[start : start + size]) for start in range(0, len(records), size)]
    sender = Sender(bodies)
    data = tmp_path / "data"
    arguments = ("--no-ticks", "--checkpoint-seconds", "0.3")
    for kill in range(KILLS):
        with Server(data, *arguments) as server:
            stop = threading.Event()
            thread = threading.Thread(target=sender.run, args=(server.url, stop))
            thread.start()
            until = (kill + 1) * len(bodies) // (KILLS + 1)
            for _ in range(2_000):
                if len(sender.acknowledged) >= until or not thread.is_alive():
                    break
                time.sleep(0.005)
            time.sleep(random.uniform(0, 0.02))
            server.kill()
            stop.set()
            thread.join(30)
    with Server(data, *arguments) as server:
        sender.run(server.url, threading.Event())
        assert len(sender.acknowledged) == len(bodies)
        assert sender.seqs == sorted(set(sender.seqs))
        total = server.get("/ingest/stats")["accepted_total"]
        state = server.http.get("/v1/state").content
        (incident,) = server.get("/v1/query/incidents")["data"]
    assert total == sum(sender.acknowledged) == len(records)
    pipeline = Pipeline()
    for body in bodies:
        pipeline.ingest(body)
    assert pipeline.checkpoint() == state
    assert [one.id for one in pipeline.incidents] == [incident["id"]]
