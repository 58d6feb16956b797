"""Makes the SQLite file of a journal from its copy in PostgreSQL."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from time import monotonic

from mad.errors import StateError
from mad.journal.damage import DamagedJournal, sync_directory
from mad.journal.opening import UNREADABLE, check_files, readable
from mad.journal.postgres import statements
from mad.journal.postgres.copying import (
    MARKER,
    DamagedCopy,
    Marker,
    RemoteHead,
    catch_up,
    copy_all,
    read_head,
    write_head,
)
from mad.journal.postgres.session import Session
from mad.journal.schema import connect


def restore(
    session: Session,
    schema: str,
    directory: Path,
    place: str,
    *,
    is_sound: bool = True,
    is_checked: bool = True,
) -> str:
    """Makes the journal of a directory equal to that of PostgreSQL. Returns a text about the number
    of rows and the time; empty when they are equal already. The caller has locked the directory.

    With `is_checked` a file that is near is used if it is undamaged. Without `is_sound` all rows
    are read, and damaged ones are left out.

    Raises `StateError`, `DamagedCopy` and `PostgresFailed`.
    """
    began = monotonic()
    head = session.run(lambda remote: read_head(remote, schema))
    known = _known(head, directory, place)
    if is_sound and known is not None:
        rows: int | None = 0
        if (known.transaction, known.token) != (head.transaction, head.token):
            rows = None
            after = known.transaction
            if after >= max(head.base, head.transaction - statements.KEPT_CHANGES):
                rows = session.run(
                    lambda remote: catch_up(remote, schema, directory, place, after),
                    limited=False,
                )
        if rows is not None and (not is_checked or _is_undamaged(directory)):
            text = f"read {rows} rows from {place} in {monotonic() - began:.1f} s"
            return text if rows else ""
    new = directory / "restored.db"
    _remove(directory, "restored.db")
    found: list[str] = []
    with contextlib.closing(connect(new)) as db:
        db.execute("PRAGMA synchronous = OFF")
        rows, head = session.run(lambda remote: copy_all(remote, schema, db, found), limited=False)
    if found and is_sound:
        _remove(directory, "restored.db")
        raise DamagedCopy(place, found)
    _remove(directory, "mad.db", "mad.head")
    write_head(directory, head)
    with new.open("rb+") as written:
        os.fsync(written.fileno())
    new.rename(directory / "mad.db")
    sync_directory(directory)
    text = f"restored {rows} rows from {place} in {monotonic() - began:.1f} s"
    return f"{text}; left out: {'; '.join(found)}" if found else text


def _known(head: RemoteHead, directory: Path, place: str) -> Marker | None:
    """The newest transaction of a directory; None when it has no journal. Raises `StateError` when
    it has another one, or one that PostgreSQL has lost a part of."""
    path = directory / "mad.db"
    if not path.exists():
        return None
    try:
        marker = _marker(path)
    except UNREADABLE as error:
        raise StateError(
            f"{path}: it cannot be read ({error})",
            f"move the directory away: the journal is restored from {place}",
        ) from error
    if marker is None or marker.journal != head.journal:
        raise StateError(
            f"{path}: this is not the journal of {place}",
            "give another --data or another name, or move the directory away",
        )
    if marker.transaction > head.transaction:
        lost = marker.transaction - head.transaction
        raise StateError(
            f"{place}: {lost} acknowledged commits that {path} has are missing",
            "restore the database from a newer copy; or drop the schema, so that it is written "
            "again from the file; or move the directory away to continue without these commits",
        )
    return marker


def _is_undamaged(directory: Path) -> bool:
    try:
        with readable(directory / "mad.db"):
            check_files(directory)
    except DamagedJournal:
        return False
    return True


def _marker(path: Path) -> Marker | None:
    uri = f"{path.resolve().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
            return None
        row = db.execute("SELECT value FROM meta WHERE key = ?", (MARKER,)).fetchone()
    return None if row is None else Marker.of(str(row[0]))


def _remove(directory: Path, *names: str) -> None:
    for name in names:
        for ending in ("", "-wal", "-shm"):
            (directory / f"{name}{ending}").unlink(missing_ok=True)
