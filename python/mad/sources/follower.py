"""One file that grows, followed through rotation, truncation and damage."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from time import monotonic, time
from typing import Any, Protocol

from mad.errors import reason
from mad.sources.grown import Grown, Place
from mad.sources.protocol import Batch
from mad.sources.rotation import moved_of, rotated_of

#: Seconds after which a file that is gone from its folder, and does not grow, is forgotten.
_GONE_SECONDS = 60.0
#: Longest pause before a file that could not be read is tried again, in seconds.
_LONGEST_PAUSE = 30.0
#: Age in seconds at which a compressed file that ends early is no longer being written.
_WRITTEN_SECONDS = 60.0

log = logging.getLogger("mad.sources")


class Names(Protocol):
    """The names of all files that a source follows, between which files may move."""

    def claim(self, path: Path, inode: int) -> Place | None:
        """The place in a file with this name now, when it was read under another name. That one
        gives the file up."""

    def is_behind(self, path: Path, place: Place) -> bool:
        """Whether another follower has read further in the file of a place."""

    def move(self, place: Place, names: list[Path]) -> None:
        """Notes that a file is left at a place, and has other names now."""


class Follower:
    """One file under its name, with those that it was rotated to."""

    def __init__(
        self,
        path: Path,
        stored: Any,
        names: Names,
        *,
        kind: str,
        format: str,
        batch_bytes: int,
        with_rotated: bool,
        at_end: bool,
    ) -> None:
        self.path = path
        self._kind, self._format, self._batch_bytes = kind, format, batch_bytes
        self._file: Grown | None = None
        self._stored = Place.of(stored)
        self._names = names
        self._with_rotated, self._at_end = with_rotated, at_end
        #: Rotated files that are read before the present one, the oldest first.
        self._next: list[Path] = []
        #: Why the file is not read now; empty while it is.
        self.fault = ""
        self._pause, self._again = 0.0, 0.0
        self._resting: tuple[int, int, int] | None = None
        #: Since when the file is gone from its folder.
        self._gone_since: float | None = None
        #: The damaged file as it was found, which is tried again when it has changed.
        self._damaged: tuple[Path, tuple[int, int, int]] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the file is open."""
        return self._file is not None

    @property
    def may_close(self) -> bool:
        """Whether the file is open and can be closed between two lines."""
        return self._file is not None and not self._file.is_busy

    def reads(self, inode: int) -> bool:
        """Whether the file in which reading continues has this inode."""
        place = self.place()
        return place is not None and place.inode == inode

    def is_in(self, path: Path) -> bool:
        """Whether a file is the one in which reading continues, or a copy of it."""
        place = self.place()
        return place is not None and place.is_in(path)

    def give_up(self) -> Place | None:
        """Leaves the file to the follower of another name. Returns the place in it."""
        self.close()
        place, self._stored, self._resting = self._stored, None, None
        return place

    def place(self) -> Place | None:
        """The place at which reading continues; None before the first lines."""
        return self._file.place() if self._file is not None else self._stored

    def rest(self) -> None:
        """Closes the file. It is opened again at the next attempt; if it was read to its end and
        has its name, when it has changed."""
        file = self._file
        if file is None:
            return
        with suppress(OSError):
            form = _form(self.path)
            if file.place().inode == form[0] and file.is_read(form[1]) and not self._next:
                self._resting = form
        self.close()

    @property
    def waits(self) -> bool:
        """Whether lines are kept back."""
        return self._file is not None and self._file.waits

    def attempt(self) -> Batch | None:
        """The next lines; None when there are none now, or the file cannot be read. Then `fault`
        says why, and the next attempts do nothing for a while."""
        if self.fault and monotonic() < self._again:
            return None
        last = self.place()
        try:
            if self._resting is not None:
                if self.path.exists() and _form(self.path) == self._resting:
                    return None
                self._resting = None
            batch = self._read()
        except FileNotFoundError:
            # rotated in this moment
            self._return_to(last)
            return None
        except (OSError, ValueError) as error:
            self._return_to(last)
            self.fault = f"{self.path}: {reason(error) if isinstance(error, OSError) else error}"
            self._pause = min(2 * self._pause, _LONGEST_PAUSE) or 0.5
            self._again = monotonic() + self._pause
            return None
        self.fault, self._pause = "", 0.0
        if batch is not None:
            self._gone_since = None
        return batch

    def _return_to(self, place: Place | None) -> None:
        """Closes the file, to continue at a place in the next attempt."""
        self.close()
        self._stored, self._next, self._resting = place, [], None

    def is_deleted(self) -> bool:
        """Whether the file and all its rotated forms were deleted, or moved to another folder and
        not continued there."""
        if self.waits or self.path.exists() or rotated_of(self.path):
            self._gone_since = None
            return False
        if self._file is None:
            return self._stored is None
        if self._gone_since is None:
            self._gone_since = monotonic()
        return self._file.is_deleted() or monotonic() - self._gone_since > _GONE_SECONDS

    def unfinished(self) -> Batch | None:
        """The last line, which has no end yet; None without one."""
        line = self._file.unfinished() if self._file is not None else b""
        if self._file is None or not line:
            return None
        return self._batch(self._file, line + b"\n", 0)

    def close(self) -> None:
        """Closes the open file."""
        if self._file is not None:
            self._file.close()
            self._stored, self._file = self._file.place(), None

    def _read(self) -> Batch | None:
        if self._file is None and not self._begin():
            return None
        file = self._file
        while file is not None:
            lines, skipped = file.lines(self._batch_bytes)
            if lines or skipped:
                return self._batch(file, lines, skipped)
            if file.damage:
                moved = self._of_damaged(file)
                self._switch(file)
                return moved
            if not file.is_replaced(self.path):
                return None
            rest = file.rest()
            batch = self._batch(file, rest, 0) if rest else None
            file = self._switch(file)
            if batch is not None:
                return batch
        return None

    def _after(self, place: Place) -> list[Path]:
        """The rotated files that follow the one of a place, without copies of it."""
        rotated = rotated_of(self.path)
        same = [one for one in rotated if place.is_in(one)]
        if not same:
            return []
        return [one for one in rotated[rotated.index(same[0]) :] if one not in same]

    def _of_damaged(self, file: Grown) -> Batch:
        """Leaves the rest of a rotated file that cannot be decompressed, because others follow it.
        Raises ValueError for one that is still being written, and for the present one."""
        text = f"{file.path.name}: {file.damage}"
        if not file.is_replaced(self.path) or (
            file.is_cut and time() - file.path.stat().st_mtime < _WRITTEN_SECONDS
        ):
            self._damaged = file.path, _form(file.path)
            raise ValueError(text)
        log.warning("%s: what follows is not read", text)
        return Batch(b"", {str(self.path): file.place().as_json()}, unreadable=1)

    def _batch(self, file: Grown, lines: bytes, skipped: int) -> Batch:
        position = file.place().as_json()
        body = file.beginning.header + lines if lines else b""
        return Batch(
            body,
            {str(self.path): position},
            self._kind or file.beginning.kind,
            file.format,
            unreadable=skipped,
        )

    def _grown(self, path: Path, place: Place | None = None, *, at_end: bool = False) -> Grown:
        return Grown(path, place, format=self._format, at_end=at_end)

    def _begin(self) -> bool:
        """Opens the file in which reading continues; False when there is none yet."""
        if self._damaged is not None:
            path, form = self._damaged
            if path.exists() and _form(path) == form:
                raise ValueError(self.fault.removeprefix(f"{self.path}: "))
            self._damaged = None
        if self._stored is not None:
            place, self._stored = self._stored, None
            found = self._named(place)
            if found not in (None, self.path) and self._names.is_behind(self.path, place):
                return self._open_next()
            if found is not None:
                self._file = self._grown(found, place)
                if not self._file.holds(place):
                    # rotated between the comparison and the opening
                    self.close()
                    self._stored = place
                    return False
                if found != self.path:
                    self._next = self._after(place)
                return True
            log.warning(
                "%s: the file that was read to byte %d is gone, and with it the lines added since",
                self.path,
                place.offset,
            )
        elif self._with_rotated:
            self._next = rotated_of(self.path)
        return self._open_next()

    def _named(self, place: Place) -> Path | None:
        """The file of a place: by its inode, else a copy by its content."""
        forms = chain([self.path], _lazily(rotated_of, self.path))
        first = None
        for one in forms:
            if place.is_in(one):
                if place.has_inode_of(one):
                    return one
                first = first or one
        return first or next(iter(moved_of(self.path, place)), None)

    def _open_next(self) -> bool:
        while self._next:
            path = self._next.pop(0)
            if path.is_file():
                self._file = self._claimed(path)
                return True
        if not self.path.is_file():
            return False
        self._file = self._claimed(self.path, at_end=self._at_end)
        self._at_end = False
        return True

    def _claimed(self, path: Path, *, at_end: bool = False) -> Grown:
        """A file from where it was left under another name, else from its start."""
        file = self._grown(path, at_end=at_end)
        # the open file counts, because the name may belong to another one by now
        place = self._names.claim(path, file.inode)
        if place is None:
            return file
        file.close()
        file = self._grown(path, place)
        if file.inode == place.inode and file.holds(place):
            self._names.move(place, [path])
            return file
        file.close()
        raise FileNotFoundError(path)

    def _switch(self, file: Grown) -> Grown | None:
        """Continues with the file that follows: the copy of a truncated one, a rotated one, or the
        present one."""
        place = file.place()
        same = [one for one in rotated_of(self.path) if place.is_in(one)]
        file.close()
        self._file = None
        if same:
            # renamed, perhaps several times since the last look
            self._next = self._after(place)
        else:
            same = moved_of(self.path, place)
        if file.path == self.path and file.is_truncated and same:
            self._file = self._grown(same[0], place)
            return self._file
        self._stored = None
        if self._open_next():
            self._names.move(place, same)
            return self._file
        self._stored = place
        return None


def _lazily(find: Callable[[Path], list[Path]], path: Path) -> Iterator[Path]:
    """The paths of `find`, which is called when the first one is asked for."""
    yield from find(path)


def _form(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
