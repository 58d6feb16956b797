"""Checks the files of a journal before it is opened."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from mad.errors import StateError, reason
from mad.journal.damage import RECOVERING, REMEDY, DamagedJournal, JournalFailed
from mad.journal.head import HeadFile
from mad.journal.schema import changed_schema, version_of
from mad.journal.stored import StoredInputs

#: The files of a journal. Others than regular ones may block whoever opens them.
FILES = ("mad.db", "mad.db-wal", "mad.db-shm", "mad.head", "mad.replay")
#: Errors of reading a file that something else changed: a damaged field has another type.
UNREADABLE = (sqlite3.Error, ValueError, TypeError, AttributeError, OverflowError)


def check_files(directory: Path) -> None:
    """Checks the files without a change to them, because closing a writer would merge a damaged log
    into the database. Raises `StateError` and `DamagedJournal`."""
    database = directory / "mad.db"
    head = None
    for name in FILES:
        path = directory / name
        if path.exists() and not path.is_file():
            raise StateError(f"{path}: not a regular file", "move it away, or give another --data")
    if (directory / RECOVERING).exists():
        raise DamagedJournal(database, "an earlier recovery was interrupted")
    if (path := directory / "mad.head").exists():
        file = HeadFile(path)
        head = file.read()
        file.close()
    if not database.exists():
        if head is not None and head.seq:
            raise DamagedJournal(database, "the database is missing")
        return
    uri = f"{database.resolve().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as db:
        if version_of(db, str(database)):
            if problem := changed_schema(db):
                raise DamagedJournal(database, problem)
            StoredInputs(db, database).check(head)
        elif head is not None:
            raise DamagedJournal(database, "the database is empty")


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raises errors of reading a changed file as `DamagedJournal`."""
    try:
        yield
    except StateError:
        raise
    except (*UNREADABLE, JournalFailed) as error:
        if "full" in str(error) or "I/O" in str(error) or "locked" in str(error):
            raise StateError(
                f"{path}: {error}", "free space on the disk, or restore the journal from a copy"
            ) from error
        raise DamagedJournal(path, f"it cannot be read ({error})") from error
    except OSError as error:
        raise StateError(f"{path}: {reason(error)}", REMEDY) from error


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Raises errors of reading a running journal as `JournalFailed`."""
    try:
        yield
    except (sqlite3.Error, ValueError) as error:
        raise JournalFailed(str(error)) from error
