"""The right to write a journal in PostgreSQL: one server at a time has it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from time import monotonic, sleep
from typing import Any

from mad.config.server import JournalOptions
from mad.journal.postgres.session import PostgresFailed, Session, the_row

#: Seconds between two looks of a server that waits.
_LOOK_SECONDS = 0.25
#: Renewals of a lease before it ends.
_RENEWALS = 10


@dataclass(frozen=True, slots=True)
class Holder:
    """The server that has a lease, and the seconds since it was renewed."""

    name: str
    age: float


class Lease:
    """A lock of a session, a time at which it was last renewed, and a number (the fence) that each
    new holder raises.

    The lock is free at once when the process of its holder ends. A holder that is paused or cut off
    keeps it, so that a lease that was not renewed for `lease_seconds` is taken from it. Neither of
    them has to be right: every commit names the fence, and PostgreSQL refuses the fence of an
    earlier holder.
    """

    def __init__(self, options: JournalOptions, schema: str) -> None:
        self._options, self._schema = options, schema
        self._session = Session(options, "lease")
        digest = blake2b(schema.encode(), digest_size=8, person=b"mad lease").digest()
        self._key = int.from_bytes(digest, "big", signed=True)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.fence = 0
        #: Why the lease cannot be renewed now; empty when it can.
        self.fault = ""
        #: Who took the lease; empty while this server has it.
        self.lost = ""

    def take(
        self, say: Callable[[str], None], writers: str, while_waiting: Callable[[], None]
    ) -> None:
        """Waits for the lease and takes it. Ends the sessions of an earlier holder, which have the
        application name `writers`.

        Raises `PostgresFailed` when PostgreSQL cannot be reached at the first look.
        """
        not_before, waits_for = 0.0, ""
        is_first = True
        while True:
            try:
                holder = None
                # the holder comes first after a restart of PostgreSQL
                if monotonic() >= not_before:
                    holder = self._session.run(lambda db: self._try(db, writers))
                    if holder is None:
                        break
            except PostgresFailed as error:
                if is_first:
                    raise
                not_before = monotonic() + self._options.lease_seconds
                say(f"{error}; this server waits")
            if holder is not None and holder.name != waits_for:
                waits_for = holder.name
                say(
                    f"{waits_for or 'another server'} writes the journal {self._options.name!r}; "
                    "this server waits and takes over when that one ends"
                )
            is_first = False
            while_waiting()
            sleep(_LOOK_SECONDS)
        self._session.connected = self._reconnected
        self._thread = threading.Thread(target=self._renew, name="mad-lease", daemon=True)
        self._thread.start()

    def check(self, seen: int) -> None:
        """Records that a commit found another fence than that of this server."""
        if seen != self.fence:
            self.lost = self.lost or "another server"

    def problem(self) -> str:
        """Why nothing can be committed; empty when the lease is held."""
        if self.lost:
            return (
                f"the lease of the journal {self._options.name!r} was taken by {self.lost}; "
                "restart this server: it waits for the lease"
            )
        return self.fault

    def release(self) -> None:
        """Gives the lease back."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        try:
            if self.fence and not self.lost and self._session.is_connected:
                self._session.run(self._give_back)
        except PostgresFailed:
            pass
        finally:
            self._session.close()

    async def _try(self, db: Any, writers: str) -> Holder | None:
        """Takes the lease, or says who has it."""
        if not await db.fetchval("SELECT pg_try_advisory_lock($1)", self._key):
            holder = await self._holder(db)
            if holder.age > self._options.lease_seconds:
                await db.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
                    "AND granted AND objsubid = 1 AND database = "
                    "(SELECT oid FROM pg_database WHERE datname = current_database()) "
                    "AND (classid::bigint << 32) | objid::bigint = $1",
                    self._key,
                )
            return holder
        # a writer that was stopped within a transaction would keep the row of the fence locked
        await db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
            "datname = current_database() AND usename = current_user AND application_name = $1",
            writers,
        )
        async with db.transaction():
            fence = await db.fetchval(
                f"UPDATE {self._schema}.head SET fence = fence + 1 RETURNING fence"
            )
            done = await db.fetchval(
                f"UPDATE {self._schema}.lease SET fence = $1, holder = $2, "
                "renewed_at = clock_timestamp() RETURNING true",
                the_row(fence, f"{self._schema}.head"),
                f"{socket.gethostname()} (process {os.getpid()})",
            )
            the_row(done, f"{self._schema}.lease")
        self.fence = fence
        return None

    async def _holder(self, db: Any) -> Holder:
        found = await db.fetchrow(
            "SELECT holder, least(extract(epoch FROM clock_timestamp() - renewed_at), 1e9)::float8 "
            f"FROM {self._schema}.lease"
        )
        return Holder(*the_row(found, f"{self._schema}.lease"))

    async def _reconnected(self, db: Any) -> None:
        """Takes the lock again after the connection was lost; the fence is what counts."""
        await db.execute("SELECT pg_try_advisory_lock($1)", self._key)

    def _renew(self) -> None:
        while not self._stopping.wait(self._options.lease_seconds / _RENEWALS):
            try:
                holder = self._session.run(self._beat)
            except PostgresFailed as error:
                self.fault = str(error)
                continue
            except Exception as error:
                # without this thread another server would take the lease, and nothing would say so
                self.fault = f"the lease cannot be renewed: {type(error).__name__}: {error}"
                continue
            self.fault = ""
            if holder is not None:
                self.lost = holder.name or "another server"
                self._session.drop()
                return

    async def _beat(self, db: Any) -> Holder | None:
        """Renews the lease; the holder when it is another one."""
        async with db.transaction():
            # only the age of the lease would be lost in a crash
            await db.execute("SET LOCAL synchronous_commit = off")
            done = await db.fetchval(
                f"UPDATE {self._schema}.lease SET renewed_at = clock_timestamp() WHERE fence = $1 "
                "RETURNING true",
                self.fence,
            )
        return None if done else await self._holder(db)

    async def _give_back(self, db: Any) -> None:
        await db.execute(
            f"UPDATE {self._schema}.lease SET holder = '', renewed_at = '-infinity' "
            "WHERE fence = $1",
            self.fence,
        )
