"""Standard input, into which another program writes lines: the source type `stdin`."""

from __future__ import annotations

import os
import selectors
import sys
from dataclasses import dataclass
from time import sleep

from mad.config.options import option
from mad.sources.beginning import Beginning, LastRecord
from mad.sources.grown import LONGEST_LINE
from mad.sources.payload import KINDS
from mad.sources.protocol import Batch, Positions, SourceUnavailable

_PIECE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class StdinOptions:
    """What a source of the type `stdin` reads."""

    kind: str = option(
        "",
        help="Kind of the records; empty: that of the format, else `requests`",
        pattern="|".join(("", *KINDS)),
    )
    format: str = option("", help="Name of the format; empty: found from the first lines")
    partition: str = option("", help="Partition of the event time")


class StdinSource:
    """Reads lines until the other program ends.

    A pipe cannot be read twice: lines that the process had read and not yet committed when it was
    killed are lost. What stays in the pipe while the engine is slow slows the other program.
    """

    Options = StdinOptions

    def __init__(self, options: StdinOptions, file: int | None = None) -> None:
        self.options = options
        self._file = file
        self._rest = b""
        self._beginning = Beginning("text", "requests", b"", is_known=False)
        #: The last record of a log, which waits for its further lines, and its place in the pipe.
        self._last, self._kept, self._given = LastRecord(), b"", 0
        self._is_skipping = self._is_at_end = False

    def open(self, positions: Positions) -> None:
        """Finds standard input."""
        if self._file is None:
            try:
                self._file = sys.stdin.fileno()
            except (AttributeError, OSError, ValueError) as error:
                raise SourceUnavailable(
                    "there is no standard input", "start mad behind a pipe"
                ) from error

    def read(self, timeout: float) -> Batch | None:
        """The whole lines that are there now."""
        skipped = 0
        if not self._is_at_end and self._is_readable(timeout):
            piece = os.read(self._open_file(), _PIECE)
            self._is_at_end = not piece
            self._rest += piece
        elif self._is_at_end:
            sleep(timeout)
        lines, end, rest = self._rest.rpartition(b"\n")
        if self._is_at_end and rest:
            lines, end, rest = self._rest, b"\n", b""
        if not end:
            lines, rest = b"", self._rest
        if self._is_skipping and end:
            lines, self._is_skipping, skipped = lines.partition(b"\n")[2], False, 1
        if self._is_skipping or len(rest) > LONGEST_LINE:
            self._is_skipping, rest = True, b""
        self._rest = rest
        lines = self._kept + (lines + end if lines else b"")
        header = self._header_of(lines)
        kept = self._kept_of(lines) if lines else 0
        self._kept, lines = lines[len(lines) - kept :], lines[: len(lines) - kept]
        if not lines and not skipped:
            return None
        self._given += len(lines)
        kind = self.options.kind or self._beginning.kind
        return Batch(header + lines if lines else b"", {}, kind, self._format, unreadable=skipped)

    def _header_of(self, lines: bytes) -> bytes:
        """The header that `lines` do not have. A program may write other lines before those of a
        known format."""
        if self._beginning.is_known or not lines:
            return self._beginning.header
        self._beginning = Beginning.of("stdin", lines)
        return b""

    @property
    def _format(self) -> str:
        return self.options.format or self._beginning.format

    def _kept_of(self, lines: bytes) -> int:
        kept = self._last.kept(self._format, lines, self._given)
        if self._is_at_end or (kept == len(lines) and kept >= _PIECE):
            # a record that alone fills a read is cut
            self._last.waits, kept = False, 0
        return kept

    def lags(self) -> bool:
        """Whether the last record of a log waits for its further lines."""
        return self._last.waits

    def acknowledge(self, positions: Positions) -> None:
        """A pipe needs no acknowledgement."""

    def check(self) -> list[str]:
        """Whether another program writes to standard input."""
        try:
            self.open({})
        except SourceUnavailable as error:
            return [f"{error}; {error.hint}"]
        if os.isatty(self._open_file()):
            return ["standard input is a terminal; start mad behind a pipe"]
        return []

    def close(self) -> None:
        """The pipe stays open, because it cannot be opened again."""

    def _open_file(self) -> int:
        if self._file is None:
            raise SourceUnavailable("the source is not open")
        return self._file

    def _is_readable(self, timeout: float) -> bool:
        with selectors.DefaultSelector() as waiting:
            try:
                waiting.register(self._open_file(), selectors.EVENT_READ)
            except PermissionError:
                # A regular file can always be read.
                return True
            return bool(waiting.select(timeout))
