"""Writes to the tables of results."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import cache
from itertools import chain

from mad.journal.alerts import write_alerts
from mad.journal.entries import AuditLine, Entry, TableWrites, utc_now

_COLUMNS = {
    "rows": 12,
    "services": 12,
    "points": 5,
    "log_lines": 7,
    "failures": 10,
    "incidents": 10,
    "history": 6,
    "batches": 8,
}
#: Records of one statement. Together they take a third less time than one by one. SQLite before
#: 3.32 takes 999 values, and the widest table has 12 columns.
_TOGETHER = 80
#: The newest entries that are kept after they were set aside.
SET_ASIDE = 1_000
#: The most bytes of them.
SET_ASIDE_BYTES = 256 * 1024 * 1024


def write_tables(db: sqlite3.Connection, writes: TableWrites) -> None:
    """Writes results; the caller holds a transaction."""
    for table, columns in _COLUMNS.items():
        records = getattr(writes, table)
        alone = len(records) % _TOGETHER
        if alone:
            db.executemany(_insert(table, columns, 1), records[:alone])
        insert = _insert(table, columns, _TOGETHER)
        for first in range(alone, len(records), _TOGETHER):
            together = records[first : first + _TOGETHER]
            db.execute(insert, list(chain.from_iterable(together)))
    write_audit(db, writes.audit)
    write_alerts(db, writes.alerts)


@cache
def _insert(table: str, columns: int, records: int) -> str:
    """The statement that writes a number of records to a table."""
    record = f"({', '.join('?' * columns)})"
    return f"INSERT OR REPLACE INTO {table} VALUES {', '.join([record] * records)}"


def write_audit(db: sqlite3.Connection, lines: Sequence[AuditLine]) -> None:
    """Writes lines of the audit trail; one of a known entry is ignored. The caller holds a
    transaction."""
    db.executemany(
        "INSERT OR IGNORE INTO audit (seq, refused, written_at, who, action, target, outcome, "
        "text) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [line.record() for line in lines],
    )


def write_note(db: sqlite3.Connection, incident: str, who: str, kind: str, text: str) -> bool:
    """Saves a comment or feedback with its line in the audit trail. False when the same note of the
    same person is saved already. The caller holds a transaction."""
    fields = (incident, who, kind, text)
    known = "SELECT 1 FROM notes WHERE (incident, who, kind, text) = (?, ?, ?, ?)"
    if db.execute(known, fields).fetchone() is not None:
        return False
    db.execute(
        "INSERT INTO notes (incident, who, kind, text, written_at) VALUES (?, ?, ?, ?, ?)",
        (*fields, utc_now()),
    )
    write_audit(db, [AuditLine(who, kind, incident, "saved")])
    return True


def known_batch(
    db: sqlite3.Connection, key: tuple[str, str, str]
) -> tuple[bytes, int, int, int, str] | None:
    """Digest, number, accepted, rejected and problems of an accepted batch."""
    found: tuple[bytes, int, int, int, str] | None = db.execute(
        "SELECT digest, seq, accepted, rejected, problems FROM batches "
        "WHERE (kind, partition, batch_id) = (?, ?, ?)",
        key,
    ).fetchone()
    return found


def reason_set_aside(db: sqlite3.Connection, key: tuple[str, str, str]) -> str | None:
    """Why the last batch with this key was set aside; None if none was."""
    found = db.execute(
        "SELECT reason FROM set_aside WHERE (kind, partition, batch_id) = (?, ?, ?) "
        "ORDER BY seq DESC LIMIT 1",
        key,
    ).fetchone()
    return found and str(found[0])


def set_aside(db: sqlite3.Connection, entry: Entry, why: str) -> None:
    """Keeps an entry that could not be judged; the caller holds a transaction."""
    fields = (entry.seq, entry.kind, entry.format, entry.partition, entry.batch_id)
    db.execute(
        "INSERT OR REPLACE INTO set_aside VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*fields, entry.naive_offset_seconds, entry.body, utc_now(), why[:2_000]),
    )
    # the numbers stay as long as the journal has the entries
    db.execute(
        "UPDATE set_aside SET body = x'' WHERE seq NOT IN (SELECT seq FROM (SELECT seq, "
        "sum(length(body)) OVER (ORDER BY seq DESC) AS bytes FROM set_aside "
        "ORDER BY seq DESC LIMIT ?) WHERE bytes <= ?) AND seq <> ?",
        (SET_ASIDE, SET_ASIDE_BYTES, entry.seq),
    )
