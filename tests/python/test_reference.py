"""The numbers of the original system, compared with a separate numpy formula."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from table_kinds import Columns, content, shop, small, to_csv

import mad


@dataclass(frozen=True)
class Settings:
    """Values of the original's parameters."""

    min_points: int = 20
    warmup: int = 15
    min_requests: int = 20


DEFAULT = Settings()
LIVE = Settings(10, 5, 10)
UNGUARDED = Settings(0, 0, 0)
NAMES = ("req_count", "error_count", "error_rate", "avg_latency_ms", "p95_latency_ms", "mad_z")


def modified_z(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """0.6745 (x - median) / MAD with one median and MAD over all of them."""
    center = np.median(values)
    return 0.6745 * (values - center) / max(np.median(np.abs(values - center)), 1e-9)


def formula(columns: Columns, settings: Settings) -> dict[str, list[Any]]:
    """A's scored rows, minute by minute, from its rules."""
    minutes: dict[tuple[str, str], dict[datetime, list[int]]] = {}
    names = zip(columns["service"], columns["endpoint"], strict=True)
    for row, (time, name) in enumerate(zip(columns["timestamp"], names, strict=True)):
        minute = time.replace(second=0, microsecond=0, tzinfo=None)
        minutes.setdefault(name, {}).setdefault(minute, []).append(row)
    latencies, statuses = np.array(columns["latency_ms"]), np.array(columns["status_code"])
    rows: list[tuple[Any, ...]] = []
    for name, buckets in minutes.items():
        order = sorted(buckets)
        inside = [latencies[buckets[minute]] for minute in order]
        p95 = np.array([np.percentile(x, 95, method="linear") for x in inside])
        z = modified_z(p95)
        for place, minute in enumerate(order):
            count = len(inside[place])
            errors = int((statuses[buckets[minute]] >= 500).sum())
            flagged = (
                len(order) >= settings.min_points
                and place >= settings.warmup
                and count >= settings.min_requests
                and abs(z[place]) > 3.5
            )
            severity = "Info"
            if flagged:
                severity = "Critical" if errors / count >= 0.05 else "Warning"
            numbers = (count, errors, errors / count, inside[place].mean(), p95[place], z[place])
            rows.append((minute, *name, *numbers, flagged, severity))
    rows.sort(key=lambda row: row[:3])
    names_out = ("bucket_ts", "service", "endpoint", *NAMES, "is_anomaly", "severity")
    return {name: [row[i] for row in rows] for i, name in enumerate(names_out)}


def assert_same(found: mad.Table, expected: dict[str, list[Any]]) -> None:
    """The same to the row; numbers to 1e-12."""
    assert found.column_names == list(expected)
    for name, values in expected.items():
        if name == "bucket_ts":
            np.testing.assert_array_equal(found[name], np.array(values, dtype="datetime64[ns]"))
        elif name in ("req_count", "error_count") or name not in NAMES:
            assert list(found[name]) == values, name
        else:
            np.testing.assert_allclose(found[name], values, rtol=1e-12, atol=0.0, err_msg=name)


@pytest.mark.parametrize("settings", [DEFAULT, LIVE, UNGUARDED], ids=["default", "live", "none"])
@pytest.mark.parametrize("rows", [10_000, 60_000])
@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_the_formula(seed: int, rows: int, settings: Settings) -> None:
    columns = shop(rows, seed)
    found = mad.reference.detect(columns, **vars(settings))
    expected = formula(columns, settings)
    assert_same(found, expected)
    if settings == UNGUARDED:
        assert sum(expected["is_anomaly"]) > 20
        assert set(expected["severity"]) == {"Info", "Warning", "Critical"}


def test_the_defaults_are_those_of_the_original() -> None:
    columns = shop(60_000, 1)
    assert content(mad.reference.detect(columns)) == content(
        mad.reference.detect(columns, min_points=20, warmup=15, min_requests=20)
    )


@pytest.mark.parametrize("points", [19, 20, 21])
def test_guards_to_the_row(points: int) -> None:
    """Flags depend on the place of a row in its group and on nothing between."""
    columns: Columns = {name: [] for name in small()}
    start = small()["timestamp"][0]
    for minute in range(points):
        for request in range(20 if minute % 2 else 19):
            # every row but the first two stands out
            latency = 100.0 + minute % 2 if minute % 4 < 2 else 100.5
            latency = 900.0 if minute >= points - 6 else latency
            values = (start + timedelta(minutes=minute, seconds=request), "a", "/x", 200, latency)
            for name, value in zip(columns, values, strict=True):
                columns[name].append(value)
    found = mad.reference.detect(columns)
    assert_same(found, formula(columns, DEFAULT))
    flagged = np.flatnonzero(found["is_anomaly"]).tolist()
    late = range(max(points - 6, 15), points)
    assert flagged == ([place for place in late if place % 2] if points >= 20 else [])


def test_a_constant_series_has_the_smallest_mad() -> None:
    columns = small(service=["a"] * 4, endpoint=["/x"] * 4, latency_ms=[5.0, 5.0, 5.0, 6.0])
    found = mad.reference.detect(columns, 0, 0, 0)
    assert_same(found, formula(columns, UNGUARDED))
    assert found["mad_z"].tolist() == pytest.approx([0.0, 0.0, 0.0, 0.6745e9])


def test_drops_are_flagged_too() -> None:
    latencies = [10.0, 11.0, 9.0, 0.0]
    columns = small(service=["a"] * 4, endpoint=["/x"] * 4, latency_ms=latencies)
    found = mad.reference.detect(columns, 0, 0, 0)
    assert found["is_anomaly"].tolist() == [False, False, False, True]
    assert found["mad_z"][3] < -3.5


def test_files_and_tables_give_the_same(tmp_path: Path) -> None:
    columns = shop(10_000, 1)
    path = tmp_path / "requests.csv"
    path.write_bytes(to_csv(columns))
    expected = content(mad.reference.detect(columns, 10, 5, 10))
    for given in (path, str(path)):
        assert content(mad.reference.detect(given, 10, 5, 10)) == expected
    backwards = {name: values[::-1] for name, values in columns.items()}
    assert content(mad.reference.detect(backwards, 10, 5, 10)) == expected


def grouped(expected: dict[str, list[Any]]) -> list[tuple[str, str, datetime, datetime, int, str]]:
    """A's incidents: a flagged row joins one that ended at most two minutes before."""
    out: list[list[Any]] = []
    rank = ["Info", "Warning", "Critical"]
    rows = zip(*(expected[name] for name in ("bucket_ts", "service", "endpoint", "is_anomaly",
                                             "severity")), strict=True)  # fmt: skip
    for minute, service, endpoint, flagged, severity in rows:
        if not flagged:
            continue
        for one in out:
            joins = minute - one[3] <= timedelta(minutes=2)
            if one[:2] == [service, endpoint] and joins:
                one[3:] = [minute, one[4] + 1, max(one[5], severity, key=rank.index)]
                break
        else:
            out.append([service, endpoint, minute, minute, 1, severity])
    out.sort(key=lambda one: (-one[2].timestamp(), one[0], one[1]))
    return [(a, b, c, d, e, f) for a, b, c, d, e, f in out]


def test_the_command_line_writes_the_same(tmp_path: Path) -> None:
    columns = shop(60_000, 2)
    (tmp_path / "requests.csv").write_bytes(to_csv(columns))
    (tmp_path / "live.json").write_text(json.dumps(vars(LIVE)))
    line = ["-m", "mad.cli", "detect", "requests.csv", "--mode", "reference", "--no-report"]
    line += ["--config", "live.json"]
    subprocess.run([sys.executable, *line], cwd=tmp_path, check=True, capture_output=True)
    expected = formula(columns, LIVE)
    with (tmp_path / "out" / "scored.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(expected)
    times = [time.isoformat() for time in expected["bucket_ts"]]
    assert [row["bucket_ts"] for row in rows] == times
    for name in NAMES:
        found = [float(row[name]) for row in rows]
        np.testing.assert_allclose(found, expected[name], rtol=1e-12, atol=0.0, err_msg=name)
    assert [row["severity"] for row in rows] == expected["severity"]
    written = json.loads((tmp_path / "out" / "incidents.json").read_text())["incidents"]
    result = [
        (
            *(one["service"], one["endpoint"], one["start"]),
            *(one["end"], one["rows"], one["severity"]),
        )
        for one in written
    ]
    rule = [
        (a, b, f"{c.isoformat()}Z", f"{(d + timedelta(minutes=1)).isoformat()}Z", e, f)
        for a, b, c, d, e, f in grouped(expected)
    ]
    assert len(rule) > 5
    assert result == rule


def test_naive_times_are_utc() -> None:
    naive = [time.isoformat()[:-6] for time in small()["timestamp"]]
    expected = content(mad.reference.detect(small()))
    assert content(mad.reference.detect(small(timestamp=naive))) == expected


def test_empty_input_gives_an_empty_table() -> None:
    found = mad.reference.detect({name: [] for name in small()})
    assert len(found) == 0
    assert found.column_names[:3] == ["bucket_ts", "service", "endpoint"]


def test_bad_rows_are_skipped() -> None:
    columns = small(service=["a", "b\x01", "a", "a"])
    assert mad.reference.detect(columns)["p95_latency_ms"].tolist() == [10.0, 30.5, 40.0]


@pytest.mark.parametrize("unknown", [-1.0, float("inf"), float("nan")])
def test_an_unknown_latency_does_not_count(unknown: float) -> None:
    columns: Columns = {name: values * 4 for name, values in small().items()}
    start = columns["timestamp"][0]
    columns["timestamp"] = [start + timedelta(minutes=minute // 2) for minute in range(16)]
    columns["service"], columns["endpoint"] = ["a"] * 16, ["/x"] * 16
    columns["latency_ms"] = [10.0 + minute * minute for minute in range(16)]
    # one request of the second minute, and all of the last two
    known = [row for row in range(12) if row != 2]
    part = {name: [values[row] for row in known] for name, values in columns.items()}
    for row in range(16):
        columns["latency_ms"][row] = columns["latency_ms"][row] if row in known else unknown
    found = mad.reference.detect(columns, 0, 0, 0)
    expected = formula(part, UNGUARDED)
    assert found["req_count"].tolist() == [2] * 8
    for name in ("p95_latency_ms", "avg_latency_ms", "mad_z"):
        np.testing.assert_allclose(found[name], [*expected[name], np.nan, np.nan], rtol=1e-12)
    assert found["is_anomaly"].tolist() == [*expected["is_anomaly"], False, False]
