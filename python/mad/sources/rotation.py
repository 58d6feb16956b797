"""The names that a file is rotated to, and the files that have them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mad.sources.grown import Place


def rotated_of(path: Path) -> list[Path]:
    """The files beside a file that its name was rotated to, such as `access.log.2.gz` or
    `access.log-20260106`, the oldest first. Of a link also those beside the file it leads to."""
    found = []
    for one in _with_target(path):
        beginnings = (f"{one.name}.", f"{one.name}-")
        found += [
            (entry.stat(follow_symlinks=False).st_mtime_ns, -_number(entry.name), Path(entry.path))
            for entry in _files_of(one.parent)
            if entry.name.startswith(beginnings)
        ]
    return [one for *_, one in sorted(found)]


def moved_of(path: Path, place: Place) -> list[Path]:
    """The files beside a file that are the one of a place under any other name, found by the inode.
    Without one, the newest copy of it that is named `access-1.log` or `access.2026-01-06.log.gz`,
    found by the content."""
    named = []
    for one in _with_target(path):
        others = [entry for entry in _files_of(one.parent) if entry.name != one.name]
        found = [Path(entry.path) for entry in others if entry.inode() == place.inode]
        if found := [other for other in found if place.is_in(other)]:
            return found
        # a place in an empty file is found by the inode alone
        if place.head_bytes > 0:
            named += [entry for entry in others if rotation_of(entry.name) == one.name]
    newest = sorted(named, key=lambda entry: -entry.stat(follow_symlinks=False).st_mtime_ns)
    copy = next((entry.path for entry in newest if place.is_in(Path(entry.path))), None)
    return [Path(copy)] if copy is not None else []


def rotation_of(name: str) -> str | None:
    """The name that was rotated to this one by digits before its ending, as Logback and Log4j do:
    `access.log` of `access-1.log` and of `access.2026-01-06.log.gz`; None for other names."""
    found = re.fullmatch(r"(.+?)[-._]\d[-._:TZ\d]*(\.[^\W\d]\w*?)(?:\.gz|\.zst)?", name)
    return found[1] + found[2] if found is not None else None


def _with_target(path: Path) -> list[Path]:
    """A path, and the file that it leads to where it is a link."""
    try:
        return [path, path.resolve()] if path.is_symlink() else [path]
    except (OSError, RuntimeError):
        return [path]


def _files_of(folder: Path) -> list[os.DirEntry[str]]:
    """The regular files of a folder; none when it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.is_file(follow_symlinks=False)]
    except OSError:
        return []


def _number(name: str) -> int:
    """The number at the end of a rotated name, which is higher for older files; 0 without one."""
    found = re.search(r"\.(\d{1,6})(?:\.\w+)?$", name)
    return int(found[1]) if found else 0
