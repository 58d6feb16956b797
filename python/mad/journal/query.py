"""Queries of a journal, bounded in bytes and time: their conditions, and the records they found."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from mad.journal.selection import Page, Selection, TimeRange

#: Longest time of one query in seconds, and steps of SQLite between two looks at the clock.
QUERY_SECONDS = 10.0
_STEPS = 50_000
#: Incidents of lists. One that was merged is part of another, and is found by its id only.
LISTED = "data ->> '$.close_reason' IS NOT 'merged'"
#: The newest records of any time.
NEWEST = Selection()
T = TypeVar("T")
U = TypeVar("U")
Record = dict[str, Any]
Names = Mapping[str, str | None]
"""Values that columns must have; None allows any value."""


class Found(list[T]):
    """The records that a query found. `is_cut` says that it ended at the limit of bytes, so that
    further records follow."""

    def __init__(self, records: Iterable[T] = (), *, is_cut: bool = False) -> None:
        super().__init__(records)
        self.is_cut = is_cut

    def map(self, change: Callable[[T], U]) -> Found[U]:
        """The records after a change of each."""
        return Found((change(record) for record in self), is_cut=self.is_cut)


class Where:
    """The WHERE clause of a query: columns that must equal a value, and a time range."""

    def __init__(
        self, names: Mapping[str, str | int | None], within: TimeRange | None = None
    ) -> None:
        self._values: list[str | int] = []
        self._conditions: list[str] = []
        for column, value in names.items():
            if value is not None:
                self.add(f"{column} = ?", value)
        if within is not None and within.start is not None:
            self.add("at >= ?", within.start)
        if within is not None and within.end is not None:
            self.add("at < ?", within.end)

    def add(self, condition: str, *values: str | int) -> None:
        """Adds a condition with its values."""
        self._conditions.append(condition)
        self._values.extend(values)

    def values_of(self, page: Page) -> list[str | int]:
        """The values of the conditions, then those of LIMIT and OFFSET."""
        return [*self._values, page.limit, page.offset]

    def values_of_order(self, *order: str | int) -> list[str | int]:
        """The values of the conditions, then those of ORDER BY."""
        return [*self._values, *order]

    def holds(self, condition: str, wanted: bool) -> None:
        """Adds a condition where it is wanted."""
        if wanted:
            self._conditions.append(condition)

    def __str__(self) -> str:
        return f"WHERE {' AND '.join(self._conditions)}" if self._conditions else ""


def like_pattern(text: str) -> str:
    """A text whose characters have no special meaning in LIKE."""
    return "".join(f"\\{char}" if char in "\\%_" else char for char in text)


class Queries:
    """Queries committed data. Each thread has its own read-only connection.

    A list ends before it has more than `most_bytes` of text, but has one record at least. A query
    that takes longer than `QUERY_SECONDS` raises `sqlite3.OperationalError`.
    """

    def __init__(self, path: Path, *, most_bytes: int = 8 * 1024 * 1024) -> None:
        self._uri = f"{path.resolve().as_uri()}?mode=ro"
        self._most_bytes = most_bytes
        self._local = threading.local()

    def close(self) -> None:
        """Closes the connection of this thread."""
        db = getattr(self._local, "db", None)
        if db is not None:
            db.close()
            self._local.db = None

    def _texts(self, query: str, values: Iterable[Any]) -> Found[str]:
        found = self._bounded(query, values)
        return Found((text for (text,) in found), is_cut=found.is_cut)

    def _records(self, query: str, values: Iterable[Any]) -> Found[Record]:
        cursor = self._execute(query, values)
        names = [column[0] for column in cursor.description]
        found = self._within_bytes(cursor)
        return Found((dict(zip(names, row, strict=True)) for row in found), is_cut=found.is_cut)

    def _bounded(self, query: str, values: Iterable[Any]) -> Found[tuple[Any, ...]]:
        return self._within_bytes(self._execute(query, values))

    def _within_bytes(self, rows: Iterator[tuple[Any, ...]]) -> Found[tuple[Any, ...]]:
        found: Found[tuple[Any, ...]] = Found()
        size = 0
        for row in rows:
            size += sum(len(value) if isinstance(value, str) else 24 for value in row)
            if found and size > self._most_bytes:
                found.is_cut = True
                break
            found.append(row)
        return found

    def _all(self, query: str, values: Iterable[Any]) -> list[tuple[Any, ...]]:
        return self._execute(query, values).fetchall()

    def _execute(self, query: str, values: Iterable[Any]) -> sqlite3.Cursor:
        db: sqlite3.Connection | None = getattr(self._local, "db", None)
        if db is None:
            db = self._local.db = sqlite3.connect(self._uri, uri=True, isolation_level=None)
        end = monotonic() + QUERY_SECONDS
        db.set_progress_handler(lambda: monotonic() > end, _STEPS)
        return db.execute(query, tuple(values))
