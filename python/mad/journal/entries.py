"""Entries and table rows of a journal."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timezone
from typing import Any, TypeAlias

#: One row of a table in the order of its columns; the core makes it.
Record = tuple[Any, ...]
#: How far the parts of sources were read, by source and part; None forgets a part.
SourcePositions: TypeAlias = Mapping[str, Mapping[str, Any]]

TICK = "tick"
COMMAND = "command"
#: The watermark is paused (body `1`) or follows the clock again (`0`); jumps of the clock are
#: refused (`live`) or followed (`jumps`); or the second stage continues without a partition, whose
#: name follows `WITHOUT`.
HOLD = "hold"
WITHOUT = b"without "
#: Results of another process: rows for the tables, and what the second stage groups.
RESULTS = "results"
#: An entry without input: it takes the number of the last one that a recovery could not keep.
LOST = "lost"


def utc_now() -> str:
    """The present time of the host in RFC 3339."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Entry:
    """One input of the pipeline: a batch of one kind of record, a tick or a command.

    `format` names the form of `body`: `text` (CSV or JSON Lines), `arrow` (an IPC stream), `json`
    (a command), `time` (nanoseconds since 1970 as text), or the name of a file format such as
    `otlp-pb`. A replay decodes a body with the decoder of its format. Where a format may hold
    several kinds of records, `kind` is the main one.
    """

    kind: str
    body: bytes
    format: str = "text"
    partition: str = ""
    batch_id: str | None = None
    naive_offset_seconds: int | None = None
    seq: int = 0

    @property
    def key(self) -> tuple[str, str, str] | None:
        """What identifies a batch that is sent again: kind, partition and batch id. None without a
        batch id."""
        return None if self.batch_id is None else (self.kind, self.partition, self.batch_id)

    @property
    def digest(self) -> bytes:
        """A hash of the body. It distinguishes a repeated batch from another one that has the same
        key."""
        return hashlib.blake2b(self.body, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class AuditLine:
    """Who did what to which target, when, the outcome, and the reason in `text`.

    `refused` marks a request that was refused before it reached a route. Refused requests have a
    separate limit in the audit trail, so that they never push out commands. `seq` is the number of
    the journal entry of a command, so that a replay writes no second line.
    """

    who: str
    action: str
    target: str = ""
    outcome: str = "done"
    text: str = ""
    refused: bool = False
    seq: int | None = None
    written_at: str = field(default_factory=utc_now)

    def record(self) -> Record:
        """The row of the table `audit`, without its id."""
        return (
            self.seq,
            self.refused,
            self.written_at,
            self.who,
            self.action,
            self.target,
            self.outcome,
            self.text,
        )


@dataclass(frozen=True, slots=True)
class Alert:
    """An event of an incident that people want to know: its entry and place, the incident, the
    event, when (event time), the state of the decisions after it, the document of the notification
    (JSON), and the sinks that receive it.

    A message about the end of an incident is held, so that it can be withdrawn when the incident
    returns: until an event time, or for a time.
    """

    seq: int
    position: int
    incident: str
    event: str
    at: int
    state: str
    document: str
    sinks: tuple[str, ...]
    hold_until: int = 0
    hold_seconds: float = 0.0


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
    audit: list[AuditLine] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)

    def judged(self) -> int:
        """Number of rows and points."""
        return len(self.rows) + sum(int(block[2]) for block in self.points)

    def __bool__(self) -> bool:
        return any(getattr(self, one.name) for one in fields(self))
