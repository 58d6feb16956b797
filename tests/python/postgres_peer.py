"""A real PostgreSQL for tests: a cluster in a temporary directory on a free port of the
loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from peers import Process, free_port, left_out, needs, program

from mad.config.server import JournalOptions
from mad.journal import Journal, Mirror

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
