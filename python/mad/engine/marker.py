"""`mad.replay`: the entry that is being judged, for the start after a crash of the process."""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path

_FIELDS = struct.Struct(">QQ")


class ReplayMarker:
    """Number and tries of the entry in progress.

    A crash inside of native code ends the process without an exception. The marker survives it, so
    that an entry at which the process died twice is examined before it is judged a third time. It
    is not synced, because it matters after a crash of the process alone.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        data = os.pread(self._file, _FIELDS.size, 0)
        #: The entry at which an earlier process died, and how often; 0 for none.
        self.seq, self.tries = _FIELDS.unpack(data) if len(data) == _FIELDS.size else (0, 0)

    def begin(self, seq: int) -> None:
        """Records that an entry is judged now."""
        self.tries = self.tries + 1 if seq == self.seq else 1
        self.seq = seq
        self._write()

    def clear(self) -> None:
        """Records that no entry is judged now."""
        if self.seq:
            self.seq = self.tries = 0
            self._write()

    def close(self) -> None:
        """Closes the file."""
        with contextlib.suppress(OSError):
            os.close(self._file)

    def _write(self) -> None:
        with contextlib.suppress(OSError):  # the marker is not needed to judge
            os.pwrite(self._file, _FIELDS.pack(self.seq, self.tries), 0)
