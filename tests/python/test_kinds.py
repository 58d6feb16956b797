"""Every kind of telemetry is read and checked, from tables and files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from kind_tables import BAD, BUILDS, FILES, GOOD, OPTIONAL, changed, to_json

import mad
from mad import _core


def pairs(*, optional: bool) -> list[tuple[str, str]]:
    return [
        (kind, field)
        for kind, columns in GOOD.items()
        for field in columns
        if (field in OPTIONAL[kind]) == optional
    ]


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("build", BUILDS)
def test_valid_tables_are_read_completely(build: str, kind: str) -> None:
    read = mad.read(BUILDS[build](GOOD[kind]), kind)
    assert read.rejected == {"total": 0, "counts": {}, "first": []}
    assert (len(read), read.kind) == (4, kind)
    assert repr(read) == f"Telemetry(4 {kind}, 0 rejected)"


@pytest.mark.parametrize(("kind", "field", "value", "reason"), BAD)
@pytest.mark.parametrize("build", BUILDS)
def test_bad_values_are_counted_with_their_positions(
    build: str, kind: str, field: str, value: Any, reason: str
) -> None:
    read = mad.read(BUILDS[build](changed(kind, field, value)), kind)
    assert read.rejected["counts"] == {reason: 1}
    (first,) = read.rejected["first"]
    assert (first["position"], len(read)) == (3, 3)
    assert first["detail"].startswith(f"{field} = ")


@pytest.mark.parametrize(("kind", "field"), pairs(optional=False))
@pytest.mark.parametrize("build", [name for name in BUILDS if name != "numpy"])
def test_a_needed_value_that_is_missing_is_counted(build: str, kind: str, field: str) -> None:
    read = mad.read(BUILDS[build](changed(kind, field, None)), kind)
    assert read.rejected["counts"] == {"missing_field": 1}
    assert read.rejected["first"][0]["detail"] == f"{field} is missing"


@pytest.mark.parametrize(("kind", "field"), pairs(optional=True))
@pytest.mark.parametrize("build", [name for name in BUILDS if name != "numpy"])
def test_an_optional_value_may_be_missing(build: str, kind: str, field: str) -> None:
    read = mad.read(BUILDS[build](changed(kind, field, None)), kind)
    assert (len(read), read.rejected["total"]) == (4, 0)


@pytest.mark.parametrize("build", [name for name in BUILDS if name != "numpy"])
def test_a_request_with_missing_values_counts(build: str) -> None:
    def features(field: str) -> tuple[Any, ...]:
        table = mad.detect(BUILDS[build](changed("requests", field, None))).features
        names = ("endpoint", "error_count", "p95_latency_ms", "statuses")
        return tuple(table[name][2] for name in names)

    assert features("endpoint") == ("-", 1, 30.5, "500=1")
    assert features("status_code") == ("/x", 1, 30.5, "no_response=1")
    endpoint, failed, latency, statuses = features("latency_ms")
    assert (endpoint, failed, statuses) == ("/x", 1, "500=1")
    assert math.isnan(latency)


@pytest.mark.parametrize("build", BUILDS)
def test_a_level_with_control_characters_is_unknown(build: str) -> None:
    report = mad.detect(logs=BUILDS[build](changed("logs", "level", "a\tb")))
    assert report.read["logs"]["records"] == 4
    assert report.rejected["total"] == 0
    (warning,) = json.loads(report.document())["warnings"]
    assert warning.startswith("1 of 4 logs have an unknown level")


@pytest.mark.parametrize("kind", GOOD)
def test_required_columns_are_named_and_others_are_optional(kind: str) -> None:
    needed, optional = _core.columns_of(kind)
    for build in (name for name in ("lists", "pandas", "polars", "pyarrow") if name in BUILDS):
        for field in needed:
            table = BUILDS[build]({k: v for k, v in GOOD[kind].items() if k != field})
            with pytest.raises(ValueError, match=f"the {kind} table has no column `{field}`"):
                mad.read(table, kind)
        table = BUILDS[build]({k: v for k, v in GOOD[kind].items() if k not in optional})
        assert len(mad.read(table, kind)) == 4


def test_invalid_calls_are_explained() -> None:
    with pytest.raises(ValueError, match='kind = "events"; there are: requests, metrics, spans'):
        mad.read({}, "events")
    with pytest.raises(TypeError, match="spans is a int; give a path"):
        mad.read(5, "spans")
    with pytest.raises(TypeError, match="metrics is a float"):
        mad.detect_metrics(2.5)


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("suffix", FILES)
def test_files_of_every_kind(suffix: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"{kind}.{suffix}"
    path.write_bytes(FILES[suffix](GOOD[kind]))
    assert len(mad.read(path, kind)) == 4
    field = "callee" if kind == "edges" else "service"
    path.write_bytes(FILES[suffix](changed(kind, field, "a\x01")))
    read = mad.read(str(path), kind)
    assert (len(read), read.rejected["counts"]) == (3, {"bad_name": 1})


@pytest.mark.parametrize("kind", GOOD)
def test_a_pipeline_takes_every_kind(kind: str) -> None:
    for good in (GOOD[kind], to_json(GOOD[kind])):
        assert mad.Pipeline().ingest(good, kind).rejected["total"] == 0
    field = "callee" if kind == "edges" else "service"
    for table in (changed(kind, field, ""), to_json(changed(kind, field, ""))):
        assert mad.Pipeline().ingest(table, kind).rejected["counts"] == {"missing_field": 1}
