"""One file that grows, followed under whatever name it has."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, time

from mad.errors import reason
from mad.sources.grown import Grown
from mad.sources.place import LEFT, Place, is_copy
from mad.sources.protocol import Batch
from mad.sources.rotation import Seen, seen

#: Seconds after which a file that is gone from its folder, and does not grow, is forgotten.
_GONE_SECONDS = 60.0
#: Looks in a row that do not find a file before it is gone: a folder that is read while files are
#: renamed may lack some.
_GONE_LOOKS = 3
#: Longest pause before a file that could not be read is tried again, in seconds.
_LONGEST_PAUSE = 30.0
#: Age in seconds at which a compressed file that ends early is no longer being written.
WRITTEN_SECONDS = 60.0

log = logging.getLogger("mad.sources")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How the files of a source are read."""

    kind: str
    format: str
    batch_bytes: int


class Follower:
    """One file: where it was left, and the name that it has now."""

    def __init__(self, path: Path, place: Place, reading: Reading, *, family: Path) -> None:
        self.path = path
        #: The name under which its files are written, before they are rotated.
        self.family = family
        #: The part of the positions that has the place.
        self.key = ""
        #: Whether the name is the one that is written to.
        self.is_live = True
        #: The file as the last look found it; None when the look did not find it.
        self.seen: Seen | None = None
        #: Why the file is not read now; empty while it is.
        self.fault = ""
        self._reading = reading
        self._place = place
        self._file: Grown | None = None
        self._pause, self._again = 0.0, 0.0
        #: The form of a file in which there was nothing more to read.
        self._read_form: tuple[int, int, int] | None = None
        #: The form whose content was last compared with the place.
        self._known_form: tuple[int, int, int] | None = None
        #: Whether all of the file had been read when it was last found.
        self.was_read = False
        #: Looks in a row that did not find the file.
        self.misses = 0
        self._missed_since = 0.0
        #: Whether the file was truncated, so that its rest is in a copy or lost.
        self.is_truncated = False

    @property
    def is_open(self) -> bool:
        """Whether the file is open."""
        return self._file is not None

    @property
    def may_close(self) -> bool:
        """Whether the file is open and can be closed between two lines."""
        return self._file is not None and not self._file.is_busy

    @property
    def waits(self) -> bool:
        """Whether lines are kept back."""
        return self._file is not None and self._file.waits

    @property
    def place(self) -> Place:
        """The place at which reading continues."""
        if self._file is not None:
            self._place = self._moved(self._file.place())
        return self._place

    @property
    def has_content(self) -> bool:
        """Whether anything is in the file."""
        return self._place.offset > 0 or (self.seen is not None and self.seen.size > 0)

    @property
    def is_at_end(self) -> bool:
        """Whether all of the file was read, as the last look found it."""
        if self.place.is_left or self.seen is None:
            return self._file is None
        if self._read_form == self.seen.form:
            return True
        return self._file is None and self.seen.size == self.place.offset

    def is_same(self, one: Seen) -> bool | None:
        """Whether a file with the inode of the place is the file of the place; None when it was
        renamed in this moment."""
        if self._known_form == one.form:
            return not self.is_truncated
        is_same: bool | None
        if self._file is not None:
            is_same = self._file.device == one.device and not self._file.is_changed()
        else:
            is_same = self.place.is_known_in(one.path, one.inode)
        if is_same is None:
            return None
        self._known_form = one.form
        self.is_truncated = not is_same
        return is_same

    def found(self, one: Seen, *, family: Path, is_live: bool) -> None:
        """The file has this name now."""
        if self._file is not None:
            self._file.path = one.path
        self.path, self.family, self.is_live = one.path, family, is_live
        self.seen, self.misses, self.is_truncated = one, 0, False

    def refresh(self) -> bool:
        """Looks whether the file has grown. Returns whether it still has its name."""
        if self.seen is None:
            return False
        one = seen(self.path)
        if one is None or (one.device, one.inode) != (self.seen.device, self.seen.inode):
            return False
        self.seen = one
        return True

    def missed(self) -> None:
        """A look did not find the file."""
        if self.seen is not None:
            self.was_read = self.seen.size <= self.place.offset
        self.seen = None
        self.misses += 1
        if self.misses == 1:
            self._missed_since = monotonic()

    @property
    def is_gone(self) -> bool:
        """Whether the file was deleted, truncated or moved to another folder, and has no copy."""
        if self.waits or not self.misses:
            return False
        if self.is_truncated:
            # a copy is made before
            return self.misses >= 2
        if self._file is None or self._file.is_deleted():
            return self.misses >= _GONE_LOOKS
        return monotonic() - self._missed_since > _GONE_SECONDS

    def has_copy(self, one: Seen) -> bool | None:
        """Whether a file holds the beginning of this one, or all of it, as its copies do; None when
        one of them was renamed in this moment."""
        if self.seen is not None:
            return is_copy(one, self.seen)
        return self._file is not None and self._file.has_copy(one)

    def continue_in(self, one: Seen) -> None:
        """Continues in a copy of the file."""
        place = replace(self.place, inode=one.inode)
        self.close()
        self._place, self._read_form, self._known_form = place, None, one.form

    def leave(self) -> None:
        """Reads nothing more of the file."""
        self.close()
        self._place = replace(self._place, offset=LEFT)

    def close(self) -> None:
        """Closes the open file, to continue at the same place later."""
        if self._file is not None:
            self._place = self._moved(self._file.place())
            self._file.close()
            self._file = None

    def rest(self) -> None:
        """Closes the file until it has changed."""
        file, one = self._file, self.seen
        if file is not None and one is not None and file.is_read(one.size):
            self._read_form = one.form
        self.close()

    def attempt(self, *, is_ended: bool) -> Batch | None:
        """The next lines, without positions; None when there are none now, or the file cannot be
        read. Then `fault` says why, and the next attempts do nothing for a while. Of a file that
        has ended the last line needs no end.

        Raises FileNotFoundError when the name belongs to another file by now.
        """
        if self.fault and monotonic() < self._again:
            return None
        if self._file is None and self.seen is None:
            return None
        try:
            batch = self._read(is_ended=is_ended)
        except FileNotFoundError:
            self.close()
            raise
        except (OSError, ValueError) as error:
            self.close()
            self.fault = f"{self.path}: {reason(error) if isinstance(error, OSError) else error}"
            self._pause = min(2 * self._pause, _LONGEST_PAUSE) or 0.5
            self._again = monotonic() + self._pause
            return None
        self.fault, self._pause = "", 0.0
        return batch

    def unfinished(self) -> Batch | None:
        """The last line, which has no end yet; None without one."""
        line = self._file.unfinished() if self._file is not None else b""
        return self._batch(self._file, line + b"\n", 0) if self._file and line else None

    def ending(self) -> Batch | None:
        """All that is left of a file to which nothing is added any more, if it is open."""
        rest = self._file.rest() if self._file is not None else b""
        return self._batch(self._file, rest, 0) if self._file and rest else None

    def _read(self, *, is_ended: bool) -> Batch | None:
        file = self._file or self._opened()
        lines, skipped = file.lines(self._reading.batch_bytes)
        if lines or skipped:
            return self._batch(file, lines, skipped)
        if file.damage:
            return self._of_damaged(file, is_ended=is_ended)
        if not file.is_truncated and not is_ended:
            return None
        rest = file.rest()
        if file.is_truncated:
            self.close()
            self.missed()
            self.misses, self.is_truncated, self._known_form = 0, True, None
        elif self.seen is not None and file.is_read(self.seen.size):
            self._read_form = self.seen.form
        batch = self._batch(file, rest, 0) if rest else None
        if not file.is_truncated and not file.is_busy:
            self.close()
        return batch

    def _opened(self) -> Grown:
        place = self._place
        file = Grown(self.path, place, format=self._reading.format)
        # the name may belong to another file by now
        if file.inode != place.inode or not file.holds(place):
            file.close()
            self._known_form = None
            raise FileNotFoundError(self.path)
        self._file = file
        return file

    def _of_damaged(self, file: Grown, *, is_ended: bool) -> Batch | None:
        """Leaves the rest of a rotated file that cannot be decompressed, because others follow it.
        Raises ValueError for one that is still being written, and for one without others."""
        text = f"{file.path.name}: {file.damage}"
        is_recent = time() - file.path.stat().st_mtime < WRITTEN_SECONDS
        if not is_ended or (file.is_cut and is_recent):
            # it is tried again when it has changed
            self._read_form = self.seen.form if self.seen is not None else None
            raise ValueError(text)
        log.warning("%s: what follows is not read", text)
        self.leave()
        return Batch(b"", {}, unreadable=1)

    def _batch(self, file: Grown, lines: bytes, skipped: int) -> Batch:
        body = file.beginning.header + lines if lines else b""
        kind = self._reading.kind or file.beginning.kind
        return Batch(body, {}, kind, file.format, unreadable=skipped)

    def _moved(self, place: Place) -> Place:
        """A place, which is the last one where nothing changed."""
        return self._place if place == self._place else place
