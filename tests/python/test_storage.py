"""Disks that are full or broken, and files that disappear: nothing is acknowledged that is not on
disk, the process lives and continues when it can."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from peers import left_out
from service import Server, an_hour, lines

from mad.engine import Engine
from mad.errors import StateError, UsageError
from mad.journal import AuditLine, Entry, Journal, JournalFailed, Retention, TableWrites
from mad.journal.schema import PAGE_BYTES

ROUTE = "/v1/ingest/requests"


def batches(size: int = 100) -> list[bytes]:
    records = an_hour()
    return [lines(records[start : start + size]) for start in range(0, len(records), size)]


def send_all(server: Server, bodies: list[bytes], first: int = 0) -> list[int]:
    """Sends batches in order from one on, each until it is acknowledged. Returns the other
    statuses."""
    refused: list[int] = []
    until = time.monotonic() + 60.0
    for place, body in list(enumerate(bodies))[first:]:
        while True:
            assert time.monotonic() < until, (place, refused[-5:], server.said)
            answer = server.send(ROUTE, body, Idempotency_Key=f"b{place}")
            if answer.status_code == 200:
                break
            assert answer.status_code == 503 and answer.headers["Retry-After"], answer.text
            refused.append(answer.status_code)
            time.sleep(0.1)
    return refused


def state_of(directory: Path, bodies: list[bytes]) -> bytes:
    """The state of an engine without faults."""
    engine = Engine(Journal(directory), ticking=False)
    engine.start()
    for body in bodies:
        engine.submit(Entry("requests", body)).result(30)
    state = engine.pipeline.checkpoint()
    engine.stop()
    return state


def reasons(server: Server) -> dict[str, str]:
    health = server.http.get("/health")
    body = health.json()
    assert health.status_code == (503 if body["status"] == "failing" else 200)
    return {one["name"]: one["text"] for one in body["reasons"]}


def failing(server: Server, word: str) -> None:
    """Waits up to a second until `/health` reports it."""
    for _ in range(20):
        if word in reasons(server).get("storage", ""):
            return
        time.sleep(0.05)
    raise AssertionError((word, reasons(server)))


def works_again(server: Server) -> None:
    """Waits until `/health` reports that batches are accepted. The service tries one write a second
    until one succeeds, so a fault of 13 calls may last as many seconds."""
    for _ in range(600):
        if server.http.get("/health").json()["status"] != "failing":
            return
        time.sleep(0.05)
    raise AssertionError(reasons(server))


@pytest.mark.parametrize("name", ["mad.db", "mad.db-wal", "mad.head", "mad.lock"])
def test_a_file_that_is_deleted_under_the_server_is_noticed(tmp_path: Path, name: str) -> None:
    data, first, *rest = tmp_path / "data", *batches()
    with Server(data, "--no-ticks") as server:
        send_all(server, [first])
        (data / name).rename(tmp_path / "moved")
        failing(server, f"{name} was deleted or moved")
        answer = server.send(ROUTE, rest[0])
        assert answer.status_code == 503 and "was deleted or moved" in answer.text
        shutil.copy(tmp_path / "moved", data / name)
        failing(server, f"{name} was replaced")
        (tmp_path / "moved").rename(data / name)
        send_all(server, [first, *rest[:5]])
        assert server.get("/health")["status"] == "ok"
        assert server.get("/ingest/stats")["accepted_total"] == 600
        assert server.stop() == 0


@pytest.mark.parametrize("name", ["mad.db", "mad.db-wal"])
def test_a_file_that_is_cut_under_the_server_is_noticed(tmp_path: Path, name: str) -> None:
    data, first, *rest = tmp_path / "data", *batches()
    with Server(data, "--no-ticks") as server:
        send_all(server, [first, *rest[:5]])
        with (data / name).open("r+b") as file:
            file.truncate(4_096)
        failing(server, f"{name} was cut from")
        for body in rest[5:8]:
            answer = server.send(ROUTE, body)
            assert answer.status_code == 503 and "was cut from" in answer.text
        assert "storage" in reasons(server)


def test_a_log_that_sqlite_cuts_itself_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a large commit the log is longer than its limit, until it begins again."""
    monkeypatch.setattr("mad.journal.sqlite.LOG_BYTES", 10 * PAGE_BYTES)
    monkeypatch.setattr("mad.journal.schema.LOG_BYTES", 10 * PAGE_BYTES)
    journal = Journal(tmp_path)
    log, sizes = tmp_path / "mad.db-wal", []
    for seq in range(1, 13):
        large = random.Random(seq).randbytes((40 if seq % 3 else 1) * 100_000)
        assert journal.append([Entry("requests", large)], TableWrites()) == [seq]
        assert journal.problem() == ""
        sizes.append(log.stat().st_size)
        with contextlib.closing(sqlite3.connect(journal.path)) as other:
            other.execute("PRAGMA wal_checkpoint(RESTART)")
    assert any(after < before for before, after in itertools.pairwise(sizes))
    journal.close()


class Moving(list[AuditLine]):
    """Lines of the audit trail that move a file when they are written."""

    def __init__(self, path: Path, to: Path) -> None:
        super().__init__([AuditLine("ann", "move")])
        self.move = (path, to)

    def __iter__(self) -> Iterator[AuditLine]:
        self.move[0].rename(self.move[1])
        return super().__iter__()


def test_a_commit_into_a_moved_file_is_refused_and_leaves_the_journal_usable(
    tmp_path: Path,
) -> None:
    data, aside = tmp_path / "data", tmp_path / "aside"
    path = data / "mad.db"
    journal = Journal(data)
    assert journal.append([Entry("requests", b"one")], TableWrites()) == [1]
    with pytest.raises(JournalFailed, match="was deleted or moved"):
        journal.append([Entry("requests", b"refused")], TableWrites(), Moving(path, aside))
    aside.rename(path)
    assert journal.append([Entry("requests", b"two")], TableWrites()) == [2]
    delta = (b"state", [(1, b"part")], [])
    with pytest.raises(JournalFailed, match="was deleted or moved"):
        journal.checkpoint(delta, TableWrites(audit=Moving(path, aside)), 2)
    aside.rename(path)
    journal.checkpoint((b"newer state", [(1, b"newer part")], []), TableWrites(), 2)
    assert journal.append([Entry("requests", b"three")], TableWrites()) == [3]
    journal.close()
    again = Journal(data)
    assert again.state() == (b"newer state", [(1, b"newer part")], [])
    assert [entry.body for entry in again.entries()] == [b"three"]
    again.close()


def test_positions_of_a_refused_commit_are_taken_back_with_its_entries(tmp_path: Path) -> None:
    """A source then reads the batch again; without that, it would be lost."""
    data, aside = tmp_path / "data", tmp_path / "aside"
    path = data / "mad.db"
    journal = Journal(data)
    journal.append([Entry("requests", b"one")], TableWrites(), moved=[{"logs": {"a": 1}}])

    def refused() -> None:
        moved = [{"logs": {"a": 2, "b": 1}, "shop": {"a": 1}}, {"logs": {"a": 3}}]
        with pytest.raises(JournalFailed, match="was deleted or moved"):
            batch = [Entry("requests", b"two")]
            journal.append(batch, TableWrites(), Moving(path, aside), moved)
        aside.rename(path)
        assert journal.positions("logs") == {"a": 1}
        assert journal.positions("shop") == {}

    refused()
    refused()
    # another source moves on meanwhile
    journal.move_positions({"other": {"z": 9}})
    assert journal.positions("logs") == {"a": 1}
    journal.append([Entry("requests", b"again")], TableWrites(), moved=[{"logs": {"a": 2}}])
    assert journal.positions("logs") == {"a": 2}
    refused_last = [{"logs": {"a": 7}}]
    with pytest.raises(JournalFailed):
        last = [Entry("requests", b"last")]
        journal.append(last, TableWrites(), Moving(path, aside), refused_last)
    aside.rename(path)
    journal.close()
    # a new process finds both, and judges the batch
    with contextlib.closing(Journal(data)) as again:
        assert [entry.body for entry in again.entries()] == [b"one", b"again", b"last"]
        assert again.positions("logs") == {"a": 7}
        assert again.positions("other") == {"z": 9}


@pytest.mark.parametrize("how", ["files", "directory"])
def test_no_second_server_starts_after_a_deletion(tmp_path: Path, how: str) -> None:
    data = tmp_path / "data"
    with Server(data) as server:
        send_all(server, batches()[:1])
        for file in data.iterdir():
            file.unlink()
        if how == "directory":
            data.rmdir()
        with pytest.raises(StateError, match="is already writing this journal"):
            Journal(data)
        failing(server, "was deleted or moved")
    Journal(data).close()


def test_a_limit_of_file_sizes_is_a_full_disk(tmp_path: Path) -> None:
    bodies = batches()
    data = tmp_path / "data"
    with Server(data, "--no-ticks", "--checkpoint-seconds", "1") as server:
        send_all(server, bodies[:5])
        largest = max(file.stat().st_size for file in data.iterdir())
        _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (largest + 20_000, hard))
        refused = 0
        for place in range(200):
            answer = server.send(ROUTE, bodies[5], Idempotency_Key=f"more-{place}")
            if answer.status_code == 503:
                refused += 1
                break
        assert refused
        assert reasons(server)["storage"]
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        works_again(server)
        send_all(server, bodies, 6)
        state = server.http.get("/v1/state").content
        server.kill()
    with Server(data, "--no-ticks") as server:
        assert server.http.get("/v1/state").content == state


@contextlib.contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
    if (
        sys.platform != "linux"
        or os.geteuid() != 0
        or subprocess.run(command, check=False).returncode
    ):
        pytest.skip("no small file system can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_loses_nothing_and_the_service_continues(tmp_path: Path) -> None:
    bodies = batches()
    with small_disk(tmp_path / "disk", 24) as disk:
        with Server(disk / "data", "--no-ticks", "--checkpoint-seconds", "1") as server:
            send_all(server, bodies[:20])
            with (disk / "other").open("wb", buffering=0) as other, contextlib.suppress(OSError):
                while True:
                    other.write(bytes(65_536))
            statuses = [server.send(ROUTE, bodies[20]).status_code for _ in range(3)]
            while 503 not in statuses and len(statuses) < 100:
                statuses.append(server.send(ROUTE, b"x" * 200_000).status_code)
            assert server.process.poll() is None
            health = server.http.get("/health")
            assert health.status_code == 503 and health.json()["status"] == "failing"
            (disk / "other").unlink()
            works_again(server)
            send_all(server, bodies, 21)
            state = server.http.get("/v1/state").content
            server.kill()
        with Server(disk / "data", "--no-ticks") as server:
            assert server.http.get("/v1/state").content == state


def _strace() -> bool:
    """Whether this kernel lets strace trace a program; not every container does."""
    try:
        command = ["strace", "-f", "-o", "/dev/null", "-e", "trace=none", "true"]
        return subprocess.run(command, check=False, timeout=20).returncode == 0
    except FileNotFoundError:
        # `left_out` decides on a missing program
        return True
    except (OSError, subprocess.TimeoutExpired):
        return False


def _faults() -> list[str]:
    """Faults of system calls from different calls on: `MAD_FAULTS=20` for more of each kind."""
    kinds = [
        ("fdatasync,fsync:error=EIO", 12, 12),
        ("pwrite64:error=ENOSPC", 80, 20),
        ("pwrite64:error=EIO", 90, 20),
        ("pread64:error=EIO", 80, 20),
    ]
    places = range(int(os.environ.get("MAD_FAULTS", "1")))
    return [
        f"{fault}:when={first + 7 * place}..{first + 7 * place + count}"
        for fault, first, count in kinds
        for place in places
    ]


@left_out(shutil.which("strace") is None, "strace is not installed")
@pytest.mark.skipif(not _strace(), reason="strace cannot trace here")
@pytest.mark.parametrize("fault", _faults())
def test_injected_faults_lose_nothing(tmp_path: Path, fault: str) -> None:
    """Faults of system calls: a batch is acknowledged and kept, or refused and sent again."""
    bodies = batches()[:20]
    data = tmp_path / "data"
    Journal(data).close()
    under = ("strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", f"inject={fault}")
    arguments = ("--no-ticks", "--checkpoint-seconds", "0.5")
    with Server(data, *arguments, under=under) as server:
        refused = send_all(server, bodies)
        print(f"{fault}: {len(refused)} times refused")
        # a fault may begin only now, with a checkpoint
        for _ in range(600):
            answer = server.http.get("/v1/state")
            if answer.status_code == 200:
                break
            time.sleep(0.05)
        state = answer.content
        os.kill(server.children()[0], 9)
        server.process.wait(30)
    assert state == state_of(tmp_path / "expected", bodies)
    with Server(data, "--no-ticks") as server:
        assert server.http.get("/v1/state").content == state
        assert server.get("/ingest/stats")["accepted_total"] == sum(b.count(b"\n") for b in bodies)


def test_the_journal_stays_within_its_bytes(tmp_path: Path) -> None:
    """Rows have few bytes and log lines many: the largest table is cut, the others stay."""
    retention = Retention.parse(["bytes=6000000"])
    engine = Engine(Journal(tmp_path, retention=retention), ticking=False)
    engine.start()
    for body in batches(300):
        engine.submit(Entry("requests", body)).result(30)
    record = {"service": "payments", "level": "INFO", "body": "x" * 8_000}
    for start in range(0, 4_000, 200):
        times = [f"2026-01-06T10:59:{place % 60:02d}.{start + place:06d}Z" for place in range(200)]
        body = lines([{"timestamp": at, **record} for at in times])
        engine.submit(Entry("logs", body)).result(30)
        engine.checkpoint().result(30)
    with contextlib.closing(sqlite3.connect(engine.journal.path)) as db:
        (rows,) = db.execute("SELECT count(*) FROM rows").fetchone()
        (kept,) = db.execute("SELECT count(*) FROM log_lines").fetchone()
        (pages,) = db.execute("PRAGMA page_count").fetchone()
    engine.stop()
    assert rows == 177 and 100 < kept < 800
    assert pages * 16_384 < 20_000_000
    with pytest.raises(UsageError, match="'megabytes' is unknown"):
        Retention.parse(["megabytes=5"])


def test_comments_and_commands_survive_with_their_audit_lines(tmp_path: Path) -> None:
    with Server(tmp_path, "--no-ticks") as server:
        send_all(server, batches())
        (incident,) = server.get("/v1/query/incidents")["data"]
        path = f"/v1/incidents/{incident['id']}"
        for _ in range(2):
            server.send(f"{path}/comments", {"text": "looking"})
        server.post("/v1/mutes", {"service": "auth", "minutes": 5})
        server.send("/v1/incidents/INC-none/resolve", {})
        server.kill()
    with Server(tmp_path, "--no-ticks") as server:
        lines_of = [
            (one["action"], one["outcome"]) for one in server.get("/v1/query/audit")["data"]
        ]
        notes = server.get(f"/v1/query/incidents/{incident['id']}")["notes"]
    assert len(notes) == 1
    assert sorted(lines_of) == [
        ("comment", "saved"),
        ("mute", "done"),
        ("resolve", "not found"),
    ]


def reused(server: Server, body: bytes, key: str, route: str = ROUTE) -> httpx.Response:
    return server.send(route, body, Idempotency_Key=key)


def test_a_key_belongs_to_a_kind_a_partition_and_a_body(tmp_path: Path) -> None:
    first, second, *_ = batches()
    with Server(tmp_path, "--no-ticks") as server:
        assert reused(server, first, "k").json()["repeated"] is False
        assert reused(server, first, "k").json()["repeated"] is True
        answer = reused(server, second, "k")
        assert (answer.status_code, answer.json()["error"]) == (409, "key_reused")
        assert reused(server, second, "k", f"{ROUTE}?partition=p").json()["accepted"] == 100
        log: dict[str, Any] = {"timestamp": "2026-01-06T10:00:30Z", "service": "a", "body": "x"}
        log_body = lines([{**log, "level": "INFO"}])
        assert reused(server, log_body, "k", "/v1/ingest/logs").status_code == 200
        server.kill()
    with Server(tmp_path, "--no-ticks") as server:
        assert reused(server, first, "k").json()["repeated"] is True
        assert reused(server, second, "k").status_code == 409


def test_a_flood_of_names_is_reported(tmp_path: Path) -> None:
    config = tmp_path / "mad.toml"
    config.write_text("[limits]\nentities = 50\npartitions = 4\n", encoding="utf-8")
    flood = [{**one, "service": f"junk-{place}"} for place, one in enumerate(an_hour(minutes=3))]
    with Server(tmp_path / "data", "--no-ticks", "--config", str(config)) as server:
        server.post(ROUTE, flood)
        assert "(other)" in reasons(server)["names"]
        for place in range(20):  # names of partitions beyond the limit are accepted
            server.post(f"{ROUTE}?partition=p{place}", flood[:3])
