"""What the first lines of a file or a pipe say about the lines after them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from mad import _core
from mad.sources.files import text_of

#: Formats with the fields of mad, whose kind the options name.
_OWN = ("csv", "json-lines")
#: Formats that begin with the names of their columns.
_TABLES = ("csv", "jmeter", "k6", "locust")
#: Seconds in which further lines of the last record may follow.
_RECORD_SECONDS = 1.0


def format_of(path: str | os.PathLike[str], first: bytes) -> str | None:
    """The format of a file with this name and these first bytes; None for an unknown one."""
    return _core.detect_format(Path(text_of(path)).name, first)


@dataclass(frozen=True, slots=True)
class Beginning:
    """The format of lines, the kind of their records, and the header that every batch repeats."""

    #: The format as the journal names it: CSV and JSON Lines with the fields of mad are text.
    format: str
    #: The kind of most records; the options name that of CSV and JSON Lines.
    kind: str
    #: The header of a table, or the directives of a W3C log; empty for other formats.
    header: bytes
    #: Whether the lines have a known format.
    is_known: bool

    @classmethod
    def of(cls, name: str, first: bytes) -> Beginning:
        """The beginning of a file with this name and these first bytes."""
        found = format_of(name, first)
        if found is None or found in _OWN:
            is_known = found == "json-lines" or (found == "csv" and _is_table(first))
            return cls("text", "requests", _header(first, found), is_known)
        header = _header(first, found)
        # the directives of a W3C log are complete before its first line
        is_known = found != "iis" or bool(header)
        return cls(found, _kind(name, first, found), header, is_known)


@dataclass(slots=True)
class LastRecord:
    """Keeps the last record of a log back until its further lines can no longer follow."""

    #: Where the record begins and the lines end, and since when.
    _place: tuple[int, int] = (0, 0)
    _since: float = 0.0
    #: Whether a record is kept back.
    waits: bool = False

    def kept(self, format: str, lines: bytes, start: int) -> int:
        """How many bytes at the end of `lines`, the first of which has the place `start`, are given
        later, together with the lines that follow."""
        size = _core.unfinished_bytes(format, lines)
        end = start + len(lines)
        if self._place != (end - size, end):
            self._place, self._since = (end - size, end), monotonic()
        self.waits = size > 0 and monotonic() - self._since < _RECORD_SECONDS
        return size if self.waits else 0


def _is_table(first: bytes) -> bool:
    """Whether text begins with three names of columns or more. Other text may be anything."""
    line = first.partition(b"\n")[0]
    return any(line.count(one) >= 2 for one in (b",", b";", b"\t"))


def _kind(name: str, first: bytes, format: str) -> str:
    """The kind of most records of a format, or of the first ones where a format has several."""
    kinds = _core.kinds_of_format(format)
    if len(kinds) == 1:
        return kinds[0]
    found = _core.Inspector(None, format)
    found.begin(name)
    found.feed(first[: first.rfind(b"\n") + 1])
    found.end()
    counts: dict[str, int] = json.loads(found.document()).get("kinds", {})
    return max(kinds, key=lambda kind: counts.get(kind, 0))


def _header(first: bytes, format: str | None) -> bytes:
    if format == "iis":
        lines = first.split(b"\n")
        count = next((n for n, line in enumerate(lines) if not line.startswith(b"#")), 0)
        return b"".join(line + b"\n" for line in lines[:count])
    line, end, _ = first.partition(b"\n")
    is_table = format in _TABLES and line.lstrip()[:1] not in (b"{", b"[")
    return line + end if is_table and end else b""
