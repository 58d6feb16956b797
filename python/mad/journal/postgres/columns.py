"""The tables of the journal as PostgreSQL keeps them: one row for each row of SQLite, with its key,
its checksum and its columns."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any, TypeAlias

#: The key of a row: its rowid, or the text of its primary key.
Key: TypeAlias = int | str
#: Key, checksum, exact text or None, and the columns of a row.
Row: TypeAlias = tuple[Any, ...]

#: The types of PostgreSQL by those of SQLite, and the types of Python that fit them.
_TYPES: dict[str, tuple[str, type[Any]]] = {
    "INTEGER": ("bigint", int),
    "REAL": ("double precision", float),
    "BLOB": ("bytea", bytes),
    "TEXT": ("text", str),
    "": ("text", str),
}
#: The table of keys of rows that were changed and not sent yet.
UNSENT = "unsent"


@dataclass(frozen=True)
class Table:
    """A table, its columns with the types of SQLite, and the columns of its primary key. Without
    those the key is the rowid."""

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    key: tuple[str, ...]
    #: The column that is the rowid.
    rowid: str | None

    @cached_property
    def fits(self) -> tuple[type[Any], ...]:
        """The type of Python that fits each column."""
        return tuple(_TYPES[one][1] for one in self.types)

    @cached_property
    def remote_types(self) -> tuple[str, ...]:
        """The type of each column in PostgreSQL."""
        return tuple(_TYPES[one][0] for one in self.types)

    @property
    def key_type(self) -> str:
        """The type of the key in PostgreSQL."""
        return "text" if self.key else "bigint"

    def key_of(self, first: Any, second: Any) -> Key:
        """The key of a row in PostgreSQL from its parts in the table `unsent`."""
        if not self.key:
            return int(first)
        return json.dumps([_plain(one) for one in (first, second)[: len(self.key)]])

    def parts_of(self, key: Key) -> list[Any]:
        """The columns of the primary key, or the rowid, from a key in PostgreSQL."""
        return [_from_plain(one) for one in json.loads(str(key))] if self.key else [key]

    @property
    def written(self) -> tuple[str, ...]:
        """The columns that a restored row has: the rowid first, where it is no column."""
        is_hidden = not self.key and self.rowid is None
        return ("rowid", *self.columns) if is_hidden else self.columns

    def row_of(self, record: Row) -> tuple[Any, ...] | None:
        """The values of `written` of a row that PostgreSQL returned; None when it was changed."""
        values = self.decoded(record)
        if values is None or self.key or self.rowid is not None:
            return values
        return (record[0], *values)

    def encoded(self, key: Key, values: Sequence[Any]) -> Row:
        """A row as it is sent."""
        digest = row_digest(self.name, key, values)
        if all(
            value is None or (type(value) is fits and (fits is not str or "\0" not in value))
            for value, fits in zip(values, self.fits, strict=True)
        ):
            return (key, digest, None, *values)
        shown = [_shown(value, fits) for value, fits in zip(values, self.fits, strict=True)]
        return (key, digest, json.dumps([_plain(one) for one in values]), *shown)

    def decoded(self, row: Row) -> tuple[Any, ...] | None:
        """The columns of a row that PostgreSQL returned; None when it was changed."""
        key, digest, exact, *values = row
        try:
            if exact is not None:
                values = [_from_plain(one) for one in json.loads(exact)]
            is_sound = len(values) == len(self.columns)
            return (
                tuple(values) if is_sound and row_digest(self.name, key, values) == digest else None
            )
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            return None


def tables_of(db: sqlite3.Connection) -> list[Table]:
    """The tables of a journal."""
    found = []
    query = "SELECT name, sql FROM main.sqlite_master WHERE type = 'table' ORDER BY name"
    for name, sql in db.execute(query).fetchall():
        if name.startswith("sqlite_") or name == UNSENT:
            continue
        columns = db.execute(f"PRAGMA main.table_info({name})").fetchall()
        primary = [(column[5], column[1], column[2]) for column in columns if column[5]]
        has_rowid = "WITHOUT ROWID" not in sql
        is_rowid = has_rowid and [one[2] for one in primary] == ["INTEGER"]
        found.append(
            Table(
                name,
                tuple(column[1] for column in columns),
                tuple(column[2] for column in columns),
                () if has_rowid else tuple(column for _, column, _ in sorted(primary)),
                primary[0][1] if is_rowid else None,
            )
        )
    return found


def row_digest(table: str, key: Key, values: Sequence[Any]) -> int:
    """The checksum of a row: 64 bits of BLAKE2b over its table, its key and its columns. It finds
    damage, not forgery."""
    # bytes are replaced by their length, and follow
    fields = [[len(one)] if type(one) is bytes else one for one in values]
    text = json.dumps([table, key, fields])
    digest = blake2b(text.encode(), digest_size=8, person=b"mad row")
    for one in values:
        if type(one) is bytes:
            digest.update(one)
    return int.from_bytes(digest.digest(), "big", signed=True)


def _plain(value: Any) -> Any:
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def _from_plain(value: Any) -> Any:
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value


def _shown(value: Any, fits: type[Any]) -> Any:
    """A value that its column in PostgreSQL can hold."""
    if fits is str and value is not None:
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return value if type(value) is fits else None
