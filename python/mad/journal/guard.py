"""Watches that the files of a journal stay in their place while a server writes them."""

from __future__ import annotations

from pathlib import Path

Identity = tuple[int, int]


class FilesMoved(Exception):
    """A file of the journal was deleted, moved or replaced while the server ran."""


class FileGuard:
    """The identities of files, as they were when the guard was made.

    An open file stays writable after its deletion, so that a server would acknowledge batches that
    are in no file.
    """

    def __init__(self, paths: list[Path]) -> None:
        self._known = {path: _identity(path) for path in paths}

    def problem(self) -> str:
        """What happened to the files; empty when all are in place."""
        for path, known in self._known.items():
            now = _identity(path)
            if now != known:
                happened = "was deleted or moved" if now is None else "was replaced"
                return (
                    f"{path} {happened} while the server ran; put the file back, or restart the "
                    "server"
                )
        return ""

    def check(self) -> None:
        """Raises `FilesMoved` when a file is not in place."""
        if problem := self.problem():
            raise FilesMoved(problem)


def _identity(path: Path) -> Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
