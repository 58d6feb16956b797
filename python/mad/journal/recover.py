"""Makes a sound journal of a damaged one: `mad serve --recover`."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mad.errors import StateError
from mad.journal.damage import RECOVERING, DamagedJournal, entries_text, sync_directory
from mad.journal.digest import START, entry_digest, is_sound, link
from mad.journal.entries import LOST, Entry
from mad.journal.head import Head, HeadFile
from mad.journal.lock import Lock
from mad.journal.opening import UNREADABLE
from mad.journal.schema import connect
from mad.journal.stored import ENTRY, CheckpointRecord, StoredInputs, entry_of, save_record

_FILES = ("mad.db", "mad.db-wal", "mad.head")
#: The database and the head of the new journal until they are complete.
_NEW = ("recovered.db", "recovered.head")
#: Tables that are copied row by row, as far as they can be read.
_TABLES = (
    "set_aside",
    "positions",
    "batches",
    "rows",
    "services",
    "points",
    "log_lines",
    "failures",
    "incidents",
    "history",
    "notes",
    "audit",
    "alerts",
    "deliveries",
)
#: Smaller than every row id.
BEFORE_ALL = -(2**63)


def recover(directory: Path) -> str:
    """Moves the damaged files into a directory beside them and copies all that is sound into a new
    journal: the state if it is whole, the entries that match their checksums, and the rows of the
    tables.

    The new journal gets its name when it is complete. After an interruption the damaged files are
    put back and no server starts on the directory until it is recovered.

    Returns a text about kept and lost data. Raises `StateError` when there is no journal.
    """
    marker = directory / RECOVERING
    if not any((directory / name).exists() for name in ("mad.db", "mad.head", RECOVERING)):
        raise StateError(f"{directory}: there is no journal to recover", "start without --recover")
    lock = Lock(directory)
    try:
        _put_back(directory)
        now = datetime.now(timezone.utc)
        aside = directory / f"damaged-{now.strftime('%Y%m%dT%H%M%S.%f')}"
        aside.mkdir(mode=0o700)
        marker.write_text(aside.name, "utf-8")
        sync_directory(directory)
        for name in _FILES:
            with contextlib.suppress(FileNotFoundError):
                (directory / name).rename(aside / name)
        for name in ("mad.db-shm", "mad.replay"):
            (directory / name).unlink(missing_ok=True)
        new_db, new_head = (directory / name for name in _NEW)
        with contextlib.closing(connect(new_db)) as into:
            report = _copy(aside, into, new_head, now)
        # closing merged the log into the new database
        new_db.rename(directory / "mad.db")
        new_head.rename(directory / "mad.head")
        sync_directory(directory)
        marker.unlink()
        return f"{report}; the damaged files are in {aside}"
    finally:
        lock.release()


def _put_back(directory: Path) -> None:
    """Undoes a recovery that was interrupted."""
    marker = directory / RECOVERING
    if not marker.exists():
        return
    for name in _NEW:
        for ending in ("", "-wal", "-shm"):
            (directory / f"{name}{ending}").unlink(missing_ok=True)
    # without a name the interruption came before the first move
    if name := marker.read_text("utf-8"):
        aside = directory / name
        for name in _FILES:
            if (aside / name).exists():
                (aside / name).replace(directory / name)
        (aside / "mad.db-shm").unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            aside.rmdir()
    sync_directory(directory)
    marker.unlink()


def _copy(aside: Path, into: sqlite3.Connection, head_path: Path, now: datetime) -> str:
    head_file = HeadFile(aside / "mad.head")
    head = head_file.read() or Head()
    head_file.close()
    into.execute("BEGIN IMMEDIATE")
    losses: list[str] = []
    try:
        uri = f"{(aside / 'mad.db').resolve().as_uri()}?mode=ro"
        source = sqlite3.connect(uri, uri=True)
    except sqlite3.Error:
        losses.append("the database cannot be opened")
        new = _NewChain(into, CheckpointRecord())
    else:
        with contextlib.closing(source):
            new = _NewChain(into, _copy_state(source, aside / "mad.db", into, losses))
            for entry in _sound_entries(source, new.record.seq):
                new.add(entry, losses)
            for table in _TABLES:
                _copy_table(source, into, table, losses)
    new.finish(head, losses)
    what = "; ".join(losses) or "nothing is lost"
    into.execute(
        "INSERT INTO audit (refused, written_at, who, action, target, outcome) "
        "VALUES (0, ?, 'mad', 'recover', ?, ?)",
        (now.isoformat(timespec="milliseconds"), str(aside), what[:2_000]),
    )
    into.execute("INSERT OR REPLACE INTO meta VALUES ('commits', ?)", (head.commits,))
    into.execute("COMMIT")
    new_head = HeadFile(head_path)
    for commits in (head.commits, max(head.commits, 1) - 1):
        new_head.write(Head(new.seq, new.chain, commits))
    new_head.sync()
    new_head.close()
    return f"recovered {new.kept} entries after checkpoint {new.record.seq}: {what}"


def _copy_state(
    source: sqlite3.Connection, path: Path, into: sqlite3.Connection, losses: list[str]
) -> CheckpointRecord:
    """Copies the state when it is whole; without it the server learns again."""
    try:
        stored = StoredInputs(source, path)
        record = stored.checkpoint
        stored.state()
        for table in ("state", "closed_incidents"):
            rows = source.execute(f"SELECT id, part, digest FROM {table}").fetchall()
            into.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", rows)
    except (*UNREADABLE, DamagedJournal):
        for table in ("state", "closed_incidents"):
            into.execute(f"DELETE FROM {table}")
        losses.append("the learnt state is damaged and was dropped")
        return CheckpointRecord()
    return record


def _sound_entries(source: sqlite3.Connection, after: int) -> Iterator[Entry]:
    """Entries after a checkpoint that match their checksums."""
    for digest, *row in _readable_rows(source, f"digest, {ENTRY}", "journal", "seq", after):
        with contextlib.suppress(*UNREADABLE):
            entry = entry_of(tuple(row))
            if is_sound(entry, digest):
                yield entry


def _readable_rows(
    source: sqlite3.Connection, columns: str, table: str, key: str, after: int
) -> Iterator[tuple[Any, ...]]:
    """Rows with a key above `after` in order: those up to a place that cannot be read, and those
    behind it. The second of `columns` is the key. One row is in memory at a time."""
    read = f"SELECT {columns} FROM {table} WHERE {key} > ? ORDER BY {key}"
    with contextlib.suppress(*UNREADABLE):
        for row in source.execute(read, (after,)):
            after = row[1]
            yield row
        return
    # from the end, the rows behind the last unreadable place can be reached
    start = None
    with contextlib.suppress(*UNREADABLE):
        for row in source.execute(f"{read} DESC", (after,)):
            start = row[1]
    if start is not None:
        with contextlib.suppress(*UNREADABLE):
            yield from source.execute(read, (start - 1,))


def _copy_table(
    source: sqlite3.Connection, into: sqlite3.Connection, table: str, losses: list[str]
) -> None:
    try:
        columns = len(into.execute(f"SELECT * FROM {table} LIMIT 0").description)
        (expected,) = source.execute(f"SELECT count(*) FROM {table}").fetchone()
    except UNREADABLE:
        expected = None
    insert = f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * columns)})"
    copied = 0
    for row in _readable_rows(source, "0, rowid, *", table, "rowid", BEFORE_ALL):
        with contextlib.suppress(*UNREADABLE):
            copied += into.execute(insert, row[2:]).rowcount
    if expected != copied:
        losses.append(f"table {table}: {copied} of {expected or 'an unknown number of'} rows kept")


class _NewChain:
    """Writes sound entries as a new chain, and notes which are lost."""

    def __init__(self, into: sqlite3.Connection, record: CheckpointRecord) -> None:
        self._into = into
        #: The checkpoint after which the entries follow.
        self.record = record
        self.seq = record.seq
        self.chain = bytes.fromhex(record.chain) if record.seq else START
        #: The number before the first entry.
        self._base: int | None = record.seq or None
        #: How many entries were kept.
        self.kept = 0

    def add(self, entry: Entry, losses: list[str]) -> None:
        """Writes the next entry."""
        if self._base is None:
            # without a checkpoint nothing says what came before the first entry
            self._base = self.seq = entry.seq - 1
        self._note_gap(entry.seq - 1, losses)
        self._write(entry)
        self.kept += 1

    def finish(self, head: Head, losses: list[str]) -> None:
        """Writes the end of the chain and the record of the checkpoint."""
        last = max(head.seq, self.seq)
        if self._base is None:
            if last:
                losses.append(f"{entries_text(1, last)} lost")
            self._base = self.seq = last
        elif last > self.seq:
            self._note_gap(last, losses)
            # keeps the numbers of lost entries from being given again
            self._write(Entry(LOST, b"recovered", "text", seq=last))
        chain = self.record.chain if self.record.seq else START.hex()
        save_record(self._into, replace(self.record, seq=self._base, chain=chain))

    def _note_gap(self, last: int, losses: list[str]) -> None:
        if last > self.seq:
            losses.append(f"{entries_text(self.seq + 1, last)} lost")

    def _write(self, entry: Entry) -> None:
        digest = entry_digest(entry.seq, entry)
        self.chain = link(self.chain, digest)
        self.seq = entry.seq
        fields = (entry.seq, entry.kind, entry.format, entry.partition, entry.batch_id)
        self._into.execute(
            "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*fields, entry.naive_offset_seconds, entry.body, digest, self.chain),
        )
