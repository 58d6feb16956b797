"""`mad.replay`: the entry that is being judged, for the start after a crash."""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path

from mad.errors import StateError, reason

_PAIR = struct.Struct(">QQ")
#: Entries that the file has room for: those of earlier crashes, and the present one.
_PAIRS = 4


class ReplayMarker:
    """Numbers and tries of the entry in progress and of those at which the process died before.

    A crash inside of native code ends the process without an exception. The marker survives it, so
    that an entry at which the process died twice is examined before it is judged a third time. It
    is not synced, because it matters after a crash of the process alone.

    Raises `StateError` when the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            data = os.pread(self._file, _PAIR.size * _PAIRS, 0)
        except OSError as error:
            remedy = "delete the file, or give another --data"
            raise StateError(f"{path}: {reason(error)}", remedy) from error
        data = data[: len(data) // _PAIR.size * _PAIR.size]
        #: Tries of entries that did not come to an end.
        self.tries: dict[int, int] = {seq: tries for seq, tries in _PAIR.iter_unpack(data) if seq}
        self._current = 0

    def begin(self, seq: int) -> None:
        """Records that an entry is judged now, and that the one before came to an end."""
        self.tries.pop(self._current, None)
        self.tries[seq] = self.tries.get(seq, 0) + 1
        self._current = seq
        self._write()

    def forget(self, seq: int) -> None:
        """Records that an entry is out of question."""
        if self.tries.pop(seq, 0):
            self._write()

    def clear(self) -> None:
        """Records that no entry is judged now."""
        if self.tries:
            self.tries.clear()
            self._current = 0
            self._write()

    def close(self) -> None:
        """Closes the file."""
        with contextlib.suppress(OSError):
            os.close(self._file)

    def _write(self) -> None:
        newest = sorted(self.tries.items())[-_PAIRS:]
        pairs = b"".join(_PAIR.pack(*pair) for pair in newest)
        with contextlib.suppress(OSError):  # the marker is not needed to judge
            os.pwrite(self._file, pairs.ljust(_PAIR.size * _PAIRS, b"\0"), 0)
