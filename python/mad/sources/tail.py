"""Files that grow, with rotation and truncation: the source type `file`."""

from __future__ import annotations

import glob
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from mad.config.options import option
from mad.errors import reason
from mad.sources.follower import Follower
from mad.sources.grown import Place
from mad.sources.protocol import Batch, Positions, SourceUnavailable
from mad.sources.rotation import moved_of, rotated_of, rotation_of

#: Most files that one source follows.
MOST_FILES = 1_000
#: Share of the files that the process may open which a source keeps open. It opens twice as many
#: while records of several lines are unfinished.
_OPEN_SHARE = 4
#: A look for new files is repeated after this many times its duration at the earliest.
_LOOK_SHARE = 10.0


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
        self._stored: dict[str, Any] = {}
        #: Where files were left that have another name now, by their inode.
        self._left: dict[int, Place] = {}
        #: The positions under these names, which go into the next batch.
        self._moved: dict[str, Any] = {}
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
        self._left, self._moved, self._gone = {}, {}, []
        for path, stored in positions.items():
            if Path(path).exists() or rotated_of(Path(path)):
                continue
            place = Place.of(stored)
            if place is not None and moved_of(Path(path), place):
                # read to its end by its new name, or when there is a new file
                self._left[place.inode] = place
            else:
                self._gone.append(path)
        self._look(is_first=not positions)

    def read(self, timeout: float) -> Batch | None:
        """The next lines of any file; the files take turns."""
        end = monotonic() + timeout
        while True:
            if self._gone or self._moved:
                return self._with_moves(Batch(b"", {}))
            if monotonic() >= self._next_look:
                self._look(is_first=False)
            batch = self._of_next_file()
            if batch is not None:
                return self._with_moves(batch)
            failed = [one.fault for one in self._files.values() if one.fault]
            if failed and len(failed) == len(self._files):
                raise SourceUnavailable(failed[0])
            left = end - monotonic()
            if left <= 0:
                return None
            sleep(min(left, self.options.poll_seconds))

    def _with_moves(self, batch: Batch) -> Batch:
        """A batch with the positions of files that are gone, or have other names now. They are
        committed together with the positions of the files in their place."""
        positions = {**dict.fromkeys(self._gone), **self._moved, **batch.positions}
        # the last line of a deleted file is in a batch before it is forgotten
        self._gone, self._moved = [one for one in self._gone if one in batch.positions], {}
        self._stored.update(positions)
        return replace(batch, positions=positions)

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
                self._stored.pop(str(one.path), None)
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
        found = sorted(self._asked())
        # a file between its rotation and its next line has no file of its name
        names = {*found, *map(Path, self._files), *map(Path, self._stored)}
        originals = {path: _originals(path, names) for path in found}
        with_rotated = set(chain.from_iterable(originals.values()))
        self._omitted = 0
        new = [path for path in found if not originals[path] and str(path) not in self._files]
        # copies are recognised by the files that they are copies of
        for path in sorted(new, key=lambda one: _dated(one) in names):
            if len(self._files) >= MOST_FILES:
                self._omitted += 1
                continue
            if self._is_copy(path):
                continue
            follower = Follower(
                path,
                self._stored.get(str(path)),
                self,
                kind=self.options.kind,
                format=self.options.format,
                batch_bytes=self.options.batch_bytes,
                with_rotated=path in with_rotated,
                at_end=is_first and self.options.start == "end",
            )
            self._files[str(path)] = follower
        end = monotonic()
        self._next_look = max(begin + self.options.poll_seconds, end + _LOOK_SHARE * (end - begin))

    def _asked(self) -> set[Path]:
        """The files that the patterns name now."""
        return set(chain.from_iterable(_matches(one) for one in self.options.paths))

    def claim(self, path: Path, inode: int) -> Place | None:
        """The place in a file with this name now, when it was read under another name. That one
        gives the file up."""
        for other in self._files.values():
            # two links of one file are two files
            if other.path != path and other.reads(inode) and _inode(other.path) != inode:
                place = other.give_up()
                break
        else:
            place = self._left.get(inode)
        if place is None:
            return None
        # its inode may be that of a new file by now
        if _inode(path) == inode and not place.is_in(path):
            self._left.pop(inode, None)
            return None
        self._left[inode] = place
        return place

    def is_behind(self, path: Path, place: Place) -> bool:
        """Whether another follower has read further in the file of a place."""
        for name, other in self._files.items():
            theirs = other.place() if other.path != path else None
            # of two at one place the one with the later name reads on
            if theirs is None or theirs.inode != place.inode:
                continue
            if (theirs.offset, name) > (place.offset, str(path)):
                return True
        return False

    def move(self, place: Place, names: list[Path]) -> None:
        """Notes that a file is left at a place, and has other names now."""
        self._left[place.inode] = place
        while len(self._left) > 2 * MOST_FILES:
            del self._left[next(iter(self._left))]
        self._rename(place, names)

    def _rename(self, place: Place, names: list[Path]) -> None:
        """Puts the position of a file under those of its new names that are followed."""
        if all(self._stored.get(str(one)) == place.as_json() for one in names):
            return
        inodes = {_inode(path): path for path in self._asked()}
        followed = set(inodes.values())
        waiting, done = [(place, [one for one in names if one in followed])], set()
        while waiting:
            place, names = waiting.pop()
            if not names or place.inode in done:
                continue
            done.add(place.inode)
            for name, stored in self._stored.items():
                if stored is not None and stored["inode"] == place.inode:
                    self._moved[name] = self._stored[name] = None
            for one in map(str, names):
                before = Place.of(self._stored.get(one))
                self._moved[one] = self._stored[one] = place.as_json()
                # the file that had this name was moved before
                if before is None:
                    continue
                other = inodes.get(before.inode)
                if other is not None and before.is_in(other):
                    waiting.append((before, [other]))
                elif again := moved_of(Path(one), before):
                    # a folder that is read while files move may lack some
                    waiting.append((before, again[:1]))

    def _is_copy(self, path: Path) -> bool:
        """Whether a file is a copy of one that is being read, which is truncated next."""
        other = self._files.get(str(_dated(path)))
        return other is not None and other.is_in(path) and not other.reads(_inode(path))


def _inode(path: Path) -> int:
    """The inode of a file; 0 when there is none."""
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _most_open() -> int:
    """The files that a source keeps open."""
    try:
        import resource
    except ImportError:  # Windows
        return MOST_FILES
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if limit == resource.RLIM_INFINITY else limit // _OPEN_SHARE
    return max(1, min(MOST_FILES, most))


def _dated(path: Path) -> Path | None:
    """The file of which a file has the name, with digits before its ending; None without one."""
    name = rotation_of(path.name)
    return path.with_name(name) if name is not None else None


def _originals(path: Path, names: set[Path]) -> list[Path]:
    """The files among `names` of which a file has a rotated name."""
    name = path.name
    found = [path.parent / name[:at] for at, char in enumerate(name) if char in ".-"]
    found = [one for one in found if one in names]
    return found if found and not path.is_symlink() else []


def _matches(pattern: str) -> list[Path]:
    """The regular files of a pattern, or of a name that happens to have pattern characters."""
    names = glob.glob(pattern, recursive=True)  # noqa: PTH207 - a pattern may be absolute
    if Path(pattern).is_file():
        names.append(pattern)
    return [path for path in {Path(name).absolute() for name in names} if path.is_file()]
