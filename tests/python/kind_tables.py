"""Good and bad records of every kind, in tables of every library and files of every format."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from table_kinds import UTC, Build, Columns, cast, duckdb, pandas, polars, pyarrow, seconds, small

START = datetime(2026, 1, 6, 10, tzinfo=UTC)
TIMES = [START + timedelta(minutes=minute) for minute in range(4)]
GOOD: dict[str, Columns] = {
    "requests": small(),
    "metrics": {
        "timestamp": TIMES,
        "service": ["a", "b", "a", "b"],
        "metric": ["cpu", "cpu", "cpu", "cpu"],
        "value": [0.5, 1.5, -2.5, 3.5],
        "resource": ["pod-1", "pod-2", "pod-1", "pod-2"],
        "n": [1, 2, 3, 0],
    },
    "spans": {
        "trace_id": ["t1", "t1", "t2", "t2"],
        "span_id": ["s1", "s2", "s3", "s4"],
        "parent_id": ["s0", "s1", "s0", "s3"],
        "service": ["a", "b", "a", "b"],
        "operation": ["get", "select, all", "get", "select, all"],
        "start": TIMES,
        "duration_ms": [1.0, 0.5, 2.0, 0.0],
        "status": ["ok", "error", "ok", "ok"],
        "kind": ["server", "CLIENT", "internal", "producer"],
        "peer": ["x", "disk", "x", "queue"],
    },
    "logs": {
        "timestamp": TIMES,
        "service": ["a", "b", "a", "b"],
        "level": ["INFO", "ERROR", "INFO", "INFO"],
        "body": ["hello", 'disk "full"\n\tat io', "naïve 服务 🦀", "x" * 5000],
        "trace_id": ["t1", "t1", "t2", "t2"],
    },
    "changes": {
        "timestamp": TIMES,
        "service": ["a", "b", "a", "b"],
        "kind": ["deploy", "config", "restart", "deploy"],
        "name": ["a", "timeout", "a", "b"],
        "version": ["1.2", "5s", "1.2", "2.0"],
    },
    "edges": {
        "caller": ["a", "b", "a", "c"],
        "callee": ["b", "c", "c", "c"],
        "calls": [1, 0, 7, 12],
    },
}
OPTIONAL = {
    "metrics": ["value", "resource", "n"],
    "spans": ["parent_id", "status", "kind", "peer"],
    "logs": ["level", "trace_id"],
    "changes": ["name", "version"],
    "edges": ["calls"],
    "requests": ["endpoint", "status_code", "latency_ms"],
}
"""Fields whose value may be missing."""
BAD = [
    ("metrics", "service", "a\x01", "bad_name"),
    ("metrics", "metric", "m" * 513, "bad_name"),
    ("metrics", "resource", "a\tb", "bad_name"),
    ("metrics", "value", float("inf"), "bad_value"),
    ("metrics", "n", -1, "bad_value"),
    ("spans", "trace_id", "i" * 513, "bad_name"),
    ("spans", "parent_id", "\x7f", "bad_name"),
    ("spans", "operation", "\n", "bad_name"),
    ("spans", "peer", "a\tb", "bad_name"),
    ("spans", "duration_ms", -0.5, "bad_value"),
    ("spans", "duration_ms", float("-inf"), "bad_value"),
    ("logs", "level", "l" * 513, "bad_name"),
    ("logs", "body", "b" * ((1 << 20) + 1), "line_too_long"),
    ("changes", "kind", "a\tb", "bad_name"),
    ("changes", "version", "v" * 513, "bad_name"),
    ("edges", "callee", "a\tb", "bad_name"),
    ("edges", "calls", -7, "bad_value"),
]


def texts(columns: Columns) -> list[str]:
    """The columns of names."""
    return [
        name for name, values in columns.items() if all(isinstance(x, str | None) for x in values)
    ]


def as_numpy(columns: Columns) -> dict[str, Any]:
    """Arrays; the times are epoch seconds."""
    return {
        name: np.array(seconds(values) if isinstance(values[0], datetime) else values)
        for name, values in columns.items()
    }


def as_arrow(columns: Columns) -> Any:
    """A pyarrow table; its times say that they are UTC."""
    return pyarrow.table(columns)


def arrow_names(kind: Callable[[], Any]) -> Build:
    """A pyarrow table whose names have another type."""

    return lambda columns: cast(as_arrow(columns), texts(columns), kind())


def as_duckdb(columns: Columns) -> Any:
    """A relation over an Arrow table."""
    table = as_arrow(columns)
    return duckdb.from_arrow(table)


BUILDS: dict[str, Build] = {"lists": dict, "numpy": as_numpy}
if pandas is not None:
    BUILDS |= {
        "pandas": pandas.DataFrame,
        "pandas object": lambda c: pandas.DataFrame(c).astype(dict.fromkeys(texts(c), "object")),
        "pandas category": lambda c: pandas.DataFrame(c).astype(
            dict.fromkeys(texts(c), "category")
        ),
    }
if polars is not None:
    BUILDS |= {
        "polars": polars.DataFrame,
        "polars category": lambda c: polars.DataFrame(c).with_columns(
            polars.col(texts(c)).cast(polars.Categorical)
        ),
    }
if pyarrow is not None:
    BUILDS |= {
        "pyarrow": as_arrow,
        "pyarrow large": arrow_names(pyarrow.large_string),
        "pyarrow view": arrow_names(pyarrow.string_view),
        "pyarrow codes": arrow_names(lambda: pyarrow.dictionary(pyarrow.int8(), pyarrow.string())),
        "pyarrow reader": lambda c: as_arrow(c).to_reader(1),
    }
if duckdb is not None and pyarrow is not None:
    BUILDS["duckdb"] = as_duckdb


def changed(kind: str, field: str, value: Any) -> Columns:
    """The good records, one value of the third replaced."""
    values = list(GOOD[kind][field])
    values[2] = value
    return GOOD[kind] | {field: values}


def to_csv(columns: Columns) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue().encode()


def to_json(columns: Columns) -> bytes:
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return "".join(json.dumps(row, default=datetime.isoformat) + "\n" for row in rows).encode()


def to_parquet(columns: Columns) -> bytes:
    from pyarrow import parquet as files

    out = io.BytesIO()
    files.write_table(as_arrow(columns), out)
    return out.getvalue()


FILES = {"csv": to_csv, "jsonl": to_json} | ({"parquet": to_parquet} if pyarrow else {})
