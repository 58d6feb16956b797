"""Labelled series in their published form: the sets of Microsoft, the AIOps challenge and NAB."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

NOT_SCORED = 0.1
"""Share at the start of a series that is learnt and not scored."""


@dataclass(frozen=True)
class Labelled:
    """One series in time order: milliseconds, values (NaN for a gap) and labels."""

    times: Times
    values: Floats
    labels: Flags
    """Anomalous rows; none in a set with windows."""
    start: int = 0
    """The first scored row."""
    order: npt.NDArray[np.intp] | None = None
    """The file position of each row, for scores in file order."""
    windows: tuple[tuple[int, int], ...] = ()
    """First and last millisecond of each window."""

    @property
    def days(self) -> float:
        """The length of the scored part in days."""
        return float(self.times[-1] - self.times[self.start]) / 86_400_000


def read(folder: Path, name: str) -> dict[str, Labelled]:
    """The series of one set by name.

    Raises OSError and ValueError for unreadable files.
    """
    if name == "nab":
        text = (folder / "labels" / "combined_windows.json").read_text()
        windows = json.loads(text)
        files = _files(folder / "data")
        return {key: _windowed(path, windows.get(key, [])) for key, path in files}
    return {key: _labelled(path, header=name == "microsoft") for key, path in _files(folder)}


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        if path.name.endswith((".csv", ".csv.gz")):
            yield path.relative_to(folder).as_posix().removesuffix(".gz"), path


def _text(path: Path) -> io.StringIO:
    data = path.read_bytes()
    return io.StringIO((gzip.decompress(data) if path.suffix == ".gz" else data).decode())


def _rows(path: Path) -> Iterator[list[str]]:
    return csv.reader(_text(path), skipinitialspace=True)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _millis(text: str) -> int:
    moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return round(moment.timestamp() * 1000)


def _labelled(path: Path, *, header: bool) -> Labelled:
    if header:
        rows = _rows(path)
        next(rows)
        table = np.array([(_millis(row[0]), _number(row[1]), _number(row[2])) for row in rows])
    else:
        table = np.loadtxt(_text(path), delimiter=",", ndmin=2)
        table[:, 0] *= 1000
    order = np.argsort(table[:, 0], kind="stable")
    labels = np.nan_to_num(table[order, 2]) > 0
    start = math.ceil(NOT_SCORED * len(labels))
    while start < len(labels) and labels[start] and labels[start - 1]:
        start += 1
    return Labelled(table[order, 0].astype(np.int64), table[order, 1], labels, start)


def _windowed(path: Path, windows: list[list[str]]) -> Labelled:
    rows = _rows(path)
    next(rows)
    table = np.array([(_millis(row[0]), _number(row[1])) for row in rows])
    order = np.argsort(table[:, 0], kind="stable")
    return Labelled(
        table[order, 0].astype(np.int64),
        table[order, 1],
        np.zeros(len(table), np.bool_),
        order=order,
        windows=tuple((_millis(first), _millis(last)) for first, last in windows),
    )
