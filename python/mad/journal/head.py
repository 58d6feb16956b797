"""`mad.head`: the newest acknowledged entry, kept outside the database.

A database whose log was cut is a sound database of an earlier time. Only a second file can show
that acknowledged entries are missing from it.
"""

from __future__ import annotations

import contextlib
import os
import struct
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from mad.journal.digest import SIZE, START

_MAGIC = b"madhead1"
_FIELDS = struct.Struct(f">8sQQ{SIZE}s")
#: Bytes of one of the two slots of the file.
SLOT = 64


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry, the chain up to it, and the number of acknowledged commits."""

    seq: int = 0
    chain: bytes = START
    commits: int = 0


class HeadFile:
    """Two slots that are written in turn, so that a torn write leaves the other one.

    The file is written after the commit of the database and before the acknowledgement. It is not
    synced for each commit: after a power failure it may be older than the database, never newer.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def read(self) -> Head | None:
        """The newest sound slot; None when there is none. Raises `OSError`."""
        data = os.pread(self._file, 2 * SLOT, 0)
        found = [_read(data[start : start + SLOT]) for start in (0, SLOT)]
        sound = [head for head in found if head is not None]
        return max(sound, key=lambda head: head.commits) if sound else None

    def write(self, head: Head) -> None:
        """Writes the slot of a head. Raises `OSError`."""
        fields = _FIELDS.pack(_MAGIC, head.seq, head.commits, head.chain)
        slot = (fields + _checksum(fields)).ljust(SLOT, b"\0")
        os.pwrite(self._file, slot, head.commits % 2 * SLOT)

    def sync(self) -> None:
        """Makes the file durable. Raises `OSError`."""
        os.fsync(self._file)

    def close(self) -> None:
        """Closes the file."""
        with contextlib.suppress(OSError):
            os.close(self._file)


def _checksum(fields: bytes) -> bytes:
    return blake2b(fields, digest_size=SIZE, person=b"mad head").digest()


def _read(slot: bytes) -> Head | None:
    fields, rest = slot[: _FIELDS.size], slot[_FIELDS.size : _FIELDS.size + SIZE]
    if len(rest) < SIZE or rest != _checksum(fields):
        return None
    magic, seq, commits, chain = _FIELDS.unpack(fields)
    return Head(seq, chain, commits) if magic == _MAGIC else None
