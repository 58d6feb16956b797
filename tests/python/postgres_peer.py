"""A real PostgreSQL for tests: a cluster in a temporary directory on a free port of the
loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from peers import Process, free_port, left_out, needs, program

from mad.config.server import JournalOptions
from mad.journal import AuditLine, Entry, Journal, Mirror, TableWrites

#: The marks of a test that needs PostgreSQL.
NEEDED = [*needs("postgres"), left_out(not find_spec("asyncpg"), "asyncpg is missing")]


class Postgres(Process):
    """A cluster with the role and the database `mad`, which need no password."""

    def __init__(self, directory: Path, under: list[str]) -> None:
        self._data = directory / "data"
        initdb, postgres = str(program("initdb")), str(program("postgres"))
        made = subprocess.run(
            [
                *(*under, initdb, "-D", str(self._data), "-U", "mad", "--auth=trust"),
                *("--no-sync", "--encoding=UTF8", "--locale=C"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=directory,
        )
        assert made.returncode == 0, made.stderr
        # only the role `guarded` needs a password
        access = self._data / "pg_hba.conf"
        guard = "host all guarded 127.0.0.1/32 scram-sha-256\n"
        access.write_text(guard + access.read_text())
        port = free_port()
        command = [*under, postgres, "-D", str(self._data), "-p", str(port), "-k", str(directory)]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=64MB"]
        super().__init__(command, port, self._is_ready)
        self.url = f"postgresql://mad@127.0.0.1:{port}/mad"
        self.sql("CREATE DATABASE mad", database="postgres")

    def _is_ready(self) -> bool:
        try:
            self.sql("SELECT 1", database="postgres")
        except Exception:
            return False
        return True

    def stop(self) -> None:
        """Ends it, and with it all sessions."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGINT)
            process.wait(30)

    def sql(self, query: str, *values: Any, database: str = "mad") -> list[Any]:
        """The rows of a query of the administrator."""
        import asyncpg

        async def run() -> list[Any]:
            url = f"postgresql://mad@127.0.0.1:{self.port}/{database}"
            db = await asyncpg.connect(url, timeout=5)
            try:
                return [tuple(row) for row in await db.fetch(query, *values)]
            finally:
                await db.close()

        return asyncio.run(run())


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """A running cluster. Root cannot run it, so that it then belongs to another user."""
    directory = Path(tempfile.mkdtemp(prefix="mad-postgres-"))
    under: list[str] = []
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(directory, user.pw_uid, user.pw_gid)
        ids = (f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}")
        under = ["setpriv", *ids, "--clear-groups"]
    try:
        server = Postgres(directory, under)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def opened(peer: Postgres, name: str, directory: Path, **more: Any) -> Journal:
    """A journal with its copy."""
    options = JournalOptions(url=peer.url, name=name, **{"lease_seconds": 1.0, **more})
    mirror = Mirror(options, lambda _: None)
    try:
        return Journal(directory, mirror=mirror)
    except BaseException:
        mirror.close()
        raise


def content(directory: Path) -> dict[str, list[Any]]:
    """Every row of every table, with its rowid."""
    with contextlib.closing(sqlite3.connect(directory / "mad.db")) as db:
        tables = db.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
            "AND name <> 'unsent' ORDER BY name"
        ).fetchall()
        return {
            name: db.execute(
                f"SELECT {'' if 'WITHOUT ROWID' in sql else 'rowid, '}* FROM {name} ORDER BY 1, 2"
            ).fetchall()
            for name, sql in tables
        }


def written(number: int) -> tuple[list[Entry], TableWrites, list[AuditLine]]:
    """An entry with results of every kind of value."""
    line = (number, 0, number, "shop", "ERROR", "a text with \0 and \U0001f600", None)
    failure = (number, 0, number, "trace", "shop", "/buy", "500", 1.5, "a", "b")
    batch = ("requests", "", f"key-{number}", b"\0\xff", number, 1, 0, "[]")
    point = (number, number, 3, 1, b"block")
    writes = TableWrites(log_lines=[line], failures=[failure], batches=[batch], points=[point])
    entries = [Entry("requests", b"body \0 %d" % number, batch_id=f"key-{number}")]
    return entries, writes, [AuditLine("ann", "mute", f"target {number}")]


def write(journal: Journal, number: int) -> int:
    entries, writes, audit = written(number)
    moved = [{"tail": {f"file \udcff {number}": {"offset": number}, "one": {"offset": number}}}]
    (seq,) = journal.append(entries, writes, audit, moved)
    return seq


def restored(
    peer: Postgres, name: str, directory: Path, said: list[str] | None = None
) -> dict[str, list[Any]]:
    """The content of a directory that PostgreSQL filled, before a commit of the next holder."""
    options = JournalOptions(url=peer.url, name=name, lease_seconds=1.0)
    mirror = Mirror(options, [].append if said is None else said.append)
    directory.mkdir(exist_ok=True)
    try:
        mirror.restore(directory)
    finally:
        mirror.close()
    return content(directory)
