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
from mad.journal.digest import START, entry_digest, is_sound, link, text_digest
from mad.journal.entries import LOST, Entry
from mad.journal.head import Head, HeadFile
from mad.journal.lock import Lock
from mad.journal.schema import connect
from mad.journal.stored import ENTRY, CheckpointRecord, StoredInputs, entry_of

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
)
_UNREADABLE = (sqlite3.Error, ValueError, TypeError, AttributeError, OverflowError)


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
    record, entries = CheckpointRecord(), []
    try:
        uri = f"{(aside / 'mad.db').resolve().as_uri()}?mode=ro"
        source = sqlite3.connect(uri, uri=True)
    except sqlite3.Error:
        losses.append("the database cannot be opened")
    else:
        with contextlib.closing(source):
            record = _copy_state(source, aside / "mad.db", into, losses)
            entries = [one for one in _sound_entries(source, record.seq) if one is not None]
            for table in _TABLES:
                _copy_table(source, into, table, losses)
    seq, chain = _write_entries(into, record, entries, head, losses)
    what = "; ".join(losses) or "nothing is lost"
    into.execute(
        "INSERT INTO audit (refused, written_at, who, action, target, outcome) "
        "VALUES (0, ?, 'mad', 'recover', ?, ?)",
        (now.isoformat(timespec="milliseconds"), str(aside), what[:2_000]),
    )
    into.execute("INSERT OR REPLACE INTO meta VALUES ('commits', ?)", (head.commits,))
    into.execute("COMMIT")
    new = HeadFile(head_path)
    for commits in (head.commits, max(head.commits, 1) - 1):
        new.write(Head(seq, chain, commits))
    new.sync()
    new.close()
    return f"recovered {len(entries)} entries after checkpoint {record.seq}: {what}"


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
    except (*_UNREADABLE, DamagedJournal):
        for table in ("state", "closed_incidents"):
            into.execute(f"DELETE FROM {table}")
        losses.append("the learnt state is damaged and was dropped")
        return CheckpointRecord()
    return record


def _sound_entries(source: sqlite3.Connection, after: int) -> Iterator[Entry | None]:
    """Entries after a checkpoint that match their checksums; None for each other one."""
    query = f"SELECT digest, {ENTRY} FROM journal WHERE seq > {after} ORDER BY seq"
    for digest, *row in _readable_rows(source, query):
        try:
            entry = entry_of(tuple(row))
            yield entry if is_sound(entry, digest) else None
        except _UNREADABLE:
            yield None


def _readable_rows(source: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    """Rows from the start and, after a place that cannot be read, from the end. The second column
    numbers the rows, in their order."""
    last = None
    try:
        for row in source.execute(query):
            last = row[1]
            yield row
    except _UNREADABLE:
        rest: list[Any] = []
        with contextlib.suppress(*_UNREADABLE):
            for row in source.execute(f"{query} DESC"):
                if last is not None and row[1] <= last:
                    break
                rest.append(row)
        yield from reversed(rest)


def _copy_table(
    source: sqlite3.Connection, into: sqlite3.Connection, table: str, losses: list[str]
) -> None:
    try:
        columns = len(into.execute(f"SELECT * FROM {table} LIMIT 0").description)
        (expected,) = source.execute(f"SELECT count(*) FROM {table}").fetchone()
    except _UNREADABLE:
        expected = None
    insert = f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * columns)})"
    copied = 0
    for row in _readable_rows(source, f"SELECT 0, rowid, * FROM {table} ORDER BY rowid"):
        with contextlib.suppress(*_UNREADABLE):
            copied += into.execute(insert, row[2:]).rowcount
    if expected != copied:
        losses.append(f"table {table}: {copied} of {expected or 'an unknown number of'} rows kept")


def _write_entries(
    into: sqlite3.Connection,
    record: CheckpointRecord,
    entries: list[Entry],
    head: Head,
    losses: list[str],
) -> tuple[int, bytes]:
    """Writes the sound entries as a new chain. Returns its end."""
    first = record.seq + 1
    if not record.seq and entries:
        first = entries[0].seq
    last = max(head.seq, entries[-1].seq if entries else record.seq)
    have = {entry.seq for entry in entries}
    for start, end in _ranges([seq for seq in range(first, last + 1) if seq not in have]):
        losses.append(f"{entries_text(start, end)} lost")
    base = first - 1 if entries or record.seq else last
    chain = bytes.fromhex(record.chain) if record.seq else START
    into_record = replace(record, seq=base, chain=chain.hex())
    if last not in have and last > base:
        # keeps the numbers of lost entries from being given again
        entries = [*entries, Entry(LOST, b"recovered", "text", seq=last)]
    for entry in entries:
        digest = entry_digest(entry.seq, entry)
        chain = link(chain, digest)
        fields = (entry.seq, entry.kind, entry.format, entry.partition, entry.batch_id)
        into.execute(
            "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*fields, entry.naive_offset_seconds, entry.body, digest, chain),
        )
    text = into_record.text()
    values = [("checkpoint", text), ("checkpoint_digest", text_digest(text))]
    into.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values)
    return max(last, base), chain


def _ranges(numbers: list[int]) -> Iterator[tuple[int, int]]:
    start = None
    for place, number in enumerate(numbers):
        start = number if start is None else start
        if place + 1 == len(numbers) or numbers[place + 1] != number + 1:
            yield start, number
            start = None
