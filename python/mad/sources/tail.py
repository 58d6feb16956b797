"""Files that grow, with rotation and truncation: the source type `file`."""

from __future__ import annotations

import glob
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from time import monotonic, sleep, time
from typing import Any

from mad.config.options import option
from mad.errors import reason
from mad.sources.grown import Grown, Place, rotated_of
from mad.sources.protocol import Batch, Positions, SourceUnavailable

#: Most files that one source follows.
MOST_FILES = 1_000
#: Share of the files that the process may open which a source keeps open. It opens twice as many
#: while records of several lines are unfinished.
_OPEN_SHARE = 4
#: Seconds after which a file that is gone from its folder, and does not grow, is forgotten.
_GONE_SECONDS = 60.0
#: Longest pause before a file that could not be read is tried again, in seconds.
LONGEST_PAUSE = 30.0
#: A look for new files is repeated after this many times its duration at the earliest.
_LOOK_SHARE = 10.0
#: Age in seconds at which a compressed file that ends early is no longer being written.
_WRITTEN_SECONDS = 60.0

log = logging.getLogger("mad.sources")


@dataclass(frozen=True, kw_only=True)
class TailOptions:
    """What a source of the type `file` reads."""

    paths: tuple[str, ...] = option(help="Files, or patterns such as `/var/log/shop/*.log`")
    kind: str = option("", help="Kind of the records; empty: that of the format, else `requests`")
    format: str = option("", help="Name of the format; empty: found from the first bytes")
    partition: str = option("", help="Partition of the event time")
    start: str = option(
        "beginning",
        help="`beginning` or `end` of files that are read for the first time",
        pattern="beginning|end",
    )
    poll_seconds: float = option(0.5, help="Pause between two looks", least=0.01, most=3_600)
    batch_bytes: int = option(1 << 20, help="Most bytes of a batch", least=1_024, most=8_000_000)


class TailSource:
    """Follows files by inode and content, so that each line is read once.

    A rotated file (renamed, or copied and truncated, compressed or not) is read to its end under
    its new name before the new one is begun. A last line without its end waits for it.

    Files beyond a share of those that the process may open are closed at their end, and opened
    again when they have changed. A file that cannot be read is tried again after a pause, while the
    others are read. The source fails only when no file can be read.
    """

    Options = TailOptions

    def __init__(self, options: TailOptions) -> None:
        self.options = options
        self._stored: Mapping[str, Any] = {}
        self._files: dict[str, Follower] = {}
        self._turn = 0
        self._next_look = float("-inf")
        self._gone: list[str] = []
        self._omitted = 0
        self._most_open = _most_open()

    def open(self, positions: Positions) -> None:
        """Continues in the files of the positions."""
        self.close()
        self._stored = dict(positions)
        self._gone = [
            path for path in positions if not Path(path).exists() and not rotated_of(Path(path))
        ]
        self._look(is_first=not positions)

    def read(self, timeout: float) -> Batch | None:
        """The next lines of any file; the files take turns."""
        end = monotonic() + timeout
        while True:
            if self._gone:
                gone, self._gone = self._gone, []
                return Batch(b"", dict.fromkeys(gone))
            if monotonic() >= self._next_look:
                self._look(is_first=False)
            batch = self._of_next_file()
            if batch is not None:
                return batch
            failed = [one.fault for one in self._files.values() if one.fault]
            if failed and len(failed) == len(self._files):
                raise SourceUnavailable(failed[0])
            left = end - monotonic()
            if left <= 0:
                return None
            sleep(min(left, self.options.poll_seconds))

    def _of_next_file(self) -> Batch | None:
        """The next lines of the files that can be read, which take turns."""
        followers = list(self._files.values())
        followers = followers[self._turn :] + followers[: self._turn]
        is_open = sum(one.is_open for one in followers)
        for place, one in enumerate(followers):
            if not one.is_open and is_open >= 2 * self._most_open:
                # those that are read last give way
                other = next((any_ for any_ in reversed(followers) if any_.may_close), None)
                if other is None:
                    continue
                other.rest()
                is_open -= 1
            was_open = one.is_open
            batch = one.attempt()
            is_open += one.is_open - was_open
            if batch is None and one.is_deleted():
                batch = one.unfinished()
                is_open -= one.is_open
                one.close()
                del self._files[str(one.path)]
                self._gone.append(str(one.path))
            elif batch is None and one.may_close and is_open > self._most_open:
                one.rest()
                is_open -= 1
            if batch is not None:
                self._turn = (self._turn + place + 1) % len(followers)
                return batch
        return None

    def faults(self) -> list[str]:
        """The files that are not read now, while others are: one sentence each."""
        found = [one.fault for one in self._files.values() if one.fault]
        if self._omitted:
            found.append(
                f"{self._omitted:,} of the files are not followed, because a source follows "
                f"{MOST_FILES:,}"
            )
        return found

    def lags(self) -> bool:
        """Whether the last record of a log waits for its further lines."""
        return any(one.waits for one in self._files.values())

    def unfinished(self) -> list[Batch]:
        """The last lines that have no end yet, without moving on. They are whole only if nothing is
        added to their files any more."""
        found = (one.unfinished() for one in self._files.values())
        return [one for one in found if one is not None]

    def acknowledge(self, positions: Positions) -> None:
        """Files need no acknowledgement."""

    def check(self) -> list[str]:
        """Names patterns without a file and files that cannot be read."""
        faults = []
        for pattern in self.options.paths:
            found = _matches(pattern)
            if not found:
                faults.append(f"{pattern}: no file has this name; check the path")
            for path in found:
                try:
                    with path.open("rb"):
                        pass
                except OSError as error:
                    faults.append(f"{path}: {reason(error)}; let mad's user read it")
        return faults

    def close(self) -> None:
        """Closes all files."""
        for follower in self._files.values():
            follower.close()
        self._files = {}

    def _look(self, *, is_first: bool) -> None:
        """Finds new files. A file that is the rotated form of another one belongs to that one."""
        begin = monotonic()
        found = sorted(set(chain.from_iterable(_matches(one) for one in self.options.paths)))
        names = set(found)
        originals = {path: _originals(path, names) for path in found}
        with_rotated = set(chain.from_iterable(originals.values()))
        self._omitted = 0
        for path in found:
            if originals[path] or str(path) in self._files:
                continue
            if len(self._files) >= MOST_FILES:
                self._omitted += 1
                continue
            follower = Follower(
                path,
                self.options,
                self._stored.get(str(path)),
                with_rotated=path in with_rotated,
                at_end=is_first and self.options.start == "end",
            )
            self._files[str(path)] = follower
        end = monotonic()
        self._next_look = max(begin + self.options.poll_seconds, end + _LOOK_SHARE * (end - begin))


class Follower:
    """One file under its name, with those that it was rotated to."""

    def __init__(
        self,
        path: Path,
        options: TailOptions,
        stored: Any,
        *,
        with_rotated: bool,
        at_end: bool,
    ) -> None:
        self.path, self._options = path, options
        self._file: Grown | None = None
        self._stored = Place.of(stored)
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
        last = self._file.place() if self._file is not None else self._stored
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
            self._pause = min(2 * self._pause, LONGEST_PAUSE) or 0.5
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
            lines, skipped = file.lines(self._options.batch_bytes)
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
        return [one for one in rotated if same and one not in same and _later(one, same[0])]

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
            self._options.kind or file.beginning.kind,
            file.format,
            unreadable=skipped,
        )

    def _grown(self, path: Path, place: Place | None = None, *, at_end: bool = False) -> Grown:
        return Grown(path, place, format=self._options.format, at_end=at_end)

    def _begin(self) -> bool:
        """Opens the file in which reading continues; False when there is none yet."""
        if self._damaged is not None:
            path, form = self._damaged
            if path.exists() and _form(path) == form:
                raise ValueError(self.fault.removeprefix(f"{self.path}: "))
            self._damaged = None
        if self._stored is not None:
            place, self._stored = self._stored, None
            candidates = chain([self.path], _lazily(rotated_of, self.path))
            found = next((one for one in candidates if place.is_in(one)), None)
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
        elif self._with_rotated:
            self._next = rotated_of(self.path)
        return self._open_next()

    def _open_next(self) -> bool:
        while self._next:
            path = self._next.pop(0)
            if path.is_file():
                self._file = self._grown(path)
                return True
        if not self.path.is_file():
            return False
        self._file = self._grown(self.path, at_end=self._at_end)
        self._at_end = False
        return True

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
        if file.path == self.path and file.is_truncated and same:
            self._file = self._grown(same[0], place)
            return self._file
        self._stored = None
        if self._open_next():
            return self._file
        self._stored = place
        return None


def _most_open() -> int:
    """The files that a source keeps open."""
    try:
        import resource
    except ImportError:  # Windows
        return MOST_FILES
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if limit == resource.RLIM_INFINITY else limit // _OPEN_SHARE
    return max(1, min(MOST_FILES, most))


def _lazily(find: Callable[[Path], list[Path]], path: Path) -> Iterator[Path]:
    """The paths of `find`, which is called when the first one is asked for."""
    yield from find(path)


def _originals(path: Path, names: set[Path]) -> list[Path]:
    """The files among `names` of which a file has a rotated name."""
    name = path.name
    found = [path.parent / name[:at] for at, char in enumerate(name) if char in ".-"]
    found = [one for one in found if one in names]
    return found if found and not path.is_symlink() else []


def _form(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _later(path: Path, than: Path) -> bool:
    try:
        return path != than and path.stat().st_mtime_ns > than.stat().st_mtime_ns
    except OSError:
        return False


def _matches(pattern: str) -> list[Path]:
    """The regular files of a pattern, or of a name that happens to have pattern characters."""
    names = glob.glob(pattern, recursive=True)  # noqa: PTH207 - a pattern may be absolute
    if Path(pattern).is_file():
        names.append(pattern)
    return [path for path in {Path(name).absolute() for name in names} if path.is_file()]
