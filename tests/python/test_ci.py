"""Results for continuous integration: JUnit files, annotations of GitHub, and `mad gate`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from service import Server

from mad import errors
from mad.cli import main
from mad.report import ci

INCIDENT = {
    "id": "INC-1",
    "severity": "Critical",
    "service": "pay%ments,\n::error::",
    "endpoint": "/pay <b>|`x`",
    "start": "2026-01-06T10:45:00Z",
    "culprit": {"service": "db", "endpoint": ""},
    "explanation": {"summary": "Slow:\n100 %.\x1b[31m", "line": "slow \x00 line"},
}


def test_detect_writes_junit_and_annotations(
    demo_directory: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    report = tmp_path / "mad.xml"
    arguments = [
        str(demo_directory / "requests.csv"),
        "--out",
        str(tmp_path / "out"),
        "--no-report",
    ]
    gate = ["--fail-on", "critical", "--junit", str(report), "--json"]
    assert main(["detect", *arguments, *gate]) == errors.FAILED
    said = capsys.readouterr()
    json.loads(said.out)
    (annotation,) = [line for line in said.err.splitlines() if line.startswith("::")]
    assert annotation.startswith("::error title=Critical%3A payments /pay::payments /pay: ")
    assert annotation.endswith("Culprit: payments /pay.")
    assert "| Critical | payments /pay |" in summary.read_text()
    top = ElementTree.parse(report).getroot()
    assert (top.get("tests"), top.get("failures"), top.get("errors")) == ("4", "1", "0")
    (failed,) = [case for case in top.iter("testcase") if case.find("failure") is not None]
    assert failed.get("classname") == "mad.payments"
    assert failed.get("name", "").startswith("/pay 2026-01-06T10:45")
    passed = {case.get("classname") for case in top.iter("testcase")} - {"mad.payments"}
    assert passed == {"mad.auth", "mad.catalog", "mad.checkout"}


def test_input_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "requests.csv").write_text(
        "timestamp,service,endpoint,status_code,latency_ms\nx,a,b,200,1\n"
    )
    report = tmp_path / "mad.xml"
    code = main(
        [
            "detect",
            str(tmp_path / "requests.csv"),
            "--out",
            str(tmp_path / "o"),
            "--junit",
            str(report),
        ]
    )
    assert code == errors.INPUT
    assert ElementTree.parse(report).getroot().get("errors") == "1"


def test_hostile_names_stay_text(capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    document = ci.junit([INCIDENT, {**INCIDENT, "severity": "Info"}], ["db"])
    top = ElementTree.fromstring(document)
    assert (top.get("tests"), top.get("failures")) == ("3", "1")
    assert b"\x00" not in document and b"\x1b" not in document
    ci.annotate([INCIDENT], sys.stdout)
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and re.match(r"::error title=Critical%3A pay%25ments%2C", said)
    assert "100 %25." in said and "\x1b" not in said
    table = ci.markdown([INCIDENT])
    assert "<b>" not in table
    assert table.splitlines()[-1].count("|") == 5


def test_a_storm_of_incidents_has_few_annotations(capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    many: list[dict[str, Any]] = [
        {**INCIDENT, "severity": severity} for severity in ("Info", "Critical") for _ in range(50)
    ]
    ci.annotate(many, sys.stdout)
    said = capsys.readouterr().out.splitlines()
    assert [line.split(" ")[0] for line in said] == ["::error"] * 10 + ["::notice"] * 10


def test_a_gate_fails_when_an_incident_opened(
    demo_server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "gate.xml"
    since = ["--since", "2026-01-06T10:40:00Z", "--for", "60s"]
    assert main(["gate", demo_server.url, *since, "--junit", str(report)]) == errors.FAILED
    assert "[Critical] payments /pay" in capsys.readouterr().out
    assert ElementTree.parse(report).getroot().get("failures") == "1"


@pytest.mark.parametrize(
    "arguments",
    [["--since", "2026-01-06T11:00:00Z"], ["--since", "2026-01-06T10:40:00Z", "--service", "auth"]],
)
def test_a_gate_passes_without_one(
    demo_server: Server, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gate", demo_server.url, *arguments, "--for", "1s"]) == errors.FINE
    assert capsys.readouterr().out == "no incident opened\n"


def test_a_gate_without_a_server() -> None:
    assert main(["gate", "http://127.0.0.1:1", "--for", "1s"]) == errors.SERVICE
