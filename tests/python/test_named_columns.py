"""Columns that are named for fields: on the command line, in tables, settings and the service."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from service import Server

import mad
from mad.cli import main

MAP = {"timestamp": "when", "service": "team", "status_code": "rcode", "latency_ms": "took_s"}
OPTIONS = [part for field, column in MAP.items() for part in ("--map", f"{field}={column}")]


def table(minutes: int = 30) -> dict[str, list[Any]]:
    rows = range(minutes * 4)
    return {
        "when": [f"2026-01-06T10:{i // 4:02}:{i % 4 * 15:02}Z" for i in rows],
        "team": ["cart" for _ in rows],
        "path": ["/add" for _ in rows],
        "rcode": [200 for _ in rows],
        "took_s": [0.02 + i % 5 / 1000 for i in rows],
    }


def csv(columns: dict[str, list[Any]]) -> str:
    rows = zip(*columns.values(), strict=True)
    return "\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n"


def test_one_column_holds_fields_of_two_kinds() -> None:
    both = {"timestamp": "when", "start": "when", **{k: v for k, v in MAP.items() if v != "when"}}
    result = mad.detect(table(), map=both)
    assert json.loads(result.document())["accepted"] == len(table()["when"])


def test_the_command_line_maps_columns_and_prints_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "odd.csv.gz"
    path.write_bytes(gzip.compress(csv(table()).encode()))
    out = ["--out", str(tmp_path / "out"), "--no-report"]
    assert main(["detect", str(path), *OPTIONS, *out]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "latency_ms from `took_s`, service from `team`, status_code from `rcode`" in said
    assert main(["detect", str(path), *out]) == 3
    assert "--map timestamp=COLUMN" in capsys.readouterr().err
    assert main(["detect", str(path), "--map", "servce=team", *out]) == 2
    said = capsys.readouterr().err
    assert "`intake.map.servce` is team; expected one of the fields timestamp, service" in said
    with pytest.raises(SystemExit):
        main(["detect", str(path), "--map", "service", *out])
    assert "'service' is no FIELD=COLUMN" in capsys.readouterr().err


def test_the_service_of_inputs_without_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = {name: values for name, values in table().items() if name != "team"}
    path = tmp_path / "jmeter.csv"
    path.write_text(csv(columns))
    out = ["--out", str(tmp_path / "out"), "--no-report"]
    assert main(["detect", str(path), *OPTIONS, *out]) == 3
    assert "--service NAME" in capsys.readouterr().err
    assert main(["detect", str(path), *OPTIONS, "--service", "shop", *out]) == 0
    report = mad.detect(columns, map=MAP, config={"intake": {"service": "shop"}})
    assert set(report.features["service"]) == {"shop"}
    with pytest.raises(ValueError, match=r"no column `service`.*--service NAME"):
        mad.detect(columns, map={name: MAP[name] for name in MAP if name != "service"})


@pytest.mark.parametrize("library", ["mapping", "pandas", "pyarrow"])
def test_rows_of_a_table_without_a_service_have_the_one_of_the_setting(library: str) -> None:
    columns: Any = table()
    columns["team"] = ["cart", "", " ", None] * (len(columns["team"]) // 4)
    if library != "mapping":
        module = pytest.importorskip(library)
        make = module.DataFrame if library == "pandas" else module.table
        columns = make(columns)
    report = mad.detect(columns, map=MAP, config={"intake": {"service": "shop"}})
    assert set(report.features["service"]) == {"cart", "shop"}
    assert json.loads(report.document())["accepted"] == 120
    # without the setting an empty service is missing, and a blank one is a name
    assert json.loads(mad.detect(columns, map=MAP).document())["accepted"] == 60


@pytest.mark.parametrize("library", ["mapping", "pandas", "pyarrow"])
def test_tables_take_a_map(library: str) -> None:
    columns: Any = table()
    columns["service"] = ["wrong" for _ in columns["team"]]
    if library != "mapping":
        module = pytest.importorskip(library)
        make = module.DataFrame if library == "pandas" else module.table
        columns = make(columns)
    report = mad.detect(columns, map=MAP)
    assert set(report.features["service"]) == {"cart"}
    assert 20.0 <= report.features["p50_latency_ms"][0] <= 25.0
    assert "service from `team`" in " ".join(report.document()) or report.read
    read = mad.read(columns, config={"intake": {"map": MAP}})
    assert len(read) == 120
    with pytest.raises(ValueError, match=r"`intake.map.colour` is x; expected one of the fields"):
        mad.detect(columns, map={"colour": "x"})


def test_a_map_adds_to_the_one_of_the_settings() -> None:
    first = {name: MAP[name] for name in ("timestamp", "service")}
    rest = {name: MAP[name] for name in MAP if name not in first}
    config = mad.Config({"intake": {"map": first}})
    assert len(mad.detect(table(), map=rest, config=config).features["service"]) == 30
    environ = {"MAD_INTAKE__MAP__SERVICE": "team", "MAD_INTAKE__SERVICE": "shop"}
    assert mad.Config.from_env(environ)["intake"]["map"] == {"service": "team"}


def test_grpc_codes_of_a_table() -> None:
    pandas = pytest.importorskip("pandas")
    columns = table()
    columns["grpc_status"] = [0 if i % 4 else 14 for i in range(120)]
    del columns["rcode"]
    named = {name: MAP[name] for name in MAP if name != "status_code"}
    for given in (columns, pandas.DataFrame(columns)):
        features = mad.detect(given, map=named).features
        assert set(features["error_count"]) == {1}


def test_the_service_maps_columns(tmp_path: Path) -> None:
    config = tmp_path / "mad.toml"
    config.write_text('[intake]\nservice = "shop"\n[intake.map]\ntimestamp = "when"\n')
    server = Server(tmp_path / "data", "--config", str(config))
    try:
        line = '{"when": "2026-01-06T10:00:00Z", "path": "/a", "status": 200, "latency": 3}\n'
        sent = server.post("/v1/ingest/requests", line.encode())
        assert (sent["accepted"], sent["rejected"]) == (1, 0)
    finally:
        server.stop()
