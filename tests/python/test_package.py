"""The package as a whole: fast to import, typed, documented, and free of panics."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from table_kinds import UTC, shop, small, to_csv

import mad
from mad import _core

ROOT = Path(__file__).parents[2]
HEAVY = ("pandas", "pyarrow", "polars", "duckdb", "rich", "jinja2", "scipy", "argparse", "tomllib")


def python(*argv: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter."""
    return subprocess.run(
        [sys.executable, *argv], capture_output=True, encoding="utf-8", cwd=cwd, check=False
    )


def test_import_is_light() -> None:
    code = "import mad, sys, json; mad.detect; print(json.dumps(sorted(sys.modules)))"
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    modules = set(json.loads(done.stdout))
    assert "mad._core" in modules
    assert modules.isdisjoint(HEAVY), modules.intersection(HEAVY)


def test_detection_imports_only_libraries_of_its_input() -> None:
    columns = {name: [str(x) for x in values] for name, values in small().items()}
    code = f"import mad, sys; r = mad.detect({columns!r}); r.scored; r.document();"
    code += f"print([name for name in {HEAVY!r} if name in sys.modules])"
    done = python("-c", code)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_stubs_match_the_extension() -> None:
    done = python(
        "-m", "mypy.stubtest", "mad._core", "--mypy-config-file", "pyproject.toml", cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_public_name_is_documented() -> None:
    assert sorted(mad.__all__) == sorted(set(mad.__all__))
    for name in mad.__all__:
        found = getattr(mad, name)
        if name == "__version__":
            assert re.fullmatch(r"\d+\.\d+\.\d+.*", found)
            continue
        assert inspect.getdoc(found), name
        if inspect.isclass(found) and not issubclass(found, Exception):
            for member, value in vars(found).items():
                if not member.startswith("_") and callable(getattr(found, member)):
                    assert inspect.getdoc(value), f"{name}.{member}"
    assert inspect.getdoc(mad)
    assert set(mad.__all__) <= set(dir(mad))


def test_the_package_is_typed() -> None:
    assert (Path(inspect.getfile(mad)).parent / "py.typed").exists()


def readme_blocks() -> list[str]:
    """The README's samples of Python, in order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def test_the_samples_of_the_readme_run(tmp_path: Path) -> None:
    done = python("-m", "mad.cli", "simulate", "--out", ".", "--seed", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for number, block in enumerate(readme_blocks(), start=1):
        done = python("-c", block, cwd=tmp_path)
        assert done.returncode == 0, f"sample {number}:\n{block}\n{done.stderr}"


def test_the_sample_of_the_package_runs(tmp_path: Path) -> None:
    python("-m", "mad.cli", "simulate", "--out", ".", "--seed", "1", cwd=tmp_path)
    lines = inspect.getdoc(mad) or ""
    sample = "\n".join(line[4:] for line in lines.splitlines() if line.startswith("    "))
    done = python("-c", sample, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "payments /pay" in done.stdout
    assert (tmp_path / "report.html").exists()


# whatever comes in: a panic is no Exception, so that nothing here catches it

FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
REFUSED = (ValueError, TypeError)
LENGTH = 6
START = datetime(2026, 1, 6, 10, tzinfo=UTC)

ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8)
    | st.datetimes()
    | st.datetimes(timezones=st.just(UTC))
    | st.timedeltas()
    | st.complex_numbers()
    | st.decimals()
    | st.just("x" * 600)
    | st.just("\ud800")
    | st.just(pd.NaT)
    | st.just(pd.NA)
    | st.lists(st.integers(), max_size=2)
)
TIMES = (
    st.integers(0, 200).map(lambda minute: START + timedelta(minutes=minute))
    | st.integers(1_767_000_000, 1_768_000_000)
    | st.just("2026-01-06T10:00:00Z")
)
PLAUSIBLE = {
    "timestamp": TIMES,
    "service": st.sampled_from(["a", "b", ""]),
    "endpoint": st.sampled_from(["/x", "/y"]),
    "status_code": st.sampled_from([200, 404, 500, 0]),
    "latency_ms": st.floats(0.0, 1e308) | st.sampled_from([0.0, 5e-324, 1.7e308]),
}
ARRAYS = hnp.arrays(
    hnp.scalar_dtypes() | hnp.byte_string_dtypes() | hnp.unicode_string_dtypes(), LENGTH
)


def column(name: str) -> st.SearchStrategy[Any]:
    """Something for a column, mostly good."""
    good = st.lists(PLAUSIBLE[name], min_size=LENGTH, max_size=LENGTH)
    mixed = st.lists(PLAUSIBLE[name] | ANYTHING, min_size=LENGTH, max_size=LENGTH)
    return good | mixed | ARRAYS


TABLES = st.fixed_dictionaries({name: column(name) for name in small()})


def use(report: mad.Report) -> None:
    """Asks for everything."""
    features, scored = report.features, report.scored
    assert len(features) == len(scored)
    for table in (features, scored):
        for name in table.column_names:
            assert len(table[name]) == len(table)
    for incident in report.incidents:
        json.loads(incident.to_json())
        assert report.explain(incident).summary
    assert report.rejected["total"] == sum(report.rejected["counts"].values())
    json.loads(report.document())
    report.culprits()
    assert repr(report)


def detect_or_refuse(table: Any) -> None:
    """Every record of a table is used or counted as rejected, unless the table is refused."""
    try:
        report = mad.detect(table)
    except REFUSED as error:
        assert str(error)
        return
    use(report)
    accepted = int(report.features["req_count"].sum())
    assert accepted + report.rejected["total"] == LENGTH


@FUZZ
@given(TABLES)
def test_no_mapping_makes_it_panic(columns: dict[str, Any]) -> None:
    detect_or_refuse(columns)


@FUZZ
@given(TABLES)
def test_no_frame_makes_it_panic(columns: dict[str, Any]) -> None:
    try:
        frame = pd.DataFrame(columns)
    except Exception:
        return
    detect_or_refuse(frame)


@FUZZ
@given(ANYTHING | ARRAYS | st.dictionaries(st.text(max_size=9), ANYTHING))
def test_no_object_makes_it_panic(table: Any) -> None:
    for call in (mad.detect, mad.reference.detect, mad.FeatureBuilder().push):
        if isinstance(table, list) and not table:  # a list of dictionaries without one
            result = call(table)
            assert len(result.scored if isinstance(result, mad.Report) else result) == 0
            continue
        with pytest.raises((*REFUSED, OSError)):
            call(table)


CELLS = st.text(max_size=12) | st.sampled_from(
    ["", '"', '""', ",", "\n", "\r\n", "\0", "200", "-1", "inf", "1e308", "2026-01-06T10:00:00Z"]
)
ROWS = st.lists(st.lists(CELLS, max_size=7).map(",".join), max_size=12).map("\n".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | CELLS,
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from([*small(), "x"]), x),
    max_leaves=8,
)
BYTES = (
    st.binary(max_size=200)
    | st.binary(max_size=80).map(lambda x: ",".join(small()).encode() + b"\n" + x)
    | ROWS.map(lambda x: (",".join(small()) + "\n" + x).encode("utf-8", "surrogatepass"))
    | st.lists(JSON.map(json.dumps), max_size=6).map(lambda x: "\n".join(x).encode())
    | st.binary(max_size=80).map(lambda x: b"{" + x)
)


@FUZZ
@given(st.lists(BYTES, max_size=4), st.datetimes(timezones=st.just(UTC)))
def test_no_bytes_make_a_pipeline_panic(batches: list[bytes], at: datetime) -> None:
    pipeline = mad.Pipeline()
    for batch in batches:
        try:
            update = pipeline.ingest(batch)
        except ValueError as error:
            assert str(error)
            continue
        assert len(update.rows) >= 0
        assert update.rejected["total"] == sum(update.rejected["counts"].values())
    pipeline.advance(at)
    pipeline.ingest(small())
    pipeline.finish()
    json.loads(pipeline.document())


@FUZZ
@given(data=st.data())
def test_no_damage_to_a_file_makes_it_panic(data: st.DataObject) -> None:
    text = bytearray(to_csv(shop(300, 1, 10)))
    for _ in range(data.draw(st.integers(1, 10))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    try:
        mad.Pipeline().ingest(bytes(text))
    except ValueError as error:
        assert "header" in str(error)


ACTIONS = st.lists(
    st.tuples(st.just("ingest"), st.integers(0, 3000), st.integers(0, 500))
    | st.tuples(st.sampled_from(["advance", "acknowledge", "resolve"]), st.datetimes(), st.just(0))
    | st.tuples(st.just("finish"), st.just(0), st.just(0)),
    max_size=12,
)


@FUZZ
@given(ACTIONS)
def test_no_order_of_calls_makes_it_panic(actions: list[tuple[str, Any, int]]) -> None:
    pipeline = mad.Pipeline({"guard": {"min_points": 3, "warm_up_minutes": 3.0}})
    for action, first, length in actions:
        if action == "ingest":
            part = {name: x[first : first + length] for name, x in shop(3000).items()}
            pipeline.ingest(part)
        elif action == "finish":
            pipeline.finish()
        elif action == "advance":
            pipeline.advance(first.replace(tzinfo=UTC))
        else:
            names = [one.id for one in pipeline.incidents] or ["none"]
            try:
                getattr(pipeline, action)(names[0], first.replace(tzinfo=UTC))
            except (KeyError, ValueError):
                outside = not 1970 <= first.year < 2200
                assert outside or names == ["none"] or pipeline.incidents[0].status == "resolved"
        for incident in pipeline.incidents:
            assert pipeline.explain(incident).summary
            json.loads(incident.to_json())
        assert pipeline.culprits().rows >= 0
    json.loads(pipeline.document())


FIELDS = [
    (stage, name)
    for stage, fields in mad.Config().to_dict().items()
    if fields is not None
    for name in fields
]
NUMBERS = st.sampled_from([0, 1, 2, 3, 5, 60, 1000, 0.0, 0.5, 1.0, 1e-300, 1e300, 2**32 - 1, -1])


@FUZZ
@given(st.dictionaries(st.sampled_from(FIELDS), NUMBERS | st.floats() | st.integers(), max_size=4))
def test_no_configuration_makes_it_panic(fields: dict[tuple[str, str], Any]) -> None:
    config: dict[str, Any] = {}
    for (stage, name), value in fields.items():
        config.setdefault(stage, {})[name] = value
    try:
        checked = mad.Config(config)
    except ValueError as error:
        assert any(name in str(error) for _, name in fields)
        return
    assert mad.Config(checked.to_dict()) == checked
    use(mad.detect(shop(3000), config=checked))


@FUZZ
@given(st.lists(st.binary(max_size=300), max_size=3))
def test_no_bytes_make_the_decoders_panic(chunks: list[bytes]) -> None:
    decoder = _core.ZstdDecoder()
    try:
        for chunk in [b"\x28\xb5\x2f\xfd", *chunks]:
            decoder.feed(chunk)
            while decoder.read():
                pass
        while decoder.finish():
            pass
    except ValueError as error:
        assert str(error)
    header = b"bucket_ts,service,endpoint,req_count,is_anomaly,severity\n"
    for given_ in (chunks, [header, *chunks]):
        try:
            _core.culprits_from_scored(given_)
        except ValueError as error:
            assert str(error)


def test_importing_mad_starts_no_threads() -> None:
    """numpy starts threads, which would take the signals that a program waits for."""
    code = "import mad, sys; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
