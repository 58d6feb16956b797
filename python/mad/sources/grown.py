"""One file that grows: its whole lines from a place on, and whether it is still the same file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

from mad.regular import open_regular
from mad.sources.beginning import Beginning, LastRecord
from mad.sources.compressed import TruncatedError, inflated, unzstd

#: First bytes that identify a file beside its inode.
HEAD = 1_024
#: Longest line; a longer one is skipped and counted.
LONGEST_LINE = 8 << 20
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_CHUNK = 256 * 1024
#: First bytes from which the format of a file is found.
_FIRST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """How far a file was read: `offset` in bytes of its (decompressed) content, its inode, and a
    hash of its first bytes, by which a compressed or copied form is recognised."""

    inode: int
    offset: int
    head_bytes: int
    head: str

    @classmethod
    def of(cls, stored: Any) -> Place | None:
        """The place of a stored position; None without one."""
        return cls(**stored) if isinstance(stored, dict) else None

    def as_json(self) -> dict[str, Any]:
        """The place as the position of a batch."""
        return asdict(self)

    def has_inode_of(self, path: Path) -> bool:
        """Whether a file has the inode of this place."""
        try:
            return path.stat().st_ino == self.inode
        except OSError:
            return False

    def is_in(self, path: Path) -> bool:
        """Whether a file is the one of this place, or a copy of it, and reaches the place."""
        try:
            found = path.stat()
            content = _content(path)
        except OSError:
            return False
        try:
            head = content.read(self.head_bytes)
        except (OSError, ValueError):
            return False
        finally:
            content.close()
        if found.st_ino == self.inode and not content.is_packed and found.st_size < self.offset:
            return False
        # An empty head identifies nothing but the inode.
        return _hash(head) == self.head and (self.head_bytes > 0 or found.st_ino == self.inode)


class Grown:
    """An open file that is read line by line from a place on."""

    def __init__(
        self,
        path: Path,
        place: Place | None = None,
        *,
        format: str = "",
        at_end: bool = False,
    ) -> None:
        self.path = path
        self._format = format
        self.is_truncated = False
        self._content = _content(path)
        self._inode = self._content.inode()
        self._head = b""
        self._pending = b""
        self._is_skipping = False
        #: Where the last look ended; None when there was more to read.
        self._end: int | None = None
        self._last = LastRecord()
        #: Lines that were read and are kept back.
        self._kept = b""
        self._offset = 0
        if place is not None:
            self._head = self._content.at(0, place.head_bytes)
            self._offset = place.offset
        elif at_end:
            self._offset = self._size()
            self._head = self._content.at(0, min(HEAD, self._offset))
        self.beginning = Beginning("text", "requests", b"", is_known=False)
        self._is_begun = False
        self._begin()

    def _begin(self) -> None:
        """Finds the format from the first whole lines. They may be written long after the file was
        created, and lines of another kind may stand before them."""
        first = self._content.at(0, _FIRST)
        is_full = len(first) == _FIRST
        whole = first if is_full else first[: first.rfind(b"\n") + 1]
        if not whole:
            return
        self.beginning = Beginning.of(self.path.name, whole)
        self._is_begun = self.beginning.is_known or is_full
        header = self.beginning.header
        if header and not self._offset:
            self._offset = len(header)
            self._head = header[:HEAD]

    @property
    def inode(self) -> int:
        """The inode of the file."""
        return self._inode

    @property
    def format(self) -> str:
        """The format of the lines, as the journal names it."""
        return self._format or self.beginning.format

    @property
    def waits(self) -> bool:
        """Whether lines were read and are kept back, because more lines of their record may
        follow."""
        return self._last.waits

    @property
    def damage(self) -> str:
        """Why the rest of a compressed file cannot be read; empty while it can."""
        return str(self._content.damage or "")

    @property
    def is_cut(self) -> bool:
        """Whether the damage is that a compressed file ends early."""
        return isinstance(self._content.damage, TruncatedError)

    def is_deleted(self) -> bool:
        """Whether the file has no name any more."""
        return self._content.links() == 0

    @property
    def is_busy(self) -> bool:
        """Whether lines are kept back, or the rest of a line is being skipped."""
        return self.waits or self._is_skipping

    def is_read(self, size: int) -> bool:
        """Whether the last look reached the end of the file, when it has this size now."""
        if self._end is None:
            return False
        return self._content.is_packed or size == self._end

    def _size(self) -> int:
        if not self._content.is_packed:
            return self.path.stat().st_size
        size, step = 0, len(self._content.at(0, _CHUNK))
        while step:
            size += step
            step = len(self._content.at(size, _CHUNK))
        return size

    def holds(self, place: Place) -> bool:
        """Whether the file begins as that of a place does."""
        return _hash(self._head) == place.head

    def place(self) -> Place:
        """The place after the lines that were given."""
        return Place(self._inode, self._offset, len(self._head), _hash(self._head))

    def lines(self, most: int) -> tuple[bytes, int]:
        """The next whole lines, of about `most` bytes at most, and the number of lines that were
        skipped because they are too long. The last record of a log waits for its further lines."""
        skipped = 0
        self._end = None
        if not self._is_begun:
            self._begin()
        if self._content.is_packed or not self._is_changed():
            while True:
                piece = self._content.at(self._offset + len(self._pending), most)
                if not piece:
                    self._end = self._offset + len(self._pending)
                    return b"", skipped
                whole, end, rest = (self._pending + piece).rpartition(b"\n")
                if end:
                    self._pending = b""
                    given = whole + end
                    if self._is_skipping:
                        # the end of a line that was too long
                        line, _, given = given.partition(b"\n")
                        self._advance(line + b"\n")
                        self._is_skipping, skipped = False, skipped + 1
                    given = self._without_kept(given, is_full=len(piece) == most)
                    self._advance(given)
                    if given or skipped or self.waits:
                        return given, skipped
                    continue
                if self._is_skipping or len(self._pending) + len(piece) > LONGEST_LINE:
                    self._is_skipping = True
                    self._advance(self._pending + piece)
                    self._pending = b""
                    continue
                self._pending = rest
                if len(piece) < most:
                    # half a line: it is read again when it is whole
                    self._pending, self._end = b"", self._offset + len(rest)
                    return b"", skipped
        return b"", skipped

    def _without_kept(self, given: bytes, *, is_full: bool) -> bytes:
        """Whole lines without those that are kept back. A record that alone fills the read is cut,
        because the next one would get no more of it."""
        kept = self._last.kept(self.format, given, self._offset) if given else 0
        if kept == len(given) and is_full:
            self._last.waits, kept = False, 0
        self._kept = given[len(given) - kept :]
        return given[: len(given) - kept]

    def rest(self) -> bytes:
        """The end of a file to which nothing is added any more: lines that are kept back, and
        a last line without its end."""
        self._last.waits = False
        if self.is_truncated:
            kept, self._kept = self._kept, b""
            self._advance(kept)
            return kept
        line = self._content.at(self._offset, LONGEST_LINE)
        self._advance(line)
        return line + b"\n" if line and not line.endswith(b"\n") else line

    def unfinished(self) -> bytes:
        """The last line, which has no end yet; the place stays before it."""
        if self._is_skipping or self._is_changed():
            return b""
        line = self._content.at(self._offset + len(self._kept), LONGEST_LINE)
        return b"" if b"\n" in line else self._kept + line

    def is_replaced(self, path: Path) -> bool:
        """Whether the file no longer has this name, or was truncated."""
        if self._is_changed():
            return True
        try:
            return path.stat().st_ino != self._inode
        except OSError:
            # gone, and not yet created again
            return False

    def close(self) -> None:
        """Closes the file."""
        self._content.close()

    def _is_changed(self) -> bool:
        """Whether the file was truncated or written again from its start."""
        if self._content.is_packed:
            return False
        size = self._content.size()
        if (
            size < self._offset
            or self._content.at(0, len(self._head)) != self._head
            or self._content.at(self._offset, len(self._kept)) != self._kept
        ):
            self.is_truncated = True
        return self.is_truncated

    def _advance(self, given: bytes) -> None:
        if len(self._head) < HEAD and len(self._head) == self._offset:
            self._head += given[: HEAD - len(self._head)]
        self._offset += len(given)


class _Content:
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
        chunks = iter(lambda: self._file.read(_CHUNK), b"")
        self._pieces = inflated(chunks) if self._is_gzip else unzstd(chunks)
        self._before, self._piece, self._is_begun = 0, b"", True

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _content(path: Path) -> _Content:
    file = open_regular(path, buffering=0)
    try:
        return _Content(file)
    except BaseException:
        file.close()
        raise


def _hash(head: bytes) -> str:
    return blake2b(head, digest_size=12).hexdigest()
