"""The converters of public data: on generated files always, on the recorded ones where they
exist."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from recorded import recorded

import mad

ROOT = Path(__file__).resolve().parents[2]
PETSHOP = ROOT / "examples" / "petshop.py"
SERIES = ROOT / "examples" / "series.py"


def run(*command: object, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def lines(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def petshop(data: Path) -> None:
    """Two services, ten rows of normal operation, an incident of three rows months before."""
    head = [
        ["microservice", "front", "front", "cart"],
        ["metric", "latency", "requests", "latency"],
        ["statistic", "p95", "Sum", "p95"],
        ["unix_timestamp", "", "", ""],
    ]
    normal = [[str(1_693_000_000 + 300 * i), "0.2", str(i), "0.1"] for i in range(10)]
    incident = [
        ["1681000000", "0.2", "10", "0.1"],
        ["1681000300", "1.5", "11", ""],
        ["1681000600", "1.5", "12", "1.4"],
    ]
    scenario = data / "low_traffic"
    issue = scenario / "test" / "issue_3"
    for path, rows in ((scenario / "noissue", normal), (issue, incident)):
        path.mkdir(parents=True)
        with (path / "metrics.csv").open("w", newline="") as file:
            csv.writer(file).writerows([*head, *rows])
    (scenario / "graph.csv").write_text(",front,cart\nfront,0.0,1.0\ncart,0.0,0.0\n")
    label = {
        "target": {"node": "front", "metric": "latency", "agg": "p95", "timestamp": 1681000300},
        "root_cause": {"node": "cart", "metric": None},
    }
    (issue / "target.json").write_text(json.dumps(label))


def test_petshop_incidents_become_metrics_files(tmp_path: Path) -> None:
    petshop(tmp_path / "data")
    said = run(PETSHOP, "--data", tmp_path / "data", "--out", tmp_path / "out", "--rows", 4)
    assert "1 incidents of low_traffic" in said
    folder = tmp_path / "out" / "low_traffic" / "test" / "issue_3"
    header, *rows = lines(folder / "metrics.csv")
    assert header == ["timestamp", "service", "metric", "value"]
    assert len(rows) == 7 * 3 - 1
    # the last of the normal rows, and the incident's first two
    assert [row for row in rows if row[0] >= "2023-04-09T00:21:00Z"][:8] == [
        ["2023-04-09T00:21:40Z", "cart", "latency/p95", "0.1"],
        ["2023-04-09T00:21:40Z", "front", "latency/p95", "0.2"],
        ["2023-04-09T00:21:40Z", "front", "requests/Sum", "9.0"],
        ["2023-04-09T00:26:40Z", "cart", "latency/p95", "0.1"],
        ["2023-04-09T00:26:40Z", "front", "latency/p95", "0.2"],
        ["2023-04-09T00:26:40Z", "front", "requests/Sum", "10.0"],
        ["2023-04-09T00:31:40Z", "front", "latency/p95", "1.5"],
        ["2023-04-09T00:31:40Z", "front", "requests/Sum", "11.0"],
    ]
    assert lines(folder / "edges.csv") == [["caller", "callee"], ["front", "cart"]]
    assert json.loads((folder / "truth.json").read_text()) == [
        {
            "service": "cart",
            "endpoint": "",
            "start": "2023-04-09T00:26:40Z",
            "end": "2023-04-09T00:41:40Z",
            "kind": "latency",
            "affected": ["front"],
        }
    ]


def test_series_become_metrics_files(tmp_path: Path) -> None:
    for folder in ("microsoft/rates", "kpi", "nab/data/known"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "microsoft/rates/a-1.csv").write_text(
        'TimeStamp,Value,Label\n"2018-07-03T15:00:00",2,0\n2018-07-03 14:00:00, ,1\n'
    )
    with gzip.open(tmp_path / "kpi" / "05f1.csv.gz", "wt", newline="") as file:
        file.write("1469376000,0.5,1\r\n1469376300,-0.25,0\r\n")
    (tmp_path / "nab/data/known/taxi.csv").write_text(
        "timestamp,value\n2014-07-01 00:00:00,10844\n"
    )
    expected = {
        "microsoft": ("rates/a-1", [("2018-07-03T14:00:00Z", ""), ("2018-07-03T15:00:00Z", "2.0")]),
        "kpi": ("05f1", [("2016-07-24T16:00:00Z", "0.5"), ("2016-07-24T16:05:00Z", "-0.25")]),
        "nab": ("known/taxi", [("2014-07-01T00:00:00Z", "10844")]),
    }
    for which, (name, values) in expected.items():
        said = run(SERIES, "--data", tmp_path, "--set", which, "--out", tmp_path / "out")
        assert f"1 series with {len(values)} rows" in said
        header, *rows = lines(tmp_path / "out" / f"{name}.csv")
        assert header == ["timestamp", "service", "metric", "value"]
        assert rows == [[time, name, "value", value] for time, value in values]


def test_a_folder_without_data_is_named(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "no incidents below" in run(PETSHOP, "--data", tmp_path, "--out", out, code=3)
    result = run(SERIES, "--data", tmp_path, "--set", "kpi", "--out", out, code=3)
    assert "no series below" in result


def test_recorded_culprits_are_found_as_documented(tmp_path: Path) -> None:
    data = recorded("rca/petshop")
    said = run(PETSHOP, "--data", data, "--out", tmp_path)
    assert "26 incidents of low_traffic" in said
    ranks = []
    for path in sorted(tmp_path.glob("*/*/*/metrics.csv")):
        metrics = pd.read_csv(path, parse_dates=["timestamp"])
        [truth] = json.loads(path.with_name("truth.json").read_text())
        target = (truth["affected"][0], f"{truth['kind']}/Average")
        edges = pd.read_csv(path.with_name("edges.csv"))
        ranking = mad.rank_culprits(metrics, edges=edges, target=target)
        named = [culprit.service for culprit in ranking.culprits]
        ranks.append(named.index(truth["service"]) + 1 if truth["service"] in named else 99)
    assert len(ranks) == 34
    assert sum(rank == 1 for rank in ranks) >= 27, ranks
    assert sum(rank <= 3 for rank in ranks) >= 30, ranks


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ("microsoft", "33 series with 142,017 rows"),
        ("nab", "29 series with 174,651 rows"),
        ("kpi", "15 series with 1,674,497 rows"),
    ],
)
def test_recorded_series_are_read(tmp_path: Path, which: str, said: str) -> None:
    data = recorded("detection")
    assert said in run(SERIES, "--data", data, "--set", which, "--out", tmp_path)
