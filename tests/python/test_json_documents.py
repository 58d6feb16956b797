"""Files with one JSON document: arrays, `{"events": [...]}`, objects over several lines."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mad
from mad import errors
from mad.cli import main

ROWS = [
    {
        "timestamp": f"2026-01-06T10:{i // 60:02}:{i % 60:02}Z",
        "service": "shop",
        "endpoint": "/x",
        "status_code": 200,
        "latency_ms": 40.5,
    }
    for i in range(300)
]
FORMS: dict[str, Callable[[], str]] = {
    "an array": lambda: json.dumps(ROWS),
    "an array over lines": lambda: json.dumps(ROWS, indent=2),
    "an array with an object a line": lambda: (
        "[\n" + ",\n".join(json.dumps(row) for row in ROWS) + "\n]\n"
    ),
    "events": lambda: json.dumps({"events": ROWS}),
    "events over lines": lambda: "\ufeff" + json.dumps({"events": ROWS}, indent=1),
    "lines": lambda: "".join(json.dumps(row) + "\n" for row in ROWS),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_all_records_are_read(form: str, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_bytes(pack(FORMS[form]().encode()))
    read = mad.read(path)
    assert (len(read), read.rejected["total"]) == (300, 0)


def test_one_object_over_lines_is_one_record(tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_text(json.dumps(ROWS[0], indent=2))
    assert len(mad.read(path)) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]\n", "a JSON array without a record"),
        ('{"events": []}', "a JSON array without a record"),
        ("[1, 2]", "JSON without records: 1 stands"),
        ("null", "JSON without records: null stands"),
        ('"text"', "JSON without records"),
        ("12.5", "JSON without records"),
        ('[{"timestamp": 1},', "not valid JSON"),
        ('{\n "timestamp": 1,\n', "not valid JSON"),
    ],
)
def test_other_documents_are_errors_that_speak_of_json(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.json"
    path.write_text(text)
    for arguments in (["detect", str(path)], ["detect", "--metrics", str(path)]):
        assert main([*arguments, "--out", str(tmp_path / "out")]) == errors.INPUT
        out, err = capsys.readouterr()
        assert said in out + err
        assert "header" not in out + err


@pytest.mark.parametrize("first", ["[alpha] GET /x", "[INFO] x"])
def test_text_in_brackets_fails(
    first: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.csv"
    path.write_text(first + "\n")
    assert main(["detect", str(path), "--out", str(tmp_path / "out")]) == errors.INPUT
    out, err = capsys.readouterr()
    assert "JSON array without" not in out + err


def test_a_time_of_day_in_brackets_begins_a_log_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.csv"
    path.write_text("[12:00:00] GET /x\n")
    assert main(["inspect", str(path), "--json"]) == errors.FINE
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["records"], found["rejected"]) == ("text-log", 1, {})
    assert any("no date" in note for note in found["notes"])


def test_metrics_over_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[dict[str, Any]] = [
        {"timestamp": row["timestamp"], "service": "shop", "metric": "load", "value": 3.5}
        for row in ROWS
    ]
    path = tmp_path / "in.json"
    path.write_text(json.dumps(rows, indent=1))
    assert main(["detect", "--metrics", str(path), "--out", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["points"] == 300
