"""What a query of the journal selects."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimeRange:
    """From `start` (included) to `end` (excluded), nanoseconds since 1970; None is open."""

    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """At most `limit` records after the first `offset`."""

    limit: int = 200
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records a query returns: a time range, a page of it, and flagged rows only."""

    within: TimeRange = TimeRange()
    page: Page = Page()
    flagged: bool = False

    @classmethod
    def first(cls, limit: int, *, flagged: bool = False) -> Selection:
        """The first `limit` records of any time."""
        return cls(page=Page(limit), flagged=flagged)
