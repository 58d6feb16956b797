"""Finds the rows that transactions of SQLite change, by triggers of the writing connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from mad.journal.postgres.columns import UNSENT, Key, Row, Table, tables_of

#: Name of a table, and the parts of a key.
Changed: TypeAlias = tuple[str, Any, Any]
#: Bytes and rows of one statement.
CHUNK_BYTES, CHUNK_ROWS = 32 * 1024 * 1024, 20_000


@dataclass
class TableChange:
    """The rows of a table that are written, and the keys of those that are deleted."""

    table: Table
    rows: list[Row] = field(default_factory=list)
    gone: list[Key] = field(default_factory=list)

    def keys(self) -> list[Key]:
        """The keys of all of them."""
        return [*self.gone, *(row[0] for row in self.rows)]


class ChangeLog:
    """The keys of changed rows, in the table `unsent` of the journal. They are written in the
    transaction of the change and deleted in the one that sends the rows.

    The triggers belong to the connection: a file that is opened without them has none.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.tables = tables_of(db)
        db.execute(f"CREATE TABLE IF NOT EXISTS {UNSENT} (name TEXT NOT NULL, first, second)")
        # a row that REPLACE deletes fires the trigger of a deletion only with this setting
        db.execute("PRAGMA recursive_triggers = ON")
        for table in self.tables:
            for event, row in (("INSERT", "new"), ("UPDATE", "new"), ("DELETE", "old")):
                # a probe of the disk needs no copy
                when = f"WHEN {row}.key <> 'probe'" if table.name == "meta" else ""
                keys = [f"{row}.{one}" for one in table.key or ("rowid",)]
                first, second = [*keys, "NULL"][:2]
                db.execute(
                    f"CREATE TEMP TRIGGER unsent_{table.name}_{event} AFTER {event} "
                    f"ON main.{table.name} {when} BEGIN INSERT INTO {UNSENT} "
                    f"VALUES ('{table.name}', {first}, {second}); END"
                )

    def keys(self) -> list[Changed]:
        """The keys that wait."""
        return self._db.execute(f"SELECT DISTINCT name, first, second FROM {UNSENT}").fetchall()

    def is_empty(self) -> bool:
        """Whether all is sent."""
        return self._db.execute(f"SELECT 1 FROM {UNSENT} LIMIT 1").fetchone() is None

    def add(self, keys: Sequence[Changed]) -> None:
        """Adds keys; the caller holds a transaction."""
        self._db.executemany(f"INSERT INTO {UNSENT} VALUES (?, ?, ?)", keys)

    def add_all(self) -> None:
        """Adds the key of every row; the caller holds a transaction."""
        for table in self.tables:
            first, second = [*(table.key or ("rowid",)), "NULL"][:2]
            self._db.execute(
                f"INSERT INTO {UNSENT} SELECT '{table.name}', {first}, {second} FROM {table.name}"
            )

    def mark(self, key: str, text: str) -> None:
        """Writes a row of the table `meta`; the caller holds a transaction."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, text))

    def clear(self) -> None:
        """Deletes the keys after their rows were sent; the caller holds a transaction."""
        self._db.execute(f"DELETE FROM {UNSENT}")

    def chunks(self) -> Iterator[list[TableChange]]:
        """The changed rows as they are now, in pieces of a bounded size. There is at least one
        piece, which may be empty."""
        piece: list[TableChange] = []
        count = size = 0
        for table in self.tables:
            change = TableChange(table)
            for key, row in self._rows(table):
                if row is None:
                    change.gone.append(key)
                else:
                    change.rows.append(row)
                    size += sum(len(one) for one in row if isinstance(one, (bytes, str)))
                count += 1
                if count >= CHUNK_ROWS or size >= CHUNK_BYTES:
                    yield [*piece, change]
                    piece, change, count, size = [], TableChange(table), 0, 0
            if change.rows or change.gone:
                piece.append(change)
        yield piece

    def _rows(self, table: Table) -> Iterator[tuple[Key, Row | None]]:
        """The keys of changed rows with the rows; None for a deleted one."""
        keys = table.key or ("rowid",)
        on = " AND ".join(
            f"t.{one} = u.{part}" for one, part in zip(keys, ("first", "second"), strict=False)
        )
        found = self._db.execute(
            f"SELECT u.first, u.second, t.{keys[0]}, t.* FROM (SELECT DISTINCT first, second "
            f"FROM {UNSENT} WHERE name = ?) AS u LEFT JOIN {table.name} AS t ON {on}",
            (table.name,),
        )
        for first, second, exists, *values in found:
            key = table.key_of(first, second)
            yield key, None if exists is None else table.encoded(key, values)
