"""Tables of every kind in and out: the same requests give the same result."""

from __future__ import annotations

import gzip
import importlib.util
import json
import random
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zstandard
from table_kinds import (
    HAVE,
    KINDS,
    LIBRARIES,
    UTC,
    Columns,
    as_pandas,
    content,
    duckdb,
    pandas,
    polars,
    pyarrow,
    seconds,
    shop,
    small,
    to_csv,
    whole,
)

import mad

NAIVE = {"naive_offset_seconds": 0}
ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns")
UNITS = ("s", "ms", "us", "ns")


@pytest.fixture(scope="module")
def expected() -> tuple[Any, ...]:
    """The shop's requests as a mapping of lists."""
    report = mad.detect(shop())
    assert report.rejected["total"] == 0
    assert [(i.service, i.endpoint) for i in report.incidents] == [("payments", "/pay")]
    return whole(report)


def test_the_test_environment_has_the_expected_libraries() -> None:
    """pandas changes its ways where it finds pyarrow."""
    found = importlib.util.find_spec("pyarrow") is not None
    assert found == ("pyarrow" in HAVE), "MAD_TEST_TABLES does not match the installed libraries"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_table_gives_the_same(kind: str, expected: tuple[Any, ...]) -> None:
    assert whole(mad.detect(KINDS[kind](shop()))) == expected


def json_lines(columns: Columns) -> bytes:
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return "".join(json.dumps(row, default=datetime.isoformat) + "\n" for row in rows).encode()


@pytest.mark.parametrize("write", [to_csv, json_lines])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_every_kind_of_file_gives_the_same(
    write: Callable[[Columns], bytes],
    pack: Callable[[bytes], bytes],
    expected: tuple[Any, ...],
    tmp_path: Path,
) -> None:
    path = tmp_path / "requests"
    path.write_bytes(pack(write(shop())))
    assert whole(mad.detect(path)) == expected
    assert whole(mad.detect(str(path))) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_shuffled_table_is_sorted(kind: str, expected: tuple[Any, ...]) -> None:
    order = list(range(len(shop()["timestamp"])))
    random.Random(5).shuffle(order)
    shuffled = {name: [values[i] for i in order] for name, values in shop().items()}
    assert whole(mad.detect(KINDS[kind](shuffled))) == expected


def test_a_shuffled_file_is_sorted(expected: tuple[Any, ...], tmp_path: Path) -> None:
    header, *lines = to_csv(shop()).splitlines(keepends=True)
    random.Random(5).shuffle(lines)
    path = tmp_path / "requests.csv"
    path.write_bytes(header + b"".join(lines))
    assert whole(mad.detect(path)) == expected


def times(columns: Columns) -> dict[str, Any]:
    """The same times in every form that says their zone."""
    given, epoch = columns["timestamp"], seconds(columns["timestamp"])
    east, west = timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-3.5))
    forms: dict[str, Any] = {
        "datetimes": given,
        "datetimes of other offsets": [
            time.astimezone(east if i % 2 else west) for i, time in enumerate(given)
        ],
        "datetimes in an array": np.array(given, dtype=object),
        "ISO with Z": [time.strftime("%Y-%m-%dT%H:%M:%SZ") for time in given],
        "ISO with offset": [time.astimezone(east).isoformat() for time in given],
        "ISO with a space": [time.isoformat(" ") for time in given],
        "ISO in an array": np.array([time.isoformat() for time in given]),
        "ISO as bytes": np.array([time.isoformat().encode() for time in given]),
        "ints": epoch,
        "floats": [float(x) for x in epoch],
        "ints as text": [str(x) for x in epoch],
        "int64 s": np.array(epoch),
        "int32 s": np.array(epoch, dtype=np.int32),
        "uint64 s": np.array(epoch, dtype=np.uint64),
        "float64 s": np.array(epoch, dtype=np.float64),
        "big-endian": np.array(epoch, dtype=">i8"),
        "int64 ms": np.array(epoch) * 10**3,
        "int64 us": np.array(epoch) * 10**6,
        "int64 ns": np.array(epoch) * 10**9,
        "strided": np.repeat(np.array(epoch), 2)[::2],
    }
    if pandas is not None:
        for unit in UNITS:
            naive = pandas.Series(np.array(epoch).astype("M8[s]").astype(f"M8[{unit}]"))
            for zone in ZONES:
                aware = naive.dt.tz_localize("UTC").dt.tz_convert(zone)
                assert str(aware.dtype) == f"datetime64[{unit}, {zone}]"
                forms[f"pandas {unit} {zone}"] = aware
        forms["pandas object"] = pandas.Series(given, dtype=object)
        forms["pandas Int64"] = pandas.Series(epoch, dtype="Int64")
        forms["pandas text"] = pandas.Series([time.isoformat() for time in given])
    return forms


@pytest.mark.parametrize("form", times(small()))
def test_times_of_every_form_in_a_mapping(form: str) -> None:
    expected = content(mad.detect(small()).features)
    columns = small() | {"timestamp": times(small())[form]}
    assert content(mad.detect(columns).features) == expected


if pandas is not None:

    @pytest.mark.parametrize("form", times(small()))
    def test_times_of_every_form_in_pandas(form: str) -> None:
        expected = content(mad.detect(small()).features)
        frame = as_pandas(small()).assign(timestamp=times(small())[form])
        report = mad.detect(frame)
        assert report.rejected["total"] == 0
        assert content(report.features) == expected

    def test_pandas_without_pyarrow(
        monkeypatch: pytest.MonkeyPatch, expected: tuple[Any, ...]
    ) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        assert whole(mad.detect(as_pandas(shop()))) == expected
        assert mad.detect(as_pandas(small())).scored.to_pandas()["service"].tolist() == list("abab")


if polars is not None:

    @pytest.mark.parametrize("zone", ZONES)
    @pytest.mark.parametrize("unit", ["ms", "us", "ns"])
    def test_times_of_polars(unit: Any, zone: str) -> None:
        expected = content(mad.detect(small()).features)
        frame = polars.DataFrame(small()).with_columns(
            polars.col("timestamp").dt.convert_time_zone(zone).dt.cast_time_unit(unit)
        )
        assert content(mad.detect(frame).features) == expected


if pyarrow is not None:

    @pytest.mark.parametrize("zone", [*ZONES, "+05:30"])
    @pytest.mark.parametrize("unit", UNITS)
    def test_times_of_pyarrow(unit: str, zone: str) -> None:
        expected = content(mad.detect(small()).features)
        kind = pyarrow.timestamp(unit, zone)
        table = pyarrow.table(small() | {"timestamp": pyarrow.array(small()["timestamp"], kind)})
        assert content(mad.detect(table).features) == expected


def naive_tables() -> dict[str, Any]:
    """The small table with times that name no zone."""
    naive = [time.replace(tzinfo=None) for time in small()["timestamp"]]
    tables: dict[str, Any] = {
        f"numpy {unit}": small() | {"timestamp": np.array(naive, dtype=f"datetime64[{unit}]")}
        for unit in (*UNITS, "m")
    }
    if pandas is not None:
        tables["pandas"] = as_pandas(small(timestamp=naive))
    if polars is not None:
        tables["polars"] = polars.DataFrame(small(timestamp=naive))
    if pyarrow is not None:
        tables["pyarrow"] = pyarrow.table(small(timestamp=naive))
    if duckdb is not None:
        tables["duckdb"] = duckdb.sql(
            "select '2026-01-06 10:00'::timestamp as timestamp, 'a' as service, '/x' as endpoint, "
            "200 as status_code, 1.5::decimal(9, 3) as latency_ms"
        )
    return tables


@pytest.mark.parametrize("kind", naive_tables())
def test_naive_columns_are_refused_with_the_way_out(kind: str) -> None:
    with pytest.raises(ValueError, match=r"no time zone.*naive_offset_seconds"):
        mad.detect(naive_tables()[kind])
    report = mad.detect(naive_tables()[kind], config={"naive_offset_seconds": -3600})
    assert report.rejected["total"] == 0
    assert report.features["bucket_ts"][0] == np.datetime64("2026-01-06T11:00")


def test_naive_text_is_refused_or_counted() -> None:
    times = [time.isoformat()[:-6] for time in small()["timestamp"]]
    columns = small(timestamp=times)
    with pytest.raises(ValueError, match="naive_offset_seconds"):
        mad.detect(columns)
    report = mad.detect(small(timestamp=[times[0] + "Z", *times[1:]]))
    assert report.rejected["counts"] == {"naive_timestamp": 3}
    assert "naive_offset_seconds" in report.rejected["first"][0]["hint"]
    report = mad.detect(columns, config=NAIVE)
    assert content(report.features) == content(mad.detect(small()).features)


def missing(kind: str) -> dict[str, Any]:
    """Values that stand for nothing in a kind of table."""
    values: dict[str, Any] = {"None": None}
    if kind.startswith("pandas"):
        values |= {"NaN": np.nan, "NaT": pandas.NaT, "NA": pandas.NA}
    elif kind == "lists":
        values["NaN"] = np.nan
    return values


CASES = [
    (kind, field, value)
    for kind in KINDS
    if kind not in ("numpy", "pyarrow batch")
    for field in small()
    for value in missing(kind)
]


@pytest.mark.parametrize(("kind", "field", "value"), CASES)
def test_nulls_are_counted_with_their_positions(kind: str, field: str, value: str) -> None:
    values = list(small()[field])
    values[2] = missing(kind)[value]
    if kind.startswith("duckdb") and field == "timestamp":
        table = KINDS[kind](small()).select(
            "* replace (case when status_code < 500 then timestamp end as timestamp)"
        )
    elif kind.startswith("pandas") and value == "NA" and field in ("latency_ms", "status_code"):
        table = KINDS["pandas"](small()).astype({field: "object"})
        table[field] = values
    elif kind == "pandas nullable" and value == "NaT":
        table = KINDS["pandas object"](small(**{field: values}))
    else:
        table = KINDS[kind](small(**{field: values}))
    report = mad.detect(table)
    if field not in ("timestamp", "service"):
        assert report.rejected["total"] == 0
        assert report.features["req_count"].sum() == 4
        return
    assert report.rejected["counts"] == {"missing_field": 1}
    (first,) = report.rejected["first"]
    assert (first["position"], first["detail"]) == (3, f"{field} is missing")
    assert len(report.features) == 3


def test_a_numpy_gap_is_missing() -> None:
    latencies = np.array([1.0, np.nan, 2.0, 3.0])
    when = np.array(seconds(small()["timestamp"])).astype("datetime64[s]")
    when[3] = "NaT"
    report = mad.detect(small() | {"latency_ms": latencies, "timestamp": when}, config=NAIVE)
    assert report.rejected["counts"] == {"missing_field": 1}
    assert [one["position"] for one in report.rejected["first"]] == [4]


BAD: dict[str, tuple[Any, str]] = {
    "service": (["a", "x\n", "\x01", "a" * 513], "bad_name"),
    "endpoint": (["/x", "\x7f", "\x85", "\t"], "bad_name"),
}


@pytest.mark.parametrize("field", BAD)
@pytest.mark.parametrize("kind", KINDS)
def test_bad_values_are_counted_with_their_positions(kind: str, field: str) -> None:
    values, reason = BAD[field]
    report = mad.detect(KINDS[kind](small(**{field: values})))
    assert report.rejected["counts"] == {reason: 3}
    assert [one["position"] for one in report.rejected["first"]] == [2, 3, 4]
    assert all(field in one["detail"] for one in report.rejected["first"])
    assert len(report.features) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_empty_names_are_missing(kind: str) -> None:
    report = mad.detect(KINDS[kind](small(service=["", "b", "a", "b"])))
    assert report.rejected["counts"] == {"missing_field": 1}


def texts(kind: str) -> list[Any]:
    """Statuses as people write them; the last two are failures."""
    return ["200", "200.0", "503 Service Unavailable", "-"]


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_written_as_text(kind: str) -> None:
    if kind in ("duckdb", "pandas nullable"):
        kind = "lists"
    table = KINDS[kind](small(status_code=texts(kind), latency_ms=["1.5", "2", "3", "4"]))
    report = mad.detect(table)
    assert report.rejected["total"] == 0
    assert report.features["error_count"].sum() == 2
    assert sorted(report.features["max_latency_ms"])[-2:] == [3.0, 4.0]


def test_objects_of_mixed_types() -> None:
    columns = small(status_code=[200, "200", 200.5, None], latency_ms=[1, "2", 3.0, 4.0])
    tables: list[Any] = [columns]
    if pandas is not None:
        tables.append(as_pandas(columns))
    for table in tables:
        report = mad.detect(table)
        assert report.rejected["total"] == 0
        assert (report.features["error_count"].sum(), report.features["req_count"].sum()) == (1, 4)


def test_aware_and_naive_datetimes_mixed() -> None:
    given = small()["timestamp"]
    columns = small(timestamp=[given[0], given[1].replace(tzinfo=None), *given[2:]])
    tables: list[Any] = [columns]
    if pandas is not None:
        tables.append(as_pandas(columns).assign(timestamp=pandas.Series(columns["timestamp"])))
    for table in tables:
        report = mad.detect(table)
        assert report.rejected["counts"] == {"naive_timestamp": 1}
        assert report.rejected["first"][0]["position"] == 2


def far_tables() -> dict[str, Any]:
    """Two of four times cannot be counted in nanoseconds."""
    given = [time.replace(tzinfo=None) for time in small()["timestamp"]]
    far = [datetime(1, 1, 1), given[1], datetime(9999, 12, 31, 23, 59, 59), given[3]]
    aware = [time.replace(tzinfo=UTC) for time in far]
    tables: dict[str, Any] = {"lists": small(timestamp=aware)}
    for unit in ("s", "ms", "us"):
        tables[f"numpy {unit}"] = small() | {"timestamp": np.array(far, dtype=f"M8[{unit}]")}
        if pandas is not None:
            column = pandas.Series(np.array(far, dtype=f"M8[{unit}]")).dt.tz_localize("UTC")
            tables[f"pandas {unit}"] = as_pandas(small()).assign(timestamp=column)
        if pyarrow is not None:
            column = pyarrow.array(aware, pyarrow.timestamp(unit, "UTC"))
            tables[f"pyarrow {unit}"] = pyarrow.table(small() | {"timestamp": column})
    if polars is not None:
        tables["polars"] = polars.DataFrame(small(timestamp=aware))
    if duckdb is not None:
        tables["duckdb"] = KINDS["duckdb"](small(timestamp=aware))
    return tables


@pytest.mark.parametrize("kind", far_tables())
def test_times_out_of_range_are_counted(kind: str) -> None:
    report = mad.detect(far_tables()[kind], config=NAIVE)
    assert report.rejected["counts"] == {"bad_timestamp": 2}
    assert sorted(one["position"] for one in report.rejected["first"]) == [1, 3]
    assert report.features["service"] == ["b", "b"]


def test_names_that_are_not_text() -> None:
    columns = small(service=[7, 8, 7, 8], endpoint=[1.5, 2.5, 1.5, 2.5])
    tables: list[Any] = [columns, {**columns, "service": np.array(columns["service"])}]
    tables += [KINDS[kind](columns) for kind in ("pandas", "polars", "pyarrow") if kind in KINDS]
    for table in tables:
        features = mad.detect(table).features
        assert features["service"] == ["7", "8", "7", "8"]
        assert features["endpoint"] == ["1.5", "2.5", "1.5", "2.5"]


def test_names_of_mixed_types() -> None:
    columns = small(service=["a", 8, b"c", Path("d")])
    tables: list[Any] = [columns]
    if pandas is not None:
        tables.append(as_pandas(columns))
    for table in tables:
        assert mad.detect(table).features["service"] == ["a", "8", "c", "d"]


@pytest.mark.parametrize("kind", KINDS)
def test_names_keep_every_character(kind: str) -> None:
    names = [
        '"quoted", with comma',
        "<script>alert(1)</script>",
        "naïve 服务 🦀",
        "'; drop table x",
    ]
    report = mad.detect(KINDS[kind](small(service=names)))
    assert report.features["service"] == names


@pytest.mark.parametrize("kind", KINDS)
def test_one_row(kind: str) -> None:
    one = {name: values[:1] for name, values in small().items()}
    report = mad.detect(KINDS[kind](one))
    assert content(report.features)["p95_latency_ms"] == [10.0]
    assert (len(report.scored), report.incidents) == (1, [])


def empty_tables() -> dict[str, Any]:
    """Columns without a row."""
    none: Columns = {name: [] for name in small()}
    tables: dict[str, Any] = {"lists": none, "numpy": {name: np.array([]) for name in none}}
    if pandas is not None:
        tables |= {"pandas": as_pandas(small())[:0], "pandas object": as_pandas(none)}
    if polars is not None:
        tables |= {"polars": polars.DataFrame(small())[:0], "polars null": polars.DataFrame(none)}
    if pyarrow is not None:
        tables["pyarrow"] = KINDS["pyarrow"](small())[:0]
        tables["pyarrow, no chunk"] = KINDS["pyarrow"](small()).schema.empty_table()
    if duckdb is not None:
        tables["duckdb"] = KINDS["duckdb"](small()).limit(0)
    return tables


@pytest.mark.parametrize("kind", empty_tables())
def test_no_row(kind: str) -> None:
    report = mad.detect(empty_tables()[kind])
    assert (len(report.features), len(report.scored), report.incidents) == (0, 0, [])
    assert report.rejected == {"total": 0, "counts": {}, "first": []}
    assert report.culprits().abstained
    assert list(content(report.scored)) == mad.detect(small()).scored.column_names


def test_a_header_alone(tmp_path: Path) -> None:
    path = tmp_path / "requests.csv"
    path.write_text("timestamp,service,endpoint,status_code,latency_ms\n")
    assert len(mad.detect(path).scored) == 0


def without(name: str) -> list[Any]:
    """Tables that lack a column."""
    columns = {key: values for key, values in small().items() if key != name}
    tables: list[Any] = [columns]
    if pandas is not None:
        tables.append(as_pandas(columns))
    if polars is not None:
        tables.append(polars.DataFrame(columns))
    if pyarrow is not None:
        tables += [pyarrow.table(columns), pyarrow.table(columns).schema.empty_table()]
    return tables


@pytest.mark.parametrize("name", small())
def test_a_missing_column_is_named(name: str) -> None:
    for table in without(name):
        with pytest.raises(ValueError, match=f"no column `{name}`.*needed are timestamp, service"):
            mad.detect(table)


def test_no_column_at_all() -> None:
    tables: list[Any] = [{}]
    if pandas is not None:
        tables.append(pandas.DataFrame())
    if polars is not None:
        tables.append(polars.DataFrame())
    if pyarrow is not None:
        tables.append(pyarrow.table({}))
    for table in tables:
        with pytest.raises(ValueError, match="no column `timestamp`"):
            mad.detect(table)


@pytest.mark.parametrize("wrong", [None, 5, b"x", object(), ["requests"], 2.5])
def test_objects_that_are_not_tables_are_refused(wrong: Any) -> None:
    with pytest.raises(
        (TypeError, ValueError), match=r"no input is given|requests is a|no column `timestamp`"
    ):
        mad.detect(wrong)


def test_columns_of_different_lengths() -> None:
    with pytest.raises(ValueError, match=r"not of one length: timestamp 4, service 3"):
        mad.detect(small(service=["a"] * 3))


@pytest.mark.parametrize(
    ("field", "values", "message"),
    [
        ("service", "auth", "`service` is a str"),
        ("latency_ms", 5.0, "`latency_ms` is a float"),
        ("latency_ms", np.ones((4, 2)), r"`latency_ms` has the shape \[4, 2\]"),
        ("latency_ms", np.ones(4, dtype=complex), "`latency_ms` is complex128"),
        ("latency_ms", np.ones(4, dtype="m8[ms]"), "`latency_ms` is timedelta64"),
        ("latency_ms", np.ones(4, dtype="M8[ms]"), "`latency_ms` is datetime64"),
        ("status_code", np.ones(4, dtype=bool), "`status_code` is bool"),
        ("timestamp", np.ones(4, dtype="m8[s]"), "`timestamp` is timedelta64"),
    ],
)
def test_columns_of_the_wrong_type(field: str, values: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mad.detect(small() | {field: values})


def test_a_duration_column_is_refused_as_milliseconds() -> None:
    spans = small(latency_ms=[timedelta(milliseconds=5)] * 4)
    for kind in ("pandas", "polars", "pyarrow"):
        if kind in KINDS:
            with pytest.raises(ValueError, match=r"`latency_ms` is .*; expected numbers"):
                mad.detect(KINDS[kind](spans))


def test_a_duplicate_column() -> None:
    if pandas is not None:
        frame = as_pandas(small())
        with pytest.raises(ValueError, match="latency_ms"):
            mad.detect(pandas.concat([frame, frame[["latency_ms"]]], axis=1))
    if pyarrow is not None:
        table = KINDS["pyarrow"](small())
        with pytest.raises(ValueError, match="the column `latency_ms` twice"):
            mad.detect(table.append_column("latency_ms", table["latency_ms"]))


@pytest.mark.parametrize("kind", KINDS)
def test_other_columns_are_ignored_and_order_is_free(kind: str) -> None:
    columns = {"label": ["x"] * 4} | dict(reversed(small().items()))
    if kind == "pyarrow dictionary":
        kind = "pyarrow"
    expected = content(mad.detect(small()).features)
    assert content(mad.detect(KINDS[kind](columns)).features) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_request_ids_drop_repeated_deliveries(kind: str) -> None:
    ids: list[Any] = ["1", "2", "1", None] if kind != "numpy" else ["1", "2", "1", ""]
    report = mad.detect(KINDS[kind](small(request_id=ids)))
    assert report.rejected["counts"] == {"duplicate": 1}
    assert report.rejected["first"][0]["position"] == 3
    report = mad.detect(KINDS[kind](small(request_id=["", "", "", ""])))
    assert report.rejected["total"] == 0


def known(report: mad.Report) -> list[bool]:
    """Whether each row has a latency."""
    return [latency == latency for latency in report.features["max_latency_ms"]]


def test_nan_in_a_column_that_has_nulls_is_unknown() -> None:
    columns = small(latency_ms=[1.0, float("nan"), None, 4.0])
    for kind in ("polars", "pyarrow", "duckdb"):
        if kind in KINDS:
            report = mad.detect(KINDS[kind](columns))
            assert report.rejected["total"] == 0, kind
            assert (report.features["req_count"].sum(), sum(known(report))) == (4, 2), kind


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("numpy", "duckdb")])
def test_columns_of_nulls_only(kind: str) -> None:
    nothing: list[Any] = [None] * 4
    expected = content(mad.detect(small()).features)
    report = mad.detect(KINDS[kind](small(request_id=nothing, label=nothing)))
    assert content(report.features) == expected
    if kind in ("lists", "pandas", "polars", "pyarrow"):
        report = mad.detect(KINDS[kind](small(latency_ms=nothing)))
        assert report.rejected["total"] == 0
        assert not any(known(report))


# out


def test_columns_out() -> None:
    report = mad.detect(shop())
    for table in (report.features, report.scored):
        for name in table.column_names:
            column = table[name]
            assert len(column) == len(table) == table.num_rows
            if name == "bucket_ts":
                assert column.dtype == np.dtype("datetime64[ns]")
            elif name in ("service", "endpoint", "severity", "signal", "reason", "statuses"):
                assert type(column) is list
                assert all(type(value) is str for value in column)
            elif name == "is_anomaly":
                assert column.dtype == np.bool_
            elif name in ("req_count", "error_count", "gap_steps"):
                assert column.dtype == np.int64
            else:
                assert column.dtype == np.float64, name
    scored = report.scored
    assert scored["is_anomaly"].sum() > 0
    assert set(scored["severity"]) <= {"Info", "Warning", "Critical"}
    with pytest.raises(KeyError, match='no column "x"; there are: bucket_ts, service'):
        scored["x"]
    assert "rows: bucket_ts" in repr(scored)


def test_the_leading_columns_are_those_of_the_files() -> None:
    leading = "bucket_ts service endpoint req_count error_count error_rate avg_latency_ms "
    leading += "p95_latency_ms mad_z is_anomaly severity score signal reason expected_low "
    leading += "expected_high"
    scored = mad.detect(small()).scored
    assert scored.column_names[:16] == leading.split()


if pandas is not None:

    def test_to_pandas() -> None:
        scored = mad.detect(shop()).scored
        frame = scored.to_pandas()
        assert list(frame.columns) == scored.column_names
        assert str(frame["bucket_ts"].dtype) == "datetime64[ns, UTC]"
        assert frame["req_count"].dtype == np.int64
        assert frame["is_anomaly"].dtype == np.bool_
        assert pandas.api.types.is_string_dtype(frame["service"])
        for name in scored.column_names:
            if name != "bucket_ts":
                np.testing.assert_array_equal(frame[name].tolist(), np.asarray(scored[name]))
        assert frame["bucket_ts"][0] == pandas.Timestamp("2026-01-06T10:00Z")
        assert mad.detect(as_pandas(small())[:0]).scored.to_pandas().shape == (0, 19)


if polars is not None:

    def test_to_polars() -> None:
        scored = mad.detect(shop()).scored
        frame = scored.to_polars()
        assert frame.columns == scored.column_names
        assert frame.schema["bucket_ts"] == polars.Datetime("ns", "UTC")
        assert frame.schema["service"] == polars.String
        assert frame.schema["is_anomaly"] == polars.Boolean
        assert frame["req_count"].to_list() == scored["req_count"].tolist()
        assert polars.DataFrame(scored).equals(frame)


if pyarrow is not None:

    def test_to_pyarrow() -> None:
        scored = mad.detect(shop()).scored
        table = scored.to_pyarrow()
        assert table.column_names == scored.column_names
        assert table.schema.field("bucket_ts").type == pyarrow.timestamp("ns", "UTC")
        assert table.schema.field("service").type == pyarrow.string()
        assert table["is_anomaly"].to_pylist() == scored["is_anomaly"].tolist()
        assert content(mad.detect(shop()).scored) == {
            name: [None if x != x else x for x in column]
            for name, column in table.to_pydict().items()
            if name != "bucket_ts"
        } | {"bucket_ts": scored["bucket_ts"].tolist()}


if duckdb is not None:

    def test_duckdb_reads_it() -> None:
        scored = mad.detect(shop()).scored
        answer = duckdb.sql("select count(*), sum(is_anomaly::int), sum(req_count) from scored")
        expected = (len(scored), scored["is_anomaly"].sum(), scored["req_count"].sum())
        assert answer.fetchall() == [expected]
        ((kind,),) = duckdb.sql("select distinct typeof(bucket_ts) from scored").fetchall()
        assert kind in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS")


@pytest.mark.parametrize("library", [name for name in LIBRARIES if name != "duckdb"])
def test_a_library_that_is_not_installed_is_named(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf"pip install 'mad-py\[{library}\]'"):
        getattr(mad.detect(small()).scored, f"to_{library}")()


def test_returned_times_are_aware() -> None:
    report = mad.detect(shop())
    (incident,) = report.incidents
    ranking = report.culprits(at=incident.end)
    moments = [incident.start, incident.end, incident.opened_at, incident.closed_at]
    moments += [ranking.start, ranking.at, ranking.culprits[0].onset]
    moments += [one["at"] for one in ranking.culprits[0].evidence]
    for moment in moments:
        assert moment is not None
        assert moment.utcoffset() == timedelta(0)
    assert incident.start < incident.end


def test_a_returned_table_can_be_read_again() -> None:
    """A table of mad's own is an Arrow object like any other."""
    with pytest.raises(ValueError, match="no column `timestamp`; it has bucket_ts, service"):
        mad.detect(mad.detect(small()).scored)


ROWS = [
    {
        "timestamp": f"2026-01-06T10:{second // 60:02}:{second % 60:02}Z",
        "service": "shop",
        "endpoint": "/x",
        "status_code": 200,
        "latency_ms": 40.0 + second % 7,
    }
    for second in range(0, 600, 5)
]


@pytest.mark.parametrize("make", [list, tuple])
def test_a_list_of_dictionaries_is_a_table(make: Any) -> None:
    report = mad.detect(make(ROWS))
    expected = mad.detect({name: [row[name] for row in ROWS] for name in ROWS[0]})
    assert content(report.features) == content(expected.features)
    late = [*ROWS[:-1], {**ROWS[-1], "request_id": "a", "latency_ms": None}]
    assert mad.read(make(late)).rejected["total"] in (0, 1)
    assert len(mad.read([{"caller": "a", "callee": "b"}], "edges")) == 1
    assert mad.detect([]).rejected["total"] == 0


def test_spans_may_be_a_list_of_dictionaries() -> None:
    names = ("trace_id", "span_id", "parent_id", "service", "operation", "start", "duration_ms")
    rows = [
        ("a", "1", None, "front", "GET /", "2026-01-06T10:00:00Z", 10.0),
        ("a", "2", "1", "db", "query", "2026-01-06T10:00:00Z", 5.0),
    ]
    spans = [{**dict(zip(names, row, strict=True)), "status": "error"} for row in rows]
    ranking = mad.rank_traces(spans)
    assert [one.service for one in ranking.culprits] == ["db"]


if polars is not None:

    def test_a_lazy_frame_is_collected() -> None:
        frame = polars.DataFrame(ROWS)
        found, expected = mad.detect(frame.lazy()).features, mad.detect(frame).features
        assert content(found) == content(expected)


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (["a.csv", "b.csv"], "a list whose item 0 is a str"),
        ([*ROWS, None], "a list whose item 120 is a NoneType"),
        ([[1, 2]], "a list whose item 0 is a list"),
        (pd.Series([1, 2]), "a Series, which is one column"),
        (iter(ROWS), "list_iterator"),
        (b"timestamp", "bytes"),
    ],
)
def test_other_shapes_are_refused_by_name(table: Any, named: str) -> None:
    with pytest.raises(TypeError, match=f"requests is .*{named}"):
        mad.detect(table)


def test_columns_under_other_names() -> None:
    expected = mad.detect(small()).features
    names = ["@timestamp", "svc", "Path", "code", "duration_s"]
    columns: dict[str, Any] = dict(zip(names, small().values(), strict=True))
    columns["duration_s"] = [latency / 1000 for latency in small()["latency_ms"]]
    found = mad.detect(columns).features
    assert list(found["service"]) == list(expected["service"])
    assert found["error_count"].tolist() == expected["error_count"].tolist()
    assert found["p50_latency_ms"] == pytest.approx(expected["p50_latency_ms"])
