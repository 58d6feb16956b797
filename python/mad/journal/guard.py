"""Watches that the files of a journal stay in their place while a server writes them."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path

Identity = tuple[int, int]


class FilesMoved(Exception):
    """A file of the journal was deleted, moved, replaced or cut while the server ran."""


class FileGuard:
    """The identities of files, as they were when the guard was made, and their sizes since then.

    An open file stays writable after its deletion, so that a server would acknowledge batches that
    are in no file. So it would after a file was cut, because SQLite reads its newest pages from
    memory.
    """

    def __init__(self, paths: Mapping[Path, float]) -> None:
        """`paths` are the files with the bytes down to which the writer itself cuts them: infinity
        for one that never becomes shorter, 0 for one of any size."""
        self._least = paths
        self._known = {path: _identity(path) for path in paths}
        self._sizes = dict.fromkeys(paths, 0.0)
        self._cut = ""
        #: Two threads would otherwise compare a size with a later one.
        self._lock = threading.Lock()

    def problem(self) -> str:
        """The change of a file that was not made by the server; empty when all are in place. A
        cut file stays a problem, because its content is lost."""
        with self._lock:
            for path, known in self._known.items():
                now = _stat(path)
                if now is None or known != (now.st_dev, now.st_ino):
                    happened = "was deleted or moved" if now is None else "was replaced"
                    return (
                        f"{path} {happened} while the server ran; put the file back, or restart "
                        "the server"
                    )
                if now.st_size < min(self._sizes[path], self._least[path]):
                    self._cut = (
                        f"{path} was cut from {self._sizes[path]:.0f} to {now.st_size} bytes while "
                        "the server ran; restart the server: it reports the entries that are lost"
                    )
                self._sizes[path] = now.st_size
            return self._cut

    def check(self) -> None:
        """Raises `FilesMoved` when a file is not in place."""
        if problem := self.problem():
            raise FilesMoved(problem)


def _identity(path: Path) -> Identity | None:
    found = _stat(path)
    return None if found is None else (found.st_dev, found.st_ino)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
