"""Checksums of entries and of saved state, and the chain over entries.

All of them are BLAKE2b of 16 bytes. They find damage, not forgery: they need no key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import blake2b

from mad.journal.entries import Entry

#: Bytes of a checksum.
SIZE = 16
#: The chain before the first entry.
START = bytes(SIZE)


def entry_digest(seq: int, entry: Entry) -> bytes:
    """The checksum of an entry: its number, its fields and its body."""
    fields = [
        seq,
        entry.kind,
        entry.format,
        entry.partition,
        entry.batch_id,
        entry.naive_offset_seconds,
    ]
    digest = blake2b(json.dumps(fields).encode(), digest_size=SIZE, person=b"mad entry")
    digest.update(entry.body)
    return digest.digest()


def is_sound(entry: Entry, digest: bytes) -> bool:
    """Whether an entry matches its checksum. A changed field may also have another type."""
    return isinstance(entry.body, bytes) and entry_digest(entry.seq, entry) == digest


def link(chain: bytes, digest: bytes) -> bytes:
    """The chain after one more entry: it covers all entries before it, and their order."""
    return blake2b(chain + digest, digest_size=SIZE, person=b"mad chain").digest()


def part_digest(table: str, key: int | str, part: bytes) -> bytes:
    """The checksum of a part of the saved state."""
    digest = blake2b(f"{table} {key}\n".encode(), digest_size=SIZE, person=b"mad part")
    digest.update(part)
    return digest.digest()


def text_digest(text: str) -> bytes:
    """The checksum of the record of a checkpoint."""
    return blake2b(text.encode(), digest_size=SIZE, person=b"mad checkpoint").digest()


class PartSum:
    """The sum of the checksums of all parts of the state.

    A checkpoint replaces a few parts. The sum follows without reading the others, and a missing,
    additional or older part changes it.
    """

    def __init__(self, value: int = 0) -> None:
        self.value = value

    def add(self, digests: Iterable[bytes]) -> None:
        """Adds the checksums of new parts."""
        for digest in digests:
            self.value = (self.value + int.from_bytes(digest, "big")) % 2 ** (8 * SIZE)

    def remove(self, digests: Iterable[bytes]) -> None:
        """Removes the checksums of parts that are replaced or deleted."""
        for digest in digests:
            self.value = (self.value - int.from_bytes(digest, "big")) % 2 ** (8 * SIZE)
