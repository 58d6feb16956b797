"""The decompressed bytes of a file that grows, by offset."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from mad.regular import open_regular
from mad.sources.compressed import TruncatedError, inflated, unzstd

CHUNK = 256 * 1024
"""Bytes that are decompressed or compared at a time."""
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class Content:
    """The decompressed bytes of a file by offset; offsets rise in compressed files."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        start = os.pread(file.fileno(), 4, 0)
        self.is_packed = start.startswith((_GZIP, _ZSTD))
        self._is_gzip = start.startswith(_GZIP)
        self._pieces: Iterator[bytes] = iter(())
        self._before, self._piece = 0, b""
        self._is_begun = False
        #: The error that ends the content of a compressed file.
        self.damage: ValueError | None = None

    def read(self, size: int) -> bytes:
        """The first bytes."""
        return self.at(0, size)

    def size(self) -> int:
        """Bytes of the file as it is stored."""
        return os.fstat(self._file.fileno()).st_size

    def inode(self) -> int:
        """The inode of the file."""
        return os.fstat(self._file.fileno()).st_ino

    def device(self) -> int:
        """The device of the file."""
        return os.fstat(self._file.fileno()).st_dev

    def links(self) -> int:
        """Names that the file has."""
        return os.fstat(self._file.fileno()).st_nlink

    def at(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from an offset on."""
        if not self.is_packed:
            return os.pread(self._file.fileno(), size, offset) if size else b""
        if not self._is_begun or offset < self._before:
            self._begin()
        while self._before + len(self._piece) <= offset or (
            self._before + len(self._piece) < offset + size
        ):
            try:
                piece = next(self._pieces, b"")
            except ValueError as error:
                # the content before the damage is read first
                self.damage, piece = error, b""
            if not piece:
                break
            # What lies before the offset is dropped.
            drop = min(max(0, offset - self._before), len(self._piece))
            self._piece = self._piece[drop:] + piece
            self._before += drop
        start = offset - self._before
        return self._piece[start : start + size]

    def _begin(self) -> None:
        self._file.seek(0)
        chunks = iter(lambda: self._file.read(CHUNK), b"")
        self._pieces = inflated(chunks) if self._is_gzip else unzstd(chunks)
        self._before, self._piece, self._is_begun = 0, b"", True

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def content_of(path: Path) -> Content:
    """Opens a file. Raises OSError."""
    file = open_regular(path, buffering=0)
    try:
        return Content(file)
    except BaseException:
        file.close()
        raise


def is_being_packed(path: Path) -> bool:
    """Whether a file is a compressed one that ends early."""
    try:
        content = content_of(path)
    except OSError:
        return False
    try:
        if not content.is_packed:
            return path.suffix in (".gz", ".zst", ".tmp")
        offset = 0
        while piece := content.at(offset, CHUNK):
            offset += len(piece)
        return isinstance(content.damage, TruncatedError)
    except OSError:
        return False
    finally:
        content.close()


def first_bytes(path: Path, size: int) -> bytes:
    """The first decompressed bytes of a file; none when it cannot be read."""
    try:
        content = content_of(path)
    except OSError:
        return b""
    try:
        return content.at(0, size)
    except (OSError, ValueError):
        return b""
    finally:
        content.close()
