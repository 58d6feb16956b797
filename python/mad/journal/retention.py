"""Deletes the oldest rows of the tables beyond their retention."""

from __future__ import annotations

import sqlite3

from mad.config.server import Retention
from mad.journal.alerts import forget_alerts

#: Tables that are cut when the journal has too many bytes, and the columns with their texts.
_CUT = {
    "rows": "data",
    "services": "data",
    "points": "body",
    "log_lines": "body",
    "failures": "service",
    "incidents": "document",
    "history": "data",
    "batches": "problems",
    "alerts": "document",
}
#: Rows of a table by which the size of a row is estimated.
_SAMPLE = 50
#: Share of the rows of the largest table that one pass deletes, and passes of a checkpoint.
_PASS_SHARE, _PASSES = 10, 20


def forget(db: sqlite3.Connection, retention: Retention) -> None:
    """Deletes the oldest rows beyond the retention; the caller holds a transaction."""
    _delete_oldest_points(db, retention.points)
    for table in _CUT.keys() - {"incidents", "alerts", "points"}:
        _delete_oldest(db, table, getattr(retention, table))
    for refused, most in ((0, retention.audit), (1, retention.audit // 10)):
        db.execute(
            "DELETE FROM audit WHERE refused = ? AND id <= (SELECT id FROM audit "
            "WHERE refused = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
            (refused, refused, most),
        )
    db.execute(
        "DELETE FROM incidents WHERE status = 'resolved' AND id IN (SELECT id FROM incidents "
        "ORDER BY start DESC, id LIMIT -1 OFFSET ?)",
        (retention.incidents,),
    )
    forget_alerts(db, retention.alerts)
    for _ in range(_PASSES):
        if used_bytes(db) <= retention.bytes or not _cut_largest(db):
            break
    db.execute("DELETE FROM notes WHERE incident NOT IN (SELECT id FROM incidents)")


def clear_covered(db: sqlite3.Connection, seq: int, most: int) -> None:
    """Deletes entries that a checkpoint up to `seq` covers, in small steps, because they are
    large. The caller holds a transaction."""
    db.execute(
        "DELETE FROM journal WHERE seq IN "
        "(SELECT seq FROM journal WHERE seq <= ? ORDER BY seq LIMIT ?)",
        (seq, most),
    )


def used_bytes(db: sqlite3.Connection) -> int:
    """Bytes of the pages in use."""
    pages, free, size = (
        int(db.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _cut_largest(db: sqlite3.Connection) -> bool:
    """Deletes the oldest tenth of the table with the most bytes; False when nothing is left."""
    sizes = {table: _estimated_bytes(db, table, text) for table, text in _CUT.items()}
    table = max(sizes, key=lambda name: sizes[name])
    if table == "incidents":
        changed = db.execute(
            "DELETE FROM incidents WHERE status = 'resolved' AND id IN (SELECT id FROM incidents "
            "WHERE status = 'resolved' ORDER BY start, id "
            f"LIMIT (SELECT count(*) / {_PASS_SHARE} + 1 FROM incidents))"
        ).rowcount
        return changed > 0
    first, last = _range(db, table)
    return _delete_oldest(db, table, (last - first + 1) * (_PASS_SHARE - 1) // _PASS_SHARE) > 0


def _estimated_bytes(db: sqlite3.Connection, table: str, text: str) -> float:
    first, last = _range(db, table)
    (size,) = db.execute(
        f"SELECT avg(length({text})) FROM (SELECT {text} FROM {table} ORDER BY rowid "
        f"LIMIT {_SAMPLE})"
    ).fetchone()
    # a row also has its other columns and its indexes
    return (last - first + 1) * ((size or 0) + 100.0) if last else 0.0


def _range(db: sqlite3.Connection, table: str) -> tuple[int, int]:
    first, last = db.execute(f"SELECT min(rowid), max(rowid) FROM {table}").fetchone()
    return first or 0, last or 0


def _delete_oldest(db: sqlite3.Connection, table: str, most: int) -> int:
    return db.execute(
        f"DELETE FROM {table} WHERE rowid <= (SELECT max(rowid) FROM {table}) - ?", (most,)
    ).rowcount


def _delete_oldest_points(db: sqlite3.Connection, most: int) -> None:
    """Deletes the oldest blocks while the others have `most` points."""
    db.execute(
        "DELETE FROM points WHERE rowid <= (SELECT max(block) FROM (SELECT rowid AS block, "
        "sum(number) OVER (ORDER BY rowid DESC) - number AS newer FROM points) WHERE newer >= ?)",
        (most,),
    )
