"""What the written files say: rows, points, incidents and changes of one run, for checks of
explanations."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Json = dict[str, Any]
Entity = tuple[str, str]
_SIGNALS = (
    "p50_latency_ms",
    "p95_latency_ms",
    "error_rate",
    "client_error_rate",
    "slow_share",
    "req_count",
)


def moment(text: str) -> np.datetime64:
    """A time of a file, to the millisecond."""
    return np.datetime64(text.removesuffix("Z"), "ms")


def number(text: str) -> float:
    """A number of a file; NaN for an empty field."""
    return float(text) if text else float("nan")


@dataclass
class Column:
    """The rows of one signal of an entity, in order of time."""

    at: npt.NDArray[np.datetime64]
    values: npt.NDArray[np.float64]
    expected: npt.NDArray[np.float64]
    """Of the rows that this signal leads; NaN elsewhere."""
    flagged: npt.NDArray[np.bool_]
    """Whether the row is flagged, for this or another signal."""
    scores: npt.NDArray[np.float64]

    def within(self, start: np.datetime64, end: np.datetime64) -> npt.NDArray[np.bool_]:
        """The flagged rows of an interval."""
        return self.flagged & (self.at >= start) & (self.at < end)


@dataclass
class Files:
    """The files of one run."""

    document: Json
    columns: dict[tuple[str, str, str], Column] = field(default_factory=dict)
    """By service, endpoint or resource, and signal."""
    counts: dict[Entity, dict[np.datetime64, tuple[int, int]]] = field(default_factory=dict)
    """Requests and failed requests of each row."""
    changes: list[dict[str, str]] = field(default_factory=list)
    lines: list[tuple[np.datetime64, str, str, str]] = field(default_factory=list)
    """Time, service, level and body of the log lines of the input."""
    edges: set[tuple[str, str]] = field(default_factory=set)

    @property
    def incidents(self) -> list[Json]:
        """The incidents of the run."""
        return list(self.document["incidents"])

    def signals_of(self, entity: Entity) -> list[str]:
        """The signals that an entity has rows of."""
        return [signal for *names, signal in self.columns if tuple(names) == entity]


def read(folder: Path) -> Files:
    """Reads the output of `mad detect` in `out`, and the changes and edges beside it."""
    out = folder / "out"
    files = Files(json.loads((out / "incidents.json").read_text()))
    requests = (_records(out / "scored.csv"), _records(out / "services.csv"))
    scored = [row for part in requests for row in part if "endpoint" in row]
    points = [*_records(out / "scored_metrics.csv"), *_records(out / "scored.csv")]
    features = {_key(row): row for row in _records(out / "features.csv") if "endpoint" in row}
    raw: dict[tuple[str, str, str], list[tuple[Any, ...]]] = {}
    for row in scored:
        entity, at = (row["service"], row["endpoint"]), moment(row["bucket_ts"])
        known = features.get(_key(row), row)
        flagged = row["is_anomaly"] == "true"
        for signal in _SIGNALS:
            leads = row.get("signal") == signal
            value = number(row["value"] if leads else known.get(signal) or "")
            expected = number(row["expected"]) if leads else float("nan")
            line = (at, value, expected, flagged, number(row["score"]))
            raw.setdefault((*entity, signal), []).append(line)
        counts = files.counts.setdefault(entity, {})
        counts[at] = int(float(row["req_count"] or 0)), int(float(row["error_count"] or 0))
    for row in (row for row in points if "metric" in row):
        name = row["service"], row["resource"], row["metric"]
        flagged = row["is_anomaly"] == "true"
        line = (moment(row["bucket_ts"]), number(row["value"]), number(row["expected"]), flagged)
        raw.setdefault(name, []).append((*line, number(row["score"])))
    files.columns = {name: _column(lines) for name, lines in raw.items()}
    files.lines = [
        (moment(row["timestamp"]), row["service"], row["level"], row["body"])
        for row in _records(folder / "logs.csv")
    ]
    files.changes = list(_records(folder / "changes.csv"))
    files.edges = {(row["caller"], row["callee"]) for row in _records(folder / "edges.csv")}
    return files


def _key(row: dict[str, str]) -> tuple[str, str, str]:
    return row["bucket_ts"], row["service"], row["endpoint"]


def _column(lines: Iterable[tuple[Any, ...]]) -> Column:
    at, values, expected, flagged, scores = zip(*sorted(lines, key=lambda one: one[0]), strict=True)
    times = np.array(at, "datetime64[ms]")
    floats = (np.array(part, float) for part in (values, expected, scores))
    value, usual, score = floats
    return Column(times, value, usual, np.array(flagged, bool), score)


def _records(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
