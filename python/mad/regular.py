"""Opens regular files only: whoever opens a named pipe waits until another program does so too."""

from __future__ import annotations

import errno
import os
import stat
from typing import IO


def open_regular(
    path: str | os.PathLike[str], mode: str = "rb", *, buffering: int = -1
) -> IO[bytes]:
    """A regular file, opened with a binary mode. Raises OSError for anything else, also at once for
    a pipe."""

    def opener(name: str, flags: int) -> int:
        found = os.open(name, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
        if not stat.S_ISREG(os.fstat(found).st_mode):
            os.close(found)
            raise OSError(errno.EINVAL, "it is no regular file", name)
        return found

    return open(path, mode, buffering, opener=opener)
