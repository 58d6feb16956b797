"""The names that a file is rotated to, and the files of folders as one look finds them."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

#: What stands behind the name of a file that was rotated: `.1`, `-20260106`, `.2.gz`, `.old`.
_SUFFIX = r"[-._](?:\d[-+._:TZ\d]*|old|bak|prev)(?:\.(?:gz|zst|tmp))*|\.(?:gz|zst)"
#: Most names of which the original is remembered.
_MOST_NAMES = 100_000
#: Digits before the ending of a name, as Logback and Log4j write them: `app-1.log`.
_INFIX = re.compile(r"(.+?)[-._]\d[-._:TZ\d]*(\.[^\W\d]\w*?)(?:\.gz|\.zst)?(?:\.tmp)?")
_SUFFIXED = re.compile(rf"(.+?)(?:{_SUFFIX})")


class Seen(NamedTuple):
    """A regular file as a look found it."""

    path: Path
    device: int
    inode: int
    size: int
    #: Time of its last change, in nanoseconds.
    changed: int

    @property
    def form(self) -> tuple[int, int, int]:
        """What differs when the file was changed."""
        return self.inode, self.size, self.changed


class Patterns:
    """The files and patterns that a source reads, and the names that they are rotated to."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = [os.path.abspath(one) for one in patterns]  # noqa: PTH100 - as text
        #: The targets of links, which are rotated in their own folders, with the links.
        self._links: dict[Path, Path] = {}
        #: The results of `original`.
        self._originals: dict[Path, Path] = {}

    def asked(self) -> dict[Path, Seen]:
        """The regular files that the patterns name now."""
        found: dict[Path, Seen] = {}
        before, self._links = self._links, {}
        for pattern in self._patterns:
            names = glob.glob(pattern, recursive=True)  # noqa: PTH207 - a pattern may be absolute
            # a name may happen to have the characters of a pattern
            for name in (*names, pattern):
                path = Path(name)
                if path in found or (one := seen(path)) is None:
                    continue
                found[path] = one
                try:
                    if path.is_symlink():
                        self._links[path.resolve()] = path
                except (OSError, RuntimeError):
                    continue
        if self._links != before or len(self._originals) > _MOST_NAMES:
            self._originals.clear()
        return found

    def folders(self, asked: Iterable[Path]) -> set[Path]:
        """The folders in which these files and the named ones are rotated."""
        found = {path.parent for path in (*asked, *self._links)}
        parents = {Path(one).parent for one in self._patterns}
        return found | {one for one in parents if not glob.has_magic(str(one))}

    def is_asked(self, path: Path) -> bool:
        """Whether a name is one of those that are read, also before a file has it."""
        return any(
            str(path) == one
            or (
                fnmatch(path.name, Path(one).name)
                and fnmatch(str(path.parent), str(Path(one).parent))
            )
            for one in self._patterns
        )

    def original(self, path: Path) -> Path:
        """The name that was rotated to this one; the name itself for one that is no other's."""
        if (known := self._originals.get(path)) is None:
            known = self._originals[path] = self._original(path)
        return known

    def _original(self, path: Path) -> Path:
        for one in (suffixed(path.name), infixed(path.name)):
            if one is None:
                continue
            base = path.with_name(one)
            if base in self._links:
                return self._links[base]
            if self.is_asked(base):
                # `app.log` of `app-1.log` of `app-1.log.gz`
                return self._original(base)
        return self._links.get(path, path)


def suffixed(name: str) -> str | None:
    """The name that was rotated to this one by a suffix: `access.log` of `access.log.2.gz`."""
    found = _SUFFIXED.fullmatch(name)
    return found[1] if found is not None else None


def infixed(name: str) -> str | None:
    """The name that was rotated to this one by digits before its ending: `access.log` of
    `access-1.log` and of `access.2026-01-06.log.gz`."""
    found = _INFIX.fullmatch(name)
    return found[1] + found[2] if found is not None else None


def shape(name: str) -> str:
    """The name without its digits and its compression, which files of one style share."""
    return re.sub(r"\d+", "0", re.sub(r"\.(?:gz|zst|tmp)$", "", name))


def number_of(name: str) -> int:
    """The number at the end of a rotated name, which is higher for older files; 0 without one."""
    found = re.search(r"\.(\d{1,6})(?:\.\w+)?$", name)
    return int(found[1]) if found else 0


def seen(path: Path) -> Seen | None:
    """A regular file, or the one that a link leads to; None for anything else."""
    try:
        found = path.stat()
    except (OSError, ValueError, RuntimeError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return Seen(path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def files_of(folder: Path) -> list[os.DirEntry[str]] | None:
    """The regular files of a folder; None when it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.is_file(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    except OSError:
        return None
