"""One file that grows: its whole lines from a place on, and whether it is still the same file."""

from __future__ import annotations

from pathlib import Path

from mad.sources.beginning import Beginning, LastRecord
from mad.sources.compressed import TruncatedError
from mad.sources.content import CHUNK, content_of
from mad.sources.place import HEAD, TAIL, Named, Place, begins, hash_of

#: Longest line; a longer one is skipped and counted.
LONGEST_LINE = 8 << 20
#: First bytes from which the format of a file is found.
_FIRST = 64 * 1024


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
        self._content = content_of(path)
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
        size = min(TAIL, self._offset)
        #: The last bytes before the offset.
        self._tail = self._content.at(self._offset - size, size)
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
            self._advance(header)

    @property
    def inode(self) -> int:
        """The inode of the file."""
        return self._inode

    @property
    def device(self) -> int:
        """The device of the file."""
        return self._content.device()

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

    @property
    def is_packed(self) -> bool:
        """Whether the file is compressed."""
        return self._content.is_packed

    def is_read(self, size: int) -> bool:
        """Whether the last look reached the end of the file, when it has this size now."""
        if self._end is None:
            return False
        return self._content.is_packed or size == self._end

    def _size(self) -> int:
        if not self._content.is_packed:
            return self.path.stat().st_size
        size, step = 0, len(self._content.at(0, CHUNK))
        while step:
            size += step
            step = len(self._content.at(size, CHUNK))
        return size

    def has_copy(self, one: Named) -> bool | None:
        """Whether a file holds the beginning of this one, or all of it; None when its name belongs
        to another file by now."""
        try:
            copy = content_of(one.path)
        except OSError as error:
            return None if isinstance(error, FileNotFoundError) else False
        try:
            return begins(self._content, copy) if copy.inode() == one.inode else None
        except (OSError, ValueError):
            return False
        finally:
            copy.close()

    def holds(self, place: Place) -> bool:
        """Whether the file is the one of a place, or a copy of it."""
        return place.fits(self._content)

    def place(self) -> Place:
        """The place after the lines that were given."""
        size, tail = len(self._head), hash_of(self._tail) if self._tail else ""
        return Place(self._inode, self._offset, size, hash_of(self._head), tail)

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

    def is_changed(self) -> bool:
        """Whether the file was truncated, or written again from its start."""
        return self._is_changed()

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
        self._tail = (self._tail + given[-TAIL:])[-TAIL:]
        self._offset += len(given)
