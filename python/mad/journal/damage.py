"""Damage of a journal: missing and changed data, and the way out."""

from __future__ import annotations

import os
from pathlib import Path

from mad.errors import StateError

#: The file that stands in a directory while its journal is recovered. It names the directory with
#: the damaged files.
RECOVERING = "mad.recovering"

#: The way out of a damaged journal.
REMEDY = (
    "restore the directory from a copy, or start with --recover: it keeps the damaged files beside "
    "the journal and continues with all that is sound"
)


class JournalFailed(Exception):
    """The journal could not be read or written, for example because the disk is full."""


class DamagedJournal(StateError):
    """A journal that lost or changed acknowledged data since it was written."""

    def __init__(self, path: Path, extent: str) -> None:
        super().__init__(f"{path}: the journal is damaged: {extent}", REMEDY)
        self.extent = extent


def entries_text(first: int, last: int) -> str:
    """`entry 7` or `entries 7 to 9 (3)`."""
    return f"entry {first}" if first == last else f"entries {first} to {last} ({last - first + 1})"


def sync_directory(directory: Path) -> None:
    """Makes the names of the files in a directory durable, where the system can. Raises
    `OSError`."""
    if os.name != "posix":
        return
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
