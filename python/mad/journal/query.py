"""Parts of the queries of a journal: the records that one found, and its conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from mad.journal.selection import Page, TimeRange

T = TypeVar("T")
U = TypeVar("U")


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
