"""Servers whose journal is also in PostgreSQL, over a real one: killed, paused, cut off, restored.
`make test-real` names a missing server."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from peers import Proxy, free_port
from postgres_peer import NEEDED, Postgres, postgres
from service import Server, an_hour, lines

pytestmark = NEEDED

#: Number of kills: `MAD_KILLS=100` for more. `MAD_SEED` chooses other moments.
KILLS = int(os.environ.get("MAD_KILLS", "6"))
SEED = int(os.environ.get("MAD_SEED", "7"))
#: The shortest lease, so that a paused server loses it soon.
SETTINGS = '[server.journal]\nurl = "{url}"\nname = "{name}"\nlease_seconds = 1\n'
BATCHES = [lines(an_hour()[start : start + 90]) for start in range(0, 5_400, 90)]


@pytest.fixture(scope="module")
def peer() -> Iterator[Postgres]:
    with postgres() as one:
        yield one


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a server without PostgreSQL makes of the batches."""
    with Server(tmp_path_factory.mktemp("alone") / "data", "--no-ticks") as server:
        for place in range(len(BATCHES)):
            assert send(server.http, place).status_code == 200
        found = results(server)
    assert len(found["incidents"]["data"]) == 1 and len(found["rows"]["data"]) > 100
    return found


def send(http: httpx.Client, place: int) -> httpx.Response:
    headers = {"Idempotency-Key": f"batch-{place}", "Content-Type": "application/x-ndjson"}
    return http.post("/v1/ingest/requests", content=BATCHES[place], headers=headers)


def results(server: Server) -> dict[str, Any]:
    """The state byte for byte, all rows, and the incidents."""
    return {
        "state": server.http.get("/v1/state").content,
        "rows": server.get("/v1/query/rows", limit=1_000),
        "incidents": server.get("/v1/query/incidents"),
        "accepted": server.get("/ingest/stats")["accepted_total"],
    }


def options(peer: Postgres, name: str, path: Path) -> tuple[str, ...]:
    file = path / f"{name}.toml"
    file.write_text(SETTINGS.format(url=peer.url, name=name))
    return ("--no-ticks", "--checkpoint-seconds", "0.3", "--config", str(file))


def works(server: Server) -> bool:
    """Whether the server is healthy within some seconds."""
    for _ in range(300):
        if server.http.get("/health").status_code == 200:
            return True
        time.sleep(0.05)
    return False


class Waiting:
    """A server that waits for the journal of another one on a fixed port."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "mad.cli", "serve", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, "--data", str(data), *arguments], stderr=subprocess.PIPE, text=True
        )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False)

    def until(self, status: int, *, seconds: float = 30.0) -> httpx.Response:
        """The first answer of `/health` with a status."""
        answer = None
        for _ in range(int(seconds / 0.02)):
            with contextlib.suppress(httpx.TransportError):
                answer = self.http.get("/health")
                if answer.status_code == status:
                    return answer
            time.sleep(0.02)
        raise AssertionError(answer and answer.text)

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self.process.kill()
        self.process.wait(30)


@pytest.mark.parametrize("directories", ["new", "kept", "alternating"])
def test_killed_at_any_moment(
    peer: Postgres, tmp_path: Path, undisturbed: dict[str, Any], directories: str
) -> None:
    """With an empty directory at each start, the same one, or one of two that are behind."""
    random.seed(SEED)
    arguments = options(peer, f"killed_{directories}", tmp_path)
    most = {"new": KILLS + 1, "kept": 1, "alternating": 2}[directories]
    done = 0

    def run(server: Server, until: int) -> None:
        nonlocal done
        with contextlib.suppress(httpx.TransportError):
            while done < until:
                assert send(server.http, done).status_code == 200
                done += 1

    for kill in range(KILLS):
        with Server(tmp_path / f"data-{kill % most}", *arguments) as server:
            until = (kill + 1) * len(BATCHES) // (KILLS + 1)
            thread = threading.Thread(target=run, args=(server, len(BATCHES)))
            thread.start()
            for _ in range(4_000):
                if done >= until:
                    break
                time.sleep(0.005)
            time.sleep(random.uniform(0, 0.02))
            server.process.kill()
            thread.join(30)
    with Server(tmp_path / f"data-{KILLS % most}", *arguments) as server:
        run(server, len(BATCHES))
        assert results(server) == undisturbed
        assert server.get("/health")["status"] == "ok"


def test_a_second_server_waits_and_takes_over(
    peer: Postgres, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    arguments = options(peer, "pair", tmp_path)
    half = len(BATCHES) // 2
    with (
        Server(tmp_path / "first", *arguments) as first,
        Waiting(tmp_path / "second", *arguments) as second,
    ):
        for place in range(half):
            assert send(first.http, place).status_code == 200
        answer = second.until(503)
        assert answer.json()["reasons"][0]["name"] == "standby"
        assert send(second.http, half).status_code == 503
        first.kill()
        second.until(200)
        for place in range(half, len(BATCHES)):
            assert send(second.http, place).status_code == 200
    with Server(tmp_path / "third", *arguments) as third:
        assert results(third) == undisturbed


def test_a_paused_server_cannot_commit_after_it_lost_its_lease(
    peer: Postgres, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    arguments = options(peer, "paused", tmp_path)
    with Server(tmp_path / "first", *arguments) as first:
        for place in range(20):
            assert send(first.http, place).status_code == 200
        first.process.send_signal(signal.SIGSTOP)
        with Waiting(tmp_path / "second", *arguments) as second:
            second.until(200)
            for place in range(20, 40):
                assert send(second.http, place).status_code == 200
            first.process.send_signal(signal.SIGCONT)
            answer = send(first.http, 40)
            assert answer.status_code == 503 and "Retry-After" in answer.headers
            health = first.http.get("/health")
            assert health.status_code == 503
            assert "the lease of the journal 'paused' was taken by" in health.json()["message"]
            for place in range(40, len(BATCHES)):
                assert send(second.http, place).status_code == 200
    with Server(tmp_path / "third", *arguments) as third:
        assert results(third) == undisturbed


def test_a_server_continues_after_an_outage_of_postgresql(
    peer: Postgres, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    arguments = options(peer, "outage", tmp_path)
    with Server(tmp_path / "data", *arguments) as server:
        for place in range(30):
            assert send(server.http, place).status_code == 200
        peer.stop()
        try:
            for _ in range(3):
                answer = send(server.http, 30)
                assert answer.status_code == 503 and "Retry-After" in answer.headers
            health = server.http.get("/health")
            assert health.status_code == 503
            assert "127.0.0.1" in health.json()["message"]
        finally:
            peer.start()
        for _ in range(200):
            answer = send(server.http, 30)
            if answer.status_code == 200:
                break
            time.sleep(0.1)
        assert answer.status_code == 200, answer.text
        for place in range(31, len(BATCHES)):
            assert send(server.http, place).status_code == 200
        assert works(server) and results(server) == undisturbed
        server.kill()
    with Server(tmp_path / "other", *arguments) as server:
        assert results(server) == undisturbed


def test_a_connection_that_breaks_at_any_moment_costs_and_repeats_nothing(
    peer: Postgres, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    random.seed(SEED)
    proxy = Proxy(peer.port)
    url = peer.url.replace(f":{peer.port}/", f":{proxy.port}/")
    file = tmp_path / "settings.toml"
    file.write_text(SETTINGS.format(url=url, name="broken"))
    stop = threading.Event()

    def cut() -> None:
        while not stop.wait(random.uniform(0.05, 0.3)):
            proxy.cut()
            proxy.restore()

    refused = 0
    with Server(tmp_path / "data", "--no-ticks", "--config", str(file)) as server:
        thread = threading.Thread(target=cut)
        thread.start()
        try:
            for place in range(len(BATCHES)):
                for _ in range(400):
                    answer = send(server.http, place)
                    if answer.status_code == 200:
                        break
                    assert answer.status_code == 503, answer.text
                    refused += 1
                    time.sleep(0.01)
                assert answer.status_code == 200
        finally:
            stop.set()
            thread.join()
        assert works(server) and results(server) == undisturbed
        server.kill()
    with Server(tmp_path / "other", *options(peer, "broken", tmp_path)) as server:
        assert results(server) == undisturbed
    proxy.cut()
    print(f"{refused} batches refused because the connection broke")


def test_a_server_that_waits_ends_at_a_signal(peer: Postgres, tmp_path: Path) -> None:
    arguments = options(peer, "waits", tmp_path)
    with (
        Server(tmp_path / "first", *arguments),
        Waiting(tmp_path / "second", *arguments) as second,
    ):
        assert second.process.stderr is not None
        assert "writes the journal 'waits'" in second.process.stderr.readline()
        second.process.send_signal(signal.SIGTERM)
        assert second.process.wait(30) == 143
        assert second.process.stderr.read() == ""


def test_a_damaged_row_is_found_at_a_restore(peer: Postgres, tmp_path: Path) -> None:
    arguments = options(peer, "damaged", tmp_path)
    with Server(tmp_path / "data", *arguments) as server:
        for place in range(55):
            assert send(server.http, place).status_code == 200
        assert server.stop() == 0
    peer.sql("UPDATE mad_damaged.incidents SET severity = 'none'")
    peer.sql(
        "DELETE FROM mad_damaged.rows WHERE mad_id IN (SELECT max(mad_id) FROM mad_damaged.rows)"
    )
    with pytest.raises(AssertionError) as raised:
        Server(tmp_path / "new", *arguments)
    said = str(raised.value)
    assert re.search(r"row \d+ of incidents does not match its checksum", said)
    assert "table rows has" in said and "--recover" in said
    with Server(tmp_path / "new", *arguments, "--recover") as server:
        assert "left out: row" in server.said and "table rows has" in server.said
        assert server.get("/health")["status"] == "ok"
        assert send(server.http, 55).status_code == 200
        state = server.http.get("/v1/state").content
        server.kill()
    with Server(tmp_path / "again", *arguments) as server:
        assert server.http.get("/v1/state").content == state
