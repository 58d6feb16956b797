"""The lock that lets only one server write a journal."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mad.errors import StateError

if sys.platform != "win32":
    import fcntl


class Lock:
    """A file lock of this process. The operating system releases it after a crash."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "mad.lock"
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if sys.platform == "win32":
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._file, 32).decode("ascii", "replace").strip()
            os.close(self._file)
            raise StateError(
                f"{directory}: process {holder or '?'} is already writing this journal",
                "stop it, or give another --data",
            ) from None
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Releases the lock."""
        os.close(self._file)
