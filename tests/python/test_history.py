"""Learning from history and resuming an earlier run, in Python and on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from table_kinds import UTC, shop, to_csv

import mad
from mad.cli import main

CUT = pd.Timestamp("2026-01-06T00:30", tz=UTC)


def parts() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The shop before and after a moment short before its incident."""
    requests = pd.DataFrame(shop())
    incident = mad.detect(requests).incidents[0]
    cut = pd.Timestamp(incident.start) - pd.Timedelta("5min")
    times = pd.to_datetime(requests["timestamp"], utc=True)
    return requests[times < cut], requests[times >= cut]


def test_history_is_learnt_and_not_flagged() -> None:
    past, now = parts()
    assert mad.detect(now).incidents == []
    for history in (past, {"requests": past}):
        report = mad.detect(now, history=history)
        assert len(report.incidents) == 1
        assert f"Report({len(now)} requests" in repr(report)
        assert len(report.scored) == len(mad.detect(now).scored)


def test_the_command_line_learns_history_and_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    past, now = parts()
    for name, table in (("past.csv", past), ("now.csv", now), ("all.csv", pd.concat([past, now]))):
        (tmp_path / name).write_bytes(to_csv(table.to_dict("list")))

    def here(name: str) -> str:
        return str(tmp_path / name)

    def run(*arguments: str) -> dict[str, Any]:
        assert main(["detect", *arguments, "--out", here("out"), "--json"]) == 0
        return dict(json.loads(capsys.readouterr().out))

    cold = run(here("now.csv"))
    warm = run(here("now.csv"), "--history", here("past.csv"))
    assert (cold["incidents"], len(warm["incidents"])) == ([], 1)
    assert cold["requests"] == warm["requests"] == len(now)
    first = run(here("past.csv"), "--save", here("state"))
    second = run(here("now.csv"), "--resume", here("state"), "--save", here("state"))
    assert (first["incidents"], len(second["incidents"])) == ([], 1)
    assert second["requests"] == second["accepted"] == len(now)
    (tmp_path / "state").write_bytes((tmp_path / "state").read_bytes()[:-7])
    assert main(["detect", here("now.csv"), "--resume", here("state")]) == 2
    assert "the saved state is cut" in capsys.readouterr().err
    assert main(["detect", here("now.csv"), "--resume", here("none")]) == 3
    assert main(["detect", here("now.csv"), "--save", here("s"), "--mode", "reference"]) == 2
