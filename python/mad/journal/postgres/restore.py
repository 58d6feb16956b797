"""Makes the SQLite file of a journal from its copy in PostgreSQL."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from mad.errors import StateError
from mad.journal.damage import DamagedJournal, sync_directory
from mad.journal.digest import START
from mad.journal.head import Head, HeadFile
from mad.journal.opening import UNREADABLE, check_files, readable
from mad.journal.postgres import statements
from mad.journal.postgres.columns import Table, tables_of
from mad.journal.postgres.session import Session
from mad.journal.schema import connect
from mad.journal.stored import NAMED

#: The row of the table `meta` that names the newest transaction in PostgreSQL.
MARKER = "postgres"
#: Rows that are read at once, and seconds without a row after which reading fails.
_BATCH_ROWS = 500
_PATIENCE_SECONDS = 60.0


class DamagedCopy(StateError):
    """Rows of a journal in PostgreSQL are missing or were changed."""

    def __init__(self, place: str, found: list[str]) -> None:
        more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
        super().__init__(
            f"{place}: the journal is damaged: {'; '.join(found[:NAMED])}{more}",
            "restore the database from a copy, or start with --recover: it continues with all "
            "that is sound",
        )


@dataclass(frozen=True, slots=True)
class Marker:
    """A transaction: the journal that it belongs to, its number, and a text that no other one
    has."""

    journal: str
    transaction: int
    token: str

    def text(self) -> str:
        """The marker as JSON."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class RemoteHead:
    """The newest transaction in PostgreSQL, and what `mad.head` has of it."""

    journal: str = ""
    transaction: int = 0
    token: str = ""
    seq: int = 0
    chain: bytes = START
    commits: int = 0


def restore(
    session: Session, schema: str, head: RemoteHead, directory: Path, place: str, is_sound: bool
) -> str:
    """Makes the journal of a directory equal to that of PostgreSQL. Returns a text about the number
    of rows and the time; empty when they are equal already.

    Raises `StateError`, `DamagedCopy` and `PostgresFailed`.
    """
    if is_sound and _is_equal(head, directory, place):
        return ""
    began = monotonic()
    new = directory / "restored.db"
    _remove(directory, "restored.db")
    found: list[str] = []
    with contextlib.closing(connect(new)) as db:
        db.execute("PRAGMA synchronous = OFF")
        tables = tables_of(db)
        rows = session.run(lambda remote: _copy(remote, schema, tables, db, found), limited=False)
    if found and is_sound:
        _remove(directory, "restored.db")
        raise DamagedCopy(place, found)
    _remove(directory, "mad.db", "mad.head")
    file = HeadFile(directory / "mad.head")
    for commits in (max(head.commits, 1) - 1, head.commits):
        file.write(Head(head.seq, bytes(head.chain), commits))
    file.sync()
    file.close()
    with new.open("rb+") as written:
        os.fsync(written.fileno())
    new.rename(directory / "mad.db")
    sync_directory(directory)
    text = f"restored {rows} rows from {place} in {monotonic() - began:.1f} s"
    return f"{text}; left out: {'; '.join(found)}" if found else text


def _is_equal(head: RemoteHead, directory: Path, place: str) -> bool:
    """Whether a directory has the journal of PostgreSQL, undamaged. Raises `StateError` when it has
    another one, or one that PostgreSQL has lost a part of."""
    path = directory / "mad.db"
    if not path.exists():
        return False
    try:
        marker = _marker(path)
    except UNREADABLE as error:
        raise StateError(
            f"{path}: it cannot be read ({error})",
            f"move the directory away: the journal is restored from {place}",
        ) from error
    if marker is None or marker.journal != head.journal:
        raise StateError(
            f"{path}: this is not the journal of {place}",
            "give another --data or another name, or move the directory away",
        )
    if marker.transaction > head.transaction:
        lost = marker.transaction - head.transaction
        raise StateError(
            f"{place}: {lost} acknowledged commits that {path} has are missing",
            "restore the database from a newer copy; or drop the schema, so that it is written "
            "again from the file; or move the directory away to continue without these commits",
        )
    if (marker.transaction, marker.token) != (head.transaction, head.token):
        return False
    try:
        with readable(path):
            check_files(directory)
    except DamagedJournal:
        return False
    return True


def _marker(path: Path) -> Marker | None:
    uri = f"{path.resolve().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
            return None
        row = db.execute("SELECT value FROM meta WHERE key = ?", (MARKER,)).fetchone()
    return None if row is None else Marker(**json.loads(row[0]))


async def _copy(
    remote: Any, schema: str, tables: list[Table], into: sqlite3.Connection, found: list[str]
) -> int:
    """Copies all rows that match their checksums; notes the others and the missing ones."""
    copied = 0
    async with remote.transaction(isolation="repeatable_read", readonly=True):
        totals = {
            name: (rows, int(total))
            for name, rows, total in await remote.fetch(
                f"SELECT name, rows, total FROM {schema}.totals"
            )
        }
        into.execute("BEGIN IMMEDIATE")
        for table in tables:
            names = [*table.columns]
            if not table.key and table.rowid is None:
                names.insert(0, "rowid")
            marks = ", ".join("?" * len(names))
            insert = f"INSERT OR IGNORE INTO {table.name} ({', '.join(names)}) VALUES ({marks})"
            count = total = 0
            cursor = await remote.cursor(statements.selection(schema, table))
            while records := await cursor.fetch(_BATCH_ROWS, timeout=_PATIENCE_SECONDS):
                rows = []
                for record in records:
                    values = table.decoded(tuple(record))
                    count += 1
                    total += record[1]
                    if values is None:
                        found.append(f"row {record[0]} of {table.name} does not match its checksum")
                    elif "rowid" in names[:1]:
                        rows.append((record[0], *values))
                    else:
                        rows.append(values)
                into.executemany(insert, rows)
                copied += len(rows)
            expected, sum_of_all = totals.get(table.name, (0, 0))
            if count != expected:
                found.append(f"table {table.name} has {count} rows instead of {expected}")
            elif total != sum_of_all:
                found.append(f"the {count} rows of {table.name} are not those that were written")
        into.execute("COMMIT")
    return copied


def _remove(directory: Path, *names: str) -> None:
    for name in names:
        for ending in ("", "-wal", "-shm"):
            (directory / f"{name}{ending}").unlink(missing_ok=True)
