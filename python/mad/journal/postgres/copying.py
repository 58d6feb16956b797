"""Copies rows of a journal from PostgreSQL into a SQLite file: all of them, or changed ones."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mad.errors import StateError
from mad.journal.digest import START
from mad.journal.head import Head, HeadFile
from mad.journal.postgres import statements
from mad.journal.postgres.columns import UNSENT, Key, Table, tables_of
from mad.journal.postgres.session import the_row
from mad.journal.schema import connect
from mad.journal.stored import NAMED

#: The row of the table `meta` that names the newest transaction in PostgreSQL.
MARKER = "postgres"
#: Rows that are read at once, and seconds without a row after which reading fails.
BATCH_ROWS = 500
PATIENCE_SECONDS = 60.0


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

    @classmethod
    def of(cls, text: str) -> Marker | None:
        """The marker of a text; None where it holds none."""
        try:
            found = cls(**json.loads(text))
        except (ValueError, TypeError, RecursionError):
            return None
        texts = isinstance(found.journal, str) and isinstance(found.token, str)
        return found if texts and type(found.transaction) is int else None


@dataclass(frozen=True, slots=True)
class RemoteHead:
    """The newest transaction in PostgreSQL, and what `mad.head` has of it."""

    journal: str = ""
    transaction: int = 0
    token: str = ""
    seq: int = 0
    chain: bytes = START
    commits: int = 0
    #: The transaction that wrote the whole copy.
    base: int = 0


async def read_head(remote: Any, schema: str) -> RemoteHead:
    """The newest transaction in PostgreSQL."""
    row = await remote.fetchrow(
        f"SELECT journal, txn, token, seq, chain, commits, base FROM {schema}.head"
    )
    return RemoteHead(*the_row(row, f"{schema}.head"))


async def copy_all(
    remote: Any, schema: str, into: sqlite3.Connection, found: list[str]
) -> tuple[int, RemoteHead]:
    """Copies all rows that match their checksums; notes the others and the missing ones. Returns
    the number of rows and the transaction that they are of."""
    copied = 0
    async with remote.transaction(isolation="repeatable_read", readonly=True):
        head = await read_head(remote, schema)
        totals = {
            name: (rows, int(total))
            for name, rows, total in await remote.fetch(
                f"SELECT name, rows, total FROM {schema}.totals"
            )
        }
        into.execute("BEGIN IMMEDIATE")
        for table in tables_of(into):
            count = total = 0
            cursor = await remote.cursor(statements.selection(schema, table))
            while records := await cursor.fetch(BATCH_ROWS, timeout=PATIENCE_SECONDS):
                count += len(records)
                total += sum(record[1] for record in records)
                copied += insert(into, table, records, found)
            expected, sum_of_all = totals.get(table.name, (0, 0))
            if count != expected:
                found.append(f"table {table.name} has {count} rows instead of {expected}")
            elif total != sum_of_all:
                found.append(f"the {count} rows of {table.name} are not those that were written")
        into.execute("COMMIT")
    return copied, head


def insert(into: sqlite3.Connection, table: Table, records: Sequence[Any], found: list[str]) -> int:
    """Writes the rows that match their checksums, and notes the others; the caller holds a
    transaction. Returns their number."""
    rows = []
    for record in records:
        row = table.row_of(tuple(record))
        if row is None:
            found.append(f"row {record[0]} of {table.name} does not match its checksum")
        else:
            rows.append(row)
    marks = ", ".join("?" * len(table.written))
    into.executemany(
        f"INSERT OR IGNORE INTO {table.name} ({', '.join(table.written)}) VALUES ({marks})", rows
    )
    return len(rows)


def write_head(directory: Path, head: RemoteHead) -> None:
    """Writes `mad.head`."""
    file = HeadFile(directory / "mad.head")
    for commits in (max(head.commits, 1) - 1, head.commits):
        file.write(Head(head.seq, bytes(head.chain), commits))
    file.sync()
    file.close()


async def catch_up(remote: Any, schema: str, directory: Path, place: str, after: int) -> int | None:
    """Reads the rows that transactions later than `after` changed, and those that the file alone
    has changed. Returns their number; None when PostgreSQL does not know them any more.

    Raises `DamagedCopy`.
    """
    keys: dict[str, set[Key]] = defaultdict(set)
    found: list[str] = []
    copied = 0
    with contextlib.closing(connect(directory / "mad.db")) as db:
        async with remote.transaction(isolation="repeatable_read", readonly=True):
            head = await read_head(remote, schema)
            if head.base > after:
                return None
            changes = f"SELECT keys FROM {schema}.changes WHERE txn > $1"
            tables = {table.name: table for table in tables_of(db)}
            for (text,) in await remote.fetch(changes, after):
                for name, changed in changed_keys(text, tables, place).items():
                    keys[name].update(changed)
            db.execute("BEGIN IMMEDIATE")
            if db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (UNSENT,)).fetchone():
                for name, first, second in db.execute(f"SELECT * FROM {UNSENT}"):
                    keys[name].add(tables[name].key_of(first, second))
                db.execute(f"DELETE FROM {UNSENT}")
            for name, some in keys.items():
                _delete(db, tables[name], list(some))
            for name, some in keys.items():
                wanted = list(some)
                query = statements.selection(schema, tables[name], some=True)
                for first in range(0, len(wanted), BATCH_ROWS):
                    records = await remote.fetch(
                        query, wanted[first : first + BATCH_ROWS], timeout=PATIENCE_SECONDS
                    )
                    copied += insert(db, tables[name], records, found)
            if found:
                raise DamagedCopy(place, found)
            db.execute("COMMIT")
    write_head(directory, head)
    return copied


def changed_keys(text: str, tables: Container[str], place: str) -> dict[str, list[Key]]:
    """The keys of changed rows by table, of one transaction. Raises `DamagedCopy`."""
    try:
        found = json.loads(text)
        is_sound = all(
            name in tables and all(isinstance(key, (int, str)) for key in some)
            for name, some in found.items()
        )
    except (ValueError, TypeError, AttributeError, RecursionError):
        is_sound = False
    if not is_sound:
        raise DamagedCopy(place, ["the keys of a transaction were changed"])
    return dict(found)


def _delete(db: sqlite3.Connection, table: Table, keys: Sequence[Key]) -> None:
    columns = table.key or ("rowid",)
    where = " AND ".join(f"{one} = ?" for one in columns)
    db.executemany(f"DELETE FROM {table.name} WHERE {where}", map(table.parts_of, keys))
