"""The journal in SQLite: one file with one writer; data is on disk before it is acknowledged."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeAlias

from mad.errors import StateError, reason
from mad.journal.entries import Entry, TableWrites
from mad.journal.lock import Lock
from mad.journal.retention import Retention
from mad.journal.schema import migrate

#: Page size in bytes. Batches are large, so large pages are written faster.
PAGE_BYTES = 16_384
#: The largest number of pages that SQLite allows.
MOST_PAGES = 2**32 - 2
#: Pages of the write-ahead log after which SQLite copies it back into the file.
LOG_PAGES = 1_000
#: Most entries that one commit deletes after a checkpoint has covered them.
CLEARED = 16

#: Parts of the state by key; None deletes one.
EntityParts: TypeAlias = Sequence[tuple[int, bytes | None]]
IncidentParts: TypeAlias = Sequence[tuple[str, bytes | None]]
#: What changed since the last checkpoint: the global part, entities and closed incidents.
Delta: TypeAlias = tuple[bytes, EntityParts, IncidentParts]

_ENTRY = "seq, kind, encoding, partition, batch_id, naive_offset_seconds, body"
_TABLES = {
    "rows": 12,
    "services": 12,
    "points": 8,
    "log_lines": 7,
    "failures": 8,
    "incidents": 10,
    "history": 6,
    "batches": 5,
}
_INSERT = {
    table: f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * columns)})"
    for table, columns in _TABLES.items()
}


class Journal:
    """Inputs since the last checkpoint, the checkpoint, and the tables of results.

    Only the thread of the engine writes through it; readers open their own connections.

    Raises `StateError` when the directory is not writable, another server uses it, or the file is
    damaged, of a newer version or not a journal.
    """

    def __init__(self, directory: Path, *, retention: Retention | None = None) -> None:
        self.directory = directory
        self.path = directory / "mad.db"
        self.retention = retention or Retention()
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = Lock(directory)
        except OSError as error:
            raise StateError(
                f"{directory}: {reason(error)}", "give a writable directory"
            ) from error
        try:
            self._db = self._open()
        except BaseException:
            self._lock.release()
            raise
        self.checkpoint_seq = int(self._meta("checkpoint_seq", 0))
        (newest,) = self._db.execute("SELECT max(seq) FROM journal").fetchone()
        self.seq = max(self.checkpoint_seq, newest or 0)

    def _open(self) -> sqlite3.Connection:
        try:
            db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            # Deleted pages are overwritten when their space is needed, not before.
            db.execute("PRAGMA secure_delete = OFF")
            db.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
            db.execute(f"PRAGMA journal_size_limit = {2 * LOG_PAGES * PAGE_BYTES}")
            migrate(db, str(self.path))
        except sqlite3.Error as error:
            raise StateError(
                f"{self.path}: {error}", "restore it from a copy, or give another --data"
            ) from error
        return db

    def append(self, entries: Sequence[Entry], writes: TableWrites) -> list[int]:
        """Commits inputs and the results of earlier ones; returns the numbers of the inputs.

        Raises `sqlite3.Error` when nothing was written, for example because the disk is full.
        """
        first = self.seq + 1
        numbered = [
            (
                first + place,
                entry.kind,
                entry.encoding,
                entry.partition,
                entry.batch_id,
                entry.naive_offset_seconds,
                entry.body,
            )
            for place, entry in enumerate(entries)
        ]
        with self._transaction():
            self._db.executemany(
                f"INSERT INTO journal ({_ENTRY}) VALUES (?, ?, ?, ?, ?, ?, ?)", numbered
            )
            self._write_tables(writes)
            self._clear()
        self.seq += len(entries)
        return list(range(first, self.seq + 1))

    def write_tables(self, writes: TableWrites) -> None:
        """Writes results to the tables."""
        with self._transaction():
            self._write_tables(writes)

    def checkpoint(
        self,
        delta: Delta,
        writes: TableWrites,
        meta: dict[str, int | str],
    ) -> None:
        """Saves the state as of the newest entry and deletes the entries that it covers in one
        transaction, so that recovery reads only the entries after `checkpoint_seq`."""
        global_part, entities, incidents = delta
        with self._transaction():
            self._write_tables(writes)
            self._save_parts("state", [(-1, global_part), *entities])
            self._save_parts("closed_incidents", incidents)
            for key, value in {**meta, "checkpoint_seq": self.seq}.items():
                self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
            self._forget()
        self.checkpoint_seq = self.seq

    def _save_parts(self, table: str, parts: EntityParts | IncidentParts) -> None:
        """Replaces parts of the state by their keys; one without bytes is deleted."""
        kept = [(key, part) for key, part in parts if part is not None]
        self._db.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", kept)
        gone = [(key,) for key, part in parts if part is None]
        self._db.executemany(f"DELETE FROM {table} WHERE id = ?", gone)

    def forget_state(self) -> None:
        """Deletes the saved state and the inputs since then; the tables stay."""
        with self._transaction():
            self._db.execute("DELETE FROM state")
            self._db.execute("DELETE FROM closed_incidents")
            self._db.execute("DELETE FROM journal")
            self._db.execute(
                "INSERT OR REPLACE INTO meta VALUES ('checkpoint_seq', ?)", (self.seq,)
            )
        self.checkpoint_seq = self.seq

    def state(self) -> tuple[bytes, list[tuple[int, bytes]], list[tuple[str, bytes]]] | None:
        """The global part, the entity parts and the parts of closed incidents of the last
        checkpoint; None before the first."""
        global_part = self._db.execute("SELECT part FROM state WHERE id = -1").fetchone()
        if global_part is None:
            return None
        entities = self._db.execute("SELECT id, part FROM state WHERE id >= 0 ORDER BY id")
        incidents = self._db.execute("SELECT id, part FROM closed_incidents ORDER BY id")
        return global_part[0], entities.fetchall(), incidents.fetchall()

    def entries(self) -> Iterator[Entry]:
        """Inputs since the last checkpoint, in order."""
        cursor = self._db.execute(
            f"SELECT {_ENTRY} FROM journal WHERE seq > ? ORDER BY seq", (self.checkpoint_seq,)
        )
        for seq, kind, encoding, partition, batch_id, naive, body in cursor:
            yield Entry(kind, body, encoding, partition, batch_id, naive, seq)

    def batch(self, batch_id: str) -> tuple[int, int, int, str] | None:
        """Number, accepted, rejected and problems of an accepted batch; None for an unknown id."""
        found: tuple[int, int, int, str] | None = self._db.execute(
            "SELECT seq, accepted, rejected, problems FROM batches WHERE batch_id = ?", (batch_id,)
        ).fetchone()
        return found

    def meta(self, key: str, default: int = 0) -> int:
        """A number that a checkpoint saved."""
        return int(self._meta(key, default))

    def note(self, incident: str, who: str, kind: str, text: str) -> None:
        """Saves a comment or feedback on an incident."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO notes (incident, written_at, who, kind, text) VALUES (?, ?, ?, ?, ?)",
                (incident, _now(), who, kind, text),
            )

    def audit(self, who: str, action: str, target: str, outcome: str) -> None:
        """Adds a line to the audit trail."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO audit (written_at, who, action, target, outcome) "
                "VALUES (?, ?, ?, ?, ?)",
                (_now(), who, action, target, outcome),
            )

    def limit_growth(self, size: int | None) -> None:
        """Limits the growth of the file from now on to `size` bytes; None removes the limit.

        A write beyond the limit fails like a write to a full disk.
        """
        (pages,) = self._db.execute("PRAGMA page_count").fetchone()
        most = MOST_PAGES if size is None else pages + size // PAGE_BYTES
        self._db.execute(f"PRAGMA max_page_count = {most}")

    def close(self) -> None:
        """Closes the file and releases the lock."""
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("PRAGMA optimize")
        self._db.close()
        self._lock.release()

    def _write_tables(self, writes: TableWrites) -> None:
        for table in _TABLES:
            records = getattr(writes, table)
            if records:
                self._db.executemany(_INSERT[table], records)

    def _clear(self) -> None:
        """Deletes covered entries in small steps, because they are large."""
        self._db.execute(
            "DELETE FROM journal WHERE seq IN "
            "(SELECT seq FROM journal WHERE seq <= ? ORDER BY seq LIMIT ?)",
            (self.checkpoint_seq, CLEARED),
        )

    def _forget(self) -> None:
        for table in _TABLES.keys() - {"incidents"} | {"audit"}:
            most = getattr(self.retention, table)
            self._db.execute(
                f"DELETE FROM {table} WHERE rowid <= (SELECT max(rowid) FROM {table}) - ?", (most,)
            )
        self._db.execute(
            "DELETE FROM incidents WHERE status = 'resolved' AND id IN (SELECT id FROM incidents "
            "ORDER BY start DESC, id LIMIT -1 OFFSET ?)",
            (self.retention.incidents,),
        )
        self._db.execute("DELETE FROM notes WHERE incident NOT IN (SELECT id FROM incidents)")

    def _meta(self, key: str, default: int) -> int | str:
        found = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return default if found is None else found[0]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
