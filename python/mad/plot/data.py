"""Rows of tables as columns of plain values, reduced to what a chart can show."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from mad.sources.files import InputFile
from mad.times import time_or_none

Columns = dict[str, list[Any]]
MOST = 2_000
"""Most rows of one chart. More are reduced: see `reduced`."""
NUMBERS = (
    "req_count",
    "error_count",
    "error_rate",
    "avg_latency_ms",
    "p95_latency_ms",
    "score",
    "expected_low",
    "expected_high",
    "value",
    "expected",
)
TEXTS = ("service", "endpoint", "severity", "signal", "reason")


def columns_of(source: Any) -> Columns:
    """The judged rows of a `Report`, a `Table`, a dataframe, a pyarrow table, a mapping of columns
    or a path of scored.csv. Times become ms since 1970; NaN and empty numbers become None.

    Raises TypeError for anything else, and ValueError when a column is missing.
    """
    if isinstance(source, str) or hasattr(source, "__fspath__"):
        return _read(source)
    table = getattr(source, "scored", source)
    names = _names(table)
    missing = {"bucket_ts", "service", "endpoint"} - set(names)
    if missing:
        raise ValueError(f"the table has no column {', '.join(sorted(missing))}")
    wanted = ("bucket_ts", *TEXTS, "is_anomaly", *NUMBERS)
    return _plain({name: _values(table[name]) for name in wanted if name in names})


def _names(table: Any) -> list[str]:
    for attribute in ("column_names", "columns"):
        if hasattr(table, attribute):
            return [str(name) for name in getattr(table, attribute)]
    if isinstance(table, Mapping):
        return [str(name) for name in table]
    raise TypeError(f"{type(table).__name__} is no report, table, dataframe or mapping of columns")


def _values(column: Any) -> list[Any]:
    for method in ("to_pylist", "to_list", "tolist"):
        if hasattr(column, method):
            dtype = str(getattr(column, "dtype", ""))
            if method == "tolist" and dtype.startswith("datetime64"):
                return list(column.astype("datetime64[ms]").astype(int).tolist())
            return list(getattr(column, method)())
    return list(column)


def _read(path: Any) -> Columns:
    text = b"".join(InputFile(str(path)).chunks()).decode()
    reader = csv.reader(io.StringIO(text))
    names = next(reader, [])
    found: dict[str, list[Any]] = dict(
        zip(names, map(list, zip(*reader, strict=True)), strict=False)
    )
    for name in ("bucket_ts", "service", "endpoint"):
        if name not in names:
            raise ValueError(f"{path} has no column {name}")
        found.setdefault(name, [])
    return _plain(found)


def _plain(found: Mapping[str, Sequence[Any]]) -> Columns:
    out: Columns = {"bucket_ts": [_milliseconds(at) for at in found["bucket_ts"]]}
    for name, values in found.items():
        if name in NUMBERS:
            out[name] = [_number(value) for value in values]
        elif name in TEXTS:
            out[name] = ["" if value is None else str(value) for value in values]
        elif name == "is_anomaly":
            out[name] = [value is True or str(value).lower() in ("true", "1") for value in values]
    length = len(out["bucket_ts"])
    out.setdefault("is_anomaly", [False] * length)
    for name in NUMBERS:
        out.setdefault(name, [None] * length)
    for name in TEXTS:
        out.setdefault(name, [""] * length)
    return out


def _number(value: Any) -> float | None:
    if value is None or value == "":
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _milliseconds(at: Any) -> int:
    if isinstance(at, int):
        return at
    if isinstance(at, str):
        at = time_or_none(at)
    if isinstance(at, datetime):
        zoned = at if at.tzinfo is not None else at.replace(tzinfo=timezone.utc)
        return round(zoned.timestamp() * 1000)
    raise ValueError(f"bucket_ts = {at!r} is no time with a zone")


def where(columns: Columns, keep: Sequence[bool]) -> Columns:
    """The rows that are kept."""
    places = [place for place, is_kept in enumerate(keep) if is_kept]
    return {name: [values[place] for place in places] for name, values in columns.items()}


def of_entity(columns: Columns, service: str | None, endpoint: str | None) -> Columns:
    """The rows of one service and endpoint; None takes all."""
    pairs = zip(columns["service"], columns["endpoint"], strict=True)
    return where(
        columns,
        [
            (service is None or name == service) and (endpoint is None or of == endpoint)
            for name, of in pairs
        ],
    )


def reduced(columns: Columns, most: int = MOST) -> Columns:
    """At most about `most` rows: all flagged ones, as far as they fit, and of the others the row
    with the largest p95 of each of equal parts of the time. A peak stays visible."""
    total = len(columns["bucket_ts"])
    if total <= most:
        return columns
    flagged = [place for place, is_one in enumerate(columns["is_anomaly"]) if is_one]
    flagged = flagged[:: max(math.ceil(2 * len(flagged) / most), 1)]
    order = sorted(range(total), key=lambda place: columns["bucket_ts"][place])
    size = math.ceil(total / max(most - len(flagged), 1))
    latency = columns["p95_latency_ms"]
    peaks = [
        max(order[begin : begin + size], key=lambda place: latency[place] or 0.0)
        for begin in range(0, total, size)
    ]
    keep = set(peaks) | set(flagged)
    return where(columns, [place in keep for place in range(total)])


def records(columns: Columns) -> list[dict[str, Any]]:
    """The rows as dictionaries, with the name of the endpoint as `where`."""
    names = list(columns)
    rows = [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    for row in rows:
        row["where"] = f"{row['service']} {row['endpoint']}".strip()
    return rows
