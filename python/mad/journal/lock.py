"""The locks that let only one server write a journal."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from hashlib import blake2b
from pathlib import Path

from mad.errors import StateError

if sys.platform != "win32":
    import fcntl


class Lock:
    """Locks of a directory. The operating system releases them after a crash.

    `mad.lock` names the process. The directory itself is locked too, and its place by an abstract
    socket on Linux, so that no second server starts after the files, or the directory, were deleted
    under the first one.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / "mad.lock"
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        self._directory: int | None = None
        self._name: socket.socket | None = None
        try:
            self._take(directory)
        except BaseException:
            self.release()
            raise

    def _take(self, directory: Path) -> None:
        if sys.platform == "win32":
            return
        self._directory = os.open(directory, os.O_RDONLY)
        try:
            for file in (self._directory, self._file):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if sys.platform == "linux":
                self._name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._name.bind(_abstract(directory))
        except OSError:
            holder = os.pread(self._file, 32, 0).decode("ascii", "replace").strip()
            raise StateError(
                f"{directory}: process {holder or '?'} is already writing this journal",
                "stop it, or give another --data",
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Releases the locks."""
        if self._name is not None:
            self._name.close()
        for file in (self._file, self._directory):
            if file is not None:
                with contextlib.suppress(OSError):
                    os.close(file)


def _abstract(directory: Path) -> bytes:
    """The name of a socket that belongs to the place of a directory, not to the directory itself.

    The place is the name within the parent, because containers that share a network may use equal
    paths in different file systems.
    """
    path = directory.resolve()
    parent = path.parent.stat()
    place = f"{parent.st_dev} {parent.st_ino} {path.name}"
    return b"\0mad-journal-" + blake2b(place.encode(), digest_size=16).hexdigest().encode()
