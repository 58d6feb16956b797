"""Request tables of every kind that the environment has to have.

`MAD_TEST_TABLES` names the dataframe libraries under test. Its default is all of them, so that
none is left out silently; an environment that lacks some says so.
"""

from __future__ import annotations

import csv
import functools
import importlib
import io
import itertools
import os
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import Any

import numpy as np

from mad import Report, Table, _core

UTC = timezone.utc
LIBRARIES = ("pandas", "polars", "pyarrow", "duckdb")
HAVE = tuple(os.environ.get("MAD_TEST_TABLES", ",".join(LIBRARIES)).split(","))
if unknown := set(HAVE) - set(LIBRARIES):
    raise ValueError(f"MAD_TEST_TABLES names {unknown}; there are {LIBRARIES}")

Columns = dict[str, list[Any]]
"""Columns as plain lists; times are aware datetimes."""
Build = Callable[[Columns], Any]

pandas, polars, pyarrow, duckdb = (
    importlib.import_module(name) if name in HAVE else None for name in LIBRARIES
)


@functools.cache
def shop(rows: int = 8000, seed: int = 1, minutes: int = 120) -> Columns:
    """The shop's traffic with its incident, at whole seconds."""
    simulation = _core.ShopSimulation(
        rows=rows,
        seed=seed,
        duration_seconds=60.0 * minutes,
        start="2026-01-06T10:00:00Z",
        labels=False,
    )
    text = b""
    while piece := simulation.take_csv(10_000):
        text += piece
    records = list(csv.DictReader(io.StringIO(text.decode())))
    return {
        "timestamp": [datetime.fromisoformat(r["timestamp"][:19] + "+00:00") for r in records],
        "service": [r["service"] for r in records],
        "endpoint": [r["endpoint"] for r in records],
        "status_code": [int(r["status_code"]) for r in records],
        "latency_ms": [float(r["latency_ms"]) for r in records],
    }


def small(**changed: list[Any]) -> Columns:
    """Four good requests, some of their columns changed."""
    columns: Columns = {
        "timestamp": [datetime(2026, 1, 6, 10, minute, tzinfo=UTC) for minute in range(4)],
        "service": ["a", "b", "a", "b"],
        "endpoint": ["/x", "/y", "/x", "/y"],
        "status_code": [200, 200, 500, 200],
        "latency_ms": [10.0, 20.0, 30.5, 40.0],
    }
    return columns | changed


def seconds(times: list[Any]) -> list[int]:
    """Whole seconds since 1970."""
    return [int(time.timestamp()) for time in times]


def to_csv(columns: Columns) -> bytes:
    """The CSV that a user would have."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    rows = zip(*columns.values(), strict=True)
    writer.writerows([time.isoformat(), *rest] for time, *rest in rows)
    return out.getvalue().encode()


def as_numpy(columns: Columns) -> dict[str, Any]:
    """Arrays; numpy's own datetimes have no zone, so the times are epoch seconds."""
    out: dict[str, Any] = {name: np.array(values) for name, values in columns.items()}
    out["timestamp"] = np.array(seconds(columns["timestamp"]))
    return out


def as_pandas(columns: Columns) -> Any:
    """The frame that pandas makes of the lists."""
    return pandas.DataFrame(columns)


def pandas_names(kind: str) -> Build:
    """A frame whose names have the type `kind`."""
    return lambda columns: as_pandas(columns).astype({"service": kind, "endpoint": kind})


def pandas_nullable(columns: Columns) -> Any:
    """A frame of types that have a null of their own."""
    kinds = {"service": "string", "endpoint": "string", "status_code": "Int64"}
    return as_pandas(columns).astype(kinds | {"latency_ms": "Float64"})


def as_arrow(columns: Columns) -> Any:
    """A pyarrow table; its times say that they are UTC."""
    kinds = {"timestamp": pyarrow.timestamp("us", "UTC")}
    return pyarrow.table(
        {name: pyarrow.array(values, kinds.get(name)) for name, values in columns.items()}
    )


def cast(table: Any, names: Iterable[str], kind: Any) -> Any:
    """A pyarrow table with some columns of another type."""
    for name in names:
        at = table.column_names.index(name)
        table = table.set_column(at, name, table[name].cast(kind))
    return table


def arrow_names(kind: Callable[[], Any]) -> Build:
    """A pyarrow table whose names have another type."""

    return lambda columns: cast(as_arrow(columns), ("service", "endpoint"), kind())


def arrow_chunks(columns: Columns) -> Any:
    """A pyarrow table in uneven chunks, some of them empty."""
    table = as_arrow(columns)
    n = len(table)
    cuts = [0, 0, 1, n // 3, n // 3, n // 2, n]
    return pyarrow.concat_tables([table.slice(a, b - a) for a, b in itertools.pairwise(cuts)])


def as_duckdb(columns: Columns) -> Any:
    """A relation over literal values."""
    kinds = {"timestamp": "timestamptz", "status_code": "integer", "latency_ms": "double"}
    lists = [
        [time.isoformat() for time in values] if name == "timestamp" else values
        for name, values in columns.items()
    ]
    names = ", ".join(f"unnest($1[{i}])::{kinds.get(name, 'varchar')} as {name}"
                      for i, name in enumerate(columns, start=1))  # fmt: skip
    texts = [[None if x is None else str(x) for x in values] for values in lists]
    return duckdb.sql(f"select {names}", params=[texts])


KINDS: dict[str, Build] = {"lists": dict, "numpy": as_numpy}
if pandas is not None:
    KINDS |= {
        "pandas": as_pandas,
        "pandas object": pandas_names("object"),
        "pandas string": pandas_names("string"),
        "pandas category": pandas_names("category"),
        "pandas nullable": pandas_nullable,
    }
if polars is not None:
    KINDS |= {
        "polars": polars.DataFrame,
        "polars category": lambda columns: polars.DataFrame(columns).with_columns(
            polars.col("service", "endpoint").cast(polars.Categorical)
        ),
    }
if pyarrow is not None:
    KINDS |= {
        "pyarrow": as_arrow,
        "pyarrow chunks": arrow_chunks,
        "pyarrow batch": lambda columns: as_arrow(columns).combine_chunks().to_batches()[0],
        "pyarrow reader": lambda columns: as_arrow(columns).to_reader(1000),
        "pyarrow large": arrow_names(pyarrow.large_string),
        "pyarrow view": arrow_names(pyarrow.string_view),
        "pyarrow dictionary": lambda columns: as_arrow(columns).set_column(
            1, "service", as_arrow(columns)["service"].dictionary_encode()
        ),
    }
if duckdb is not None:
    KINDS |= {"duckdb": as_duckdb}


def content(table: Table) -> dict[str, list[Any]]:
    """A table as lists; a NaN is None, so that it equals itself."""
    out = {}
    for name in table.column_names:
        values = np.asarray(table[name])
        if values.dtype.kind == "f":
            values = np.where(np.isnan(values), None, values.astype(object))
        out[name] = values.tolist()
    return out


def whole(report: Report) -> tuple[Any, ...]:
    """Everything that a detection found."""
    return (
        content(report.features),
        content(report.scored),
        [incident.to_json() for incident in report.incidents],
        report.document(),
    )
