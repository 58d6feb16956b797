"""The lines of a file with their times, in pieces that a replay sends one after the other."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

from mad.errors import InputError
from mad.sources.files import InputFile, bounded
from mad.times import time_or_none

MOST_BYTES, MOST_LINES = 512 << 20, 4_000_000
"""Largest file, decompressed, that a replay takes, because it is sorted in memory. A line takes
about 200 bytes beside its text."""
_FIRST, _END = 0.0, 7_258_118_400.0
"""Seconds of 1970 and 2200: the times that records may have."""
_MOST_NUMBER = 1e20
"""Numbers beyond it are no time in any unit."""
_NAMES = ("timestamp", "start", "time", "ts", "@timestamp", "bucket_ts")
_HINT = "a replay reads CSV and JSON Lines with a column timestamp; mad detect reads other formats"


@dataclass(frozen=True)
class TimedLines:
    """The lines of a file by time. CSV has a header, which begins every piece."""

    header: bytes
    times: list[float]
    """Seconds since 1970, ascending."""
    lines: list[bytes]
    skipped: int
    """Lines without a readable time."""

    @property
    def media_type(self) -> str:
        """The media type of a piece."""
        return "text/csv" if self.header else "application/x-ndjson"

    def pieces(self, seconds: float, most: int) -> Iterator[tuple[float, bytes, int]]:
        """Pieces of lines that lie within `seconds` of each other, of at most `most` lines: the
        time of their last line, their bytes, and their number."""
        begin = 0
        while begin < len(self.lines):
            until, end = self.times[begin] + seconds, begin
            last = min(begin + most, len(self.lines))
            while end < last and self.times[end] < until:
                end += 1
            end = max(end, begin + 1)
            body = self.header + b"".join(self.lines[begin:end])
            yield self.times[end - 1], body, end - begin
            begin = end


def timed_lines(path: str) -> TimedLines:
    """Reads a file of CSV or JSON Lines, plain or compressed, and sorts its lines by time.

    Raises `InputError` when it cannot be read, is too large, or has no times.
    """
    source = InputFile(path)
    if source.is_parquet():
        raise InputError(f"{path} is a Parquet file", _HINT)
    return lines_of(path, b"".join(bounded(source.chunks(), MOST_BYTES, path)))


def lines_of(path: str, content: bytes) -> TimedLines:
    """The lines of CSV or JSON Lines in memory, sorted by time; `path` names them in errors.

    Raises `InputError` when they have no times.
    """
    if content.count(b"\n") + content.count(b"\r") > MOST_LINES:
        raise InputError(f"{path} has more than {MOST_LINES:,} lines", "split the file")
    lines = content.splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        lines[-1] += b"\n"
    if not lines:
        raise InputError(f"{path} is empty", _HINT)
    if lines[0].lstrip()[:1] in (b"{", b"["):
        header, times = b"", [_of_json(line) for line in lines]
    else:
        header, lines = lines[0], lines[1:]
        times = _of_csv(path, header, lines)
    order = sorted((at, place) for place, at in enumerate(times) if at is not None)
    if not order:
        raise InputError(f"no line of {path} has a time", _HINT)
    return TimedLines(
        header,
        [at for at, _ in order],
        [lines[place] for _, place in order],
        len(lines) - len(order),
    )


def _of_json(line: bytes) -> float | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    value = next((record[name] for name in _NAMES if name in record), None)
    return _seconds(value) if isinstance(value, int | float | str) else None


def _of_csv(path: str, header: bytes, lines: list[bytes]) -> list[float | None]:
    try:
        return _of_rows(path, header, lines)
    except csv.Error as error:
        raise InputError(f"{path} cannot be read as CSV: {error}", _HINT) from error


def _of_rows(path: str, header: bytes, lines: list[bytes]) -> list[float | None]:
    names = next(csv.reader([header.decode("utf-8", "replace").strip()]), [])
    place = next((names.index(name) for name in _NAMES if name in names), None)
    if place is None:
        raise InputError(f"{path} has no column timestamp: {', '.join(names)[:200]}", _HINT)
    rows = csv.reader(line.decode("utf-8", "replace") for line in lines)
    found = [_seconds(row[place]) if len(row) > place else None for row in rows]
    # a quoted line break would shift the lines that follow
    if len(found) != len(lines):
        raise InputError(f"{path} has records of several lines", _HINT)
    return found


def _seconds(value: float | str) -> float | None:
    """A time as seconds since 1970; numbers are seconds, ms, us or ns."""
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        at = time_or_none(text)
        number = at.timestamp() if at is not None else math.nan
    else:
        number = number if abs(number) < _MOST_NUMBER else math.nan
        while abs(number) > 1e11:
            number /= 1000.0
    return number if _FIRST <= number < _END else None


def moment(seconds: float) -> datetime:
    """A time in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc)
