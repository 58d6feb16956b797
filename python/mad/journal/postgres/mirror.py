"""The copy of one journal in PostgreSQL, as its writer sees it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import uuid
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

from mad.config.server import JournalOptions
from mad.errors import ServiceError, StateError
from mad.journal.head import Head
from mad.journal.postgres import statements
from mad.journal.postgres.changes import Changed, ChangeLog, TableChange
from mad.journal.postgres.columns import tables_of
from mad.journal.postgres.copying import MARKER, Marker, RemoteHead, read_head
from mad.journal.postgres.follower import Follower
from mad.journal.postgres.lease import Lease
from mad.journal.postgres.restore import restore
from mad.journal.postgres.session import PostgresFailed, Session, place_of, the_row
from mad.journal.schema import MIGRATIONS, migrate

#: Seconds within which a commit that failed on an older connection is sent again on a new one.
RETRY_SECONDS = 1.0
#: Bytes and rows for which a statement gets one more second.
_BYTES_PER_SECOND, _ROWS_PER_SECOND = 1024 * 1024, 1_000


class Mirror:
    """Sends each transaction of the journal to PostgreSQL before it is committed in SQLite.

    A commit whose outcome is unknown was not acknowledged. Its rows are sent again with the next
    commit as they are in SQLite, which undoes it where PostgreSQL had it.

    Raises `ServiceError` when PostgreSQL cannot be reached, `StateError` when its tables are of
    another version of mad.
    """

    def __init__(
        self, options: JournalOptions, say: Callable[[str], None], directory: Path | None = None
    ) -> None:
        """While another server has the lease, the journal of `directory` follows it."""
        self._say = say
        self._options = options
        self.place = f"{place_of(options)}, schema mad_{options.name}"
        self._schema = statements.quoted(f"mad_{options.name}")
        self._session = Session(options, "writer")
        self._lease = Lease(options, self._schema)
        self._head = RemoteHead()
        self._log: ChangeLog | None = None
        self._replaces = False
        #: Keys of commits whose outcome is unknown, and the numbers of these commits.
        self._doubtful: set[Changed] = set()
        self._tried: set[int] = set()
        #: Time of the last commit.
        self._settled_at = float("-inf")
        self._next = Marker("", 0, "")
        try:
            self._session.run(self._create)
            # the lease ends all sessions of writers
            self._session.drop()
            with contextlib.closing(
                Follower(options, self._schema, directory, self.place, say)
            ) as follower:
                self._lease.take(say, self._session.application, follower.look)
            self._head = self._session.run(lambda remote: read_head(remote, self._schema))
        except PostgresFailed as error:
            self.close()
            raise ServiceError(
                str(error), "see whether PostgreSQL runs, and the url of [server.journal]"
            ) from error
        except BaseException:
            self.close()
            raise

    @property
    def is_new(self) -> bool:
        """Whether PostgreSQL has no commit of this journal."""
        return self._head.transaction == 0

    def problem(self) -> str:
        """Why nothing can be committed; empty when PostgreSQL answers and the lease is held. Any
        thread may ask."""
        problem = self._lease.problem()
        # a commit says more about PostgreSQL than the renewal of the lease before it
        is_recent = monotonic() - self._settled_at < RETRY_SECONDS
        return "" if is_recent and not self._lease.lost else problem

    def restore(self, directory: Path, *, is_sound: bool = True) -> None:
        """Makes the journal of a directory equal to that of PostgreSQL, unless it is already. The
        caller has locked the directory.

        Without `is_sound` damaged rows are left out, and the next commit replaces the copy in
        PostgreSQL. Raises `StateError` when the directory has another journal or a newer one,
        `DamagedCopy` when rows in PostgreSQL are missing or changed.
        """
        if self._replaces:
            return
        self._replaces = self.is_new or not is_sound
        if self.is_new:
            self._say(f"the journal {self._options.name!r} is new in {self.place}")
            return
        try:
            text = restore(self._session, self._schema, directory, self.place, is_sound=is_sound)
        except PostgresFailed as error:
            raise ServiceError(str(error), "start again when PostgreSQL works") from error
        if text:
            self._say(text)

    def attach(self, db: sqlite3.Connection, head: Head) -> None:
        """Follows the changes of a connection from now on. Sends the whole journal when PostgreSQL
        has none. Raises `PostgresFailed` and `sqlite3.Error`."""
        self._log = ChangeLog(db)
        # after a power failure a file that lost its last commits is restored
        db.execute("PRAGMA synchronous = NORMAL")
        if not self._replaces:
            return
        db.execute("BEGIN IMMEDIATE")
        try:
            self._log.clear()
            self._log.add_all()
            self.send(head)
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
        self._replaces = False
        self.settled()

    def has_unsent(self) -> bool:
        """Whether results wait that were committed in SQLite alone."""
        return self._log is not None and not self._log.is_empty()

    def send(self, head: Head) -> None:
        """Commits the changes of a transaction, and those of earlier ones that were not sent, in
        PostgreSQL. The caller commits them in SQLite and calls `settled`. Raises
        `PostgresFailed`."""
        assert self._log is not None
        if problem := self._lease.lost and self._lease.problem():
            raise PostgresFailed(problem)
        last = self._head.transaction
        number = max([last, *self._tried]) + 1
        self._next = Marker(self._head.journal, number, uuid.uuid4().hex)
        self._log.add(list(self._doubtful))
        self._log.mark(MARKER, self._next.text())
        if not self._replaces:
            self._doubtful.update(self._log.keys())
        follows = [last, *self._tried]
        self._tried.add(number)
        fence = self._lease.fence
        fields = [number, self._next.token, head.seq, head.chain, head.commits]
        began, was_connected = monotonic(), self._session.is_connected
        try:
            self._session.run(
                lambda remote: self._push(remote, fence, follows, fields), limited=False
            )
        except PostgresFailed:
            # a connection that had ended before is no outage; a commit that was made is made again
            is_new = not was_connected or monotonic() - began > RETRY_SECONDS
            if is_new or self._lease.lost:
                raise
            again = [*follows, number]
            self._session.run(
                lambda remote: self._push(remote, fence, again, fields), limited=False
            )
        self._log.clear()

    def settled(self) -> None:
        """Records that the last commit is in PostgreSQL and in SQLite."""
        self._head = RemoteHead(self._next.journal, self._next.transaction, self._next.token)
        self._settled_at = monotonic()
        self._doubtful.clear()
        self._tried.clear()

    def close(self) -> None:
        """Ends the connections and gives the lease back."""
        self._session.close()
        self._lease.release()

    async def _push(self, remote: Any, fence: int, follows: list[int], fields: list[Any]) -> None:
        assert self._log is not None
        chunks = self._log.chunks()
        first, second = next(chunks), next(chunks, None)
        if second is None and not self._replaces and len(follows) == 1:
            await self._statement(remote, first, [fence, follows, *fields])
            return
        async with remote.transaction(isolation="read_committed"):
            # PostgreSQL may still work on a commit whose connection broke: the next statement sees
            # the tables as they are after it
            await remote.execute(
                f"SELECT FROM {self._schema}.head FOR UPDATE",
                timeout=self._options.timeout_seconds,
            )
            if self._replaces:
                for table in self._log.tables:
                    await remote.execute(
                        f"DELETE FROM {self._schema}.{statements.quoted(table.name)}"
                    )
                await remote.execute(f"UPDATE {self._schema}.totals SET rows = 0, total = 0")
                await remote.execute(f"DELETE FROM {self._schema}.changes")
                await remote.execute(f"UPDATE {self._schema}.head SET base = $1", fields[0])
            await self._statement(remote, first, [fence, follows, *fields])
            follows = [fields[0]]
            while second is not None:
                await self._statement(remote, second, [fence, follows, *fields])
                second = next(chunks, None)

    async def _statement(
        self, remote: Any, changes: list[TableChange], parameters: list[Any]
    ) -> None:
        text, values = statements.commit(self._schema, changes)
        # a directory that is behind a whole copy is restored
        keys = {} if self._replaces else {one.table.name: one.keys() for one in changes}
        rows = [row for change in changes for row in change.rows]
        size = sum(len(one) for row in rows for one in row if isinstance(one, (bytes, str)))
        seconds = (
            self._options.timeout_seconds + size / _BYTES_PER_SECOND + len(rows) / _ROWS_PER_SECOND
        )
        if await remote.fetchval(text, *parameters, json.dumps(keys), *values, timeout=seconds):
            return
        found = await remote.fetchrow(f"SELECT fence, txn FROM {self._schema}.head")
        the_row(found, f"{self._schema}.head")
        self._lease.check(found["fence"])
        raise PostgresFailed(
            self._lease.problem()
            or f"{self.place}: its newest commit is {found['txn']} instead of "
            f"{parameters[1][0]}; it was restored from a copy, or something else wrote it"
        )

    async def _create(self, remote: Any) -> None:
        """Creates the tables where there are none, and checks their version."""
        if await remote.fetchval("SHOW server_encoding") != "UTF8":
            raise StateError(
                f"{self.place}: the encoding of the database is not UTF8",
                "create one with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0",
            )
        with contextlib.closing(sqlite3.connect(":memory:")) as empty:
            migrate(empty, "")
            tables = tables_of(empty)
        async with remote.transaction():
            # two servers that start at the same time
            await remote.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", self._schema
            )
            exists = "SELECT to_regnamespace($1) IS NOT NULL"
            if not await remote.fetchval(exists, self._schema):
                await remote.execute(f"CREATE SCHEMA {self._schema}")
            if await remote.fetchval("SELECT to_regclass($1) IS NULL", f"{self._schema}.head"):
                made = statements.creation(self._schema, tables, uuid.uuid4().hex, len(MIGRATIONS))
                for statement in made:
                    await remote.execute(statement)
        version = await remote.fetchval(f"SELECT format FROM {self._schema}.head")
        if the_row(version, f"{self._schema}.head") != len(MIGRATIONS):
            raise StateError(
                f"{self.place}: written by another version of mad (format {version}, this one "
                f"knows {len(MIGRATIONS)})",
                "use that version, or see docs/scale-postgres.md for the way to this one",
            )
