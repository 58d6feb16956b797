"""Entries and table rows of a journal."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

#: One row of a table in the order of its columns; the core makes it.
Record = tuple[Any, ...]

TICK = "tick"
COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Entry:
    """One input of the pipeline: a batch of one kind of record, a tick or a command.

    `encoding` names the form of `body`: `text` (CSV or JSON Lines), `arrow` (an IPC stream), `json`
    (a command) or `time` (nanoseconds since 1970 as text).
    """

    kind: str
    body: bytes
    encoding: str = "text"
    partition: str = ""
    batch_id: str | None = None
    naive_offset_seconds: int | None = None
    seq: int = 0


@dataclass(slots=True)
class TableWrites:
    """Results of inputs as rows for the tables. Writing them twice changes nothing."""

    rows: list[Record] = field(default_factory=list)
    services: list[Record] = field(default_factory=list)
    points: list[Record] = field(default_factory=list)
    log_lines: list[Record] = field(default_factory=list)
    failures: list[Record] = field(default_factory=list)
    incidents: list[Record] = field(default_factory=list)
    history: list[Record] = field(default_factory=list)
    batches: list[Record] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(getattr(self, one.name) for one in fields(self))
