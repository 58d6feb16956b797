"""Files that grow, with rotation and truncation: the source type `file`."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from mad.config.options import option
from mad.errors import reason
from mad.sources.follower import Follower
from mad.sources.grown import rotated_of
from mad.sources.protocol import Batch, Positions, SourceUnavailable

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
                self._stored.get(str(path)),
                kind=self.options.kind,
                format=self.options.format,
                batch_bytes=self.options.batch_bytes,
                with_rotated=path in with_rotated,
                at_end=is_first and self.options.start == "end",
            )
            self._files[str(path)] = follower
        end = monotonic()
        self._next_look = max(begin + self.options.poll_seconds, end + _LOOK_SHARE * (end - begin))


def _most_open() -> int:
    """The files that a source keeps open."""
    try:
        import resource
    except ImportError:  # Windows
        return MOST_FILES
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if limit == resource.RLIM_INFINITY else limit // _OPEN_SHARE
    return max(1, min(MOST_FILES, most))


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
