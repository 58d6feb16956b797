"""Comparison of a run with the truth, in each of its forms."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mad
import mad.simulate
from mad.cli import main


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, mad.Report]:
    """A world with the default incident, and its report."""
    folder = tmp_path_factory.mktemp("shop")
    made = mad.simulate.world("shop", seed=7)
    made.write(folder)
    return folder, mad.detect(folder / "requests.csv")


def test_files_and_report_give_the_same(
    shop: tuple[Path, mad.Report], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, report = shop
    truth = folder / "truth.json"
    assert main(["detect", str(folder / "requests.csv"), "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path), "--truth", str(truth), "--json"]) == 0
    from_files = json.loads(capsys.readouterr().out)
    assert from_files == mad.evaluate(report, truth)
    assert from_files["incidents"]["found"] == 1
    (kind,) = from_files["kinds"]
    assert kind["kind"] == "request"
    rows = from_files["rows"]
    assert {key: kind[key] for key in rows} == rows
    assert kind["accuracy"] == (rows["tp"] + rows["tn"]) / sum(
        rows[key] for key in ("tp", "tn", "fp", "fn")
    )


def test_every_form_of_one_truth_gives_the_same_rows(shop: tuple[Path, mad.Report]) -> None:
    folder, report = shop
    (truth,) = json.loads((folder / "truth.json").read_text())
    where = {"service": "payments", "endpoint": "/pay"}
    interval = {"start": truth["start"], "end": truth["end"]}
    expected = mad.evaluate(report, [where | interval])["rows"]
    assert expected["tp"] > 0
    text = json.dumps([where | interval])
    minutes = pd.date_range(truth["start"], truth["end"], freq="60s", inclusive="left")
    points = [where | {"timestamp": at.isoformat()} for at in minutes]
    window = {"payments /pay": [[minutes[0].isoformat(), minutes[-1].isoformat()]]}
    table = pd.DataFrame(points).assign(is_anomaly=True)
    noise = table.assign(endpoint="/refund", is_anomaly=False)
    labelled = pd.concat([noise, table])
    columns = {name: labelled[name].tolist() for name in labelled}
    for form in (text, points, window, labelled, columns):
        assert mad.evaluate(report, form)["rows"] == expected, form
    for name, content in (
        ("truth.csv", labelled.to_csv(index=False)),
        ("windows.json", json.dumps(window)),
        ("labels.csv", (folder / "requests.csv").read_text()),
    ):
        path = folder / name
        path.write_text(content)
        assert mad.evaluate(report, path)["rows"] == expected, name


def test_kinds_of_telemetry_are_counted_apart(tmp_path: Path) -> None:
    made = mad.simulate.world("melt", seed=3, services=4, duration=36_000)
    made.write(tmp_path)
    report = mad.detect(tmp_path)
    result = mad.evaluate(report, tmp_path / "truth.json")
    kinds = {one["kind"]: one for one in result["kinds"]}
    assert sorted(kinds) == ["log", "metric", "request", "trace"]
    metrics = [one for one in made.truth if one["kind"] == "metric"]
    assert kinds["metric"]["tp"] + kinds["metric"]["fn"] == len(metrics)
    logs = [one for one in made.truth if one["kind"] == "log"]
    # the counts of errors and of warnings in one minute are one log
    assert kinds["log"]["tp"] + kinds["log"]["fn"] == len(logs)
    assert sum(kinds["log"][key] for key in ("tp", "fp", "fn", "tn")) == 4 * 600
    assert kinds["metric"]["f1"] > 0.9
    # the truth of metrics, logs and traces says nothing about requests
    assert kinds["request"]["tp"] + kinds["request"]["fn"] == 0
    # labels of one file are the truth of its kind
    by_label = mad.evaluate(report, tmp_path / "metrics.csv")
    (found,) = [one for one in by_label["kinds"] if one["kind"] == "metric"]
    assert found == kinds["metric"]


def test_unknown_services_are_named(
    shop: tuple[Path, mad.Report], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, report = shop
    truth = [{"service": "sun", "timestamp": "2026-01-06T10:45:00Z"}]
    assert mad.evaluate(report, truth)["unknown_services"] == ["sun"]
    (tmp_path / "t.json").write_text(json.dumps(truth))
    assert main(["detect", str(folder / "requests.csv"), "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path), "--truth", str(tmp_path / "t.json")]) == 0
    assert "no row of these services of the truth: sun" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("truth", "said"),
    [
        ("soon", "truth"),
        ("[1]", "incident 0"),
        ('{"a": ["noon"]}', "noon"),
        ('[{"service": "a", "start": "2026-01-06T10:45:00Z"}]', "end"),
        ("a,b\n1,2\n", "service"),
        ("service,timestamp\na,b\n", "is_anomaly"),
        ("service,timestamp,label\na,noon,1\n", "noon"),
    ],
)
def test_an_unreadable_truth_is_refused_with_its_forms(
    truth: str,
    said: str,
    shop: tuple[Path, mad.Report],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, report = shop
    path = tmp_path / "truth"
    path.write_text(truth)
    with pytest.raises(ValueError, match=said):
        mad.evaluate(report, path)
    assert main(["detect", str(folder / "requests.csv"), "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path), "--truth", str(path)]) == 3
    complaint = capsys.readouterr().err
    assert said in complaint and "is_anomaly" in complaint


def test_values_that_are_no_truth_are_refused(shop: tuple[Path, mad.Report]) -> None:
    wrong: list[Any] = [3, None, [3]]
    for truth in wrong:
        with pytest.raises(ValueError, match="a truth is a list such as"):
            mad.evaluate(shop[1], truth)


LABELS = {
    "true": ["true", "True", "1", "1.0", "yes", True, 1, 1.0],
    "false": ["false", "FALSE", "0", "0.0", "no", "", False, 0, 0.0, None, float("nan")],
}


@pytest.mark.parametrize(
    "label, is_anomaly",
    [(label, truth == "true") for truth, labels in LABELS.items() for label in labels],
)
def test_labels_have_the_forms_of_other_programs(
    shop: tuple[Path, mad.Report], label: object, is_anomaly: bool, tmp_path: Path
) -> None:
    """Other programs write booleans as numbers, and pandas as floats where some are missing."""
    _, report = shop
    columns = {
        "timestamp": ["2026-01-06T10:50:00Z"],
        "service": ["payments"],
        "endpoint": ["/pay"],
        "is_anomaly": [label],
    }
    path = tmp_path / "truth.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    for truth in (columns, pd.DataFrame(columns), path):
        found = mad.evaluate(report, truth)["incidents"]
        assert found["found"] + found["missed"] == int(is_anomaly)


@pytest.mark.parametrize("label", ["maybe", 2, -1, "anomaly", float("inf")])
def test_unknown_labels_are_refused(
    shop: tuple[Path, mad.Report], label: object, tmp_path: Path
) -> None:
    _, report = shop
    columns = {"timestamp": ["2026-01-06T10:50:00Z"], "service": ["a"], "label": [label]}
    pd.DataFrame(columns).to_csv(tmp_path / "truth.csv", index=False)
    for truth in (columns, tmp_path / "truth.csv"):
        with pytest.raises(ValueError, match="expected true, false, 1 or 0"):
            mad.evaluate(report, truth)


def test_labels_of_a_world_are_read_as_written() -> None:
    made = mad.simulate.world("api", seed=2)
    rows = list(csv.DictReader(io.StringIO(made.files["requests.csv"].decode())))
    assert sum(row["is_anomaly"] == "true" for row in rows) == len(made.truth) == 20


def test_methods_are_counted_by_kind_from_files_and_in_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = mad.simulate.world("melt", seed=3, services=2, duration=12_000, labels=False)
    world, out = tmp_path / "world", str(tmp_path / "out")
    made.write(world)
    truth = str(world / "truth.json")
    scorers = ["zscore", "log_level", "event_kind"]
    options = [part for name in scorers for part in ("--scorer", name)]
    assert main(["detect", str(world), "--out", out, "--no-report", *options]) == 0
    capsys.readouterr()
    assert main(["evaluate", out, "--truth", truth, "--json"]) == 0
    of_files = json.loads(capsys.readouterr().out)["methods"]
    assert of_files == mad.evaluate(mad.detect(world, scorers=scorers), truth)["methods"]
    of = {(one["method"], one["kind"]): one for one in of_files}
    metric, log, event = of["zscore", "metric"], of["log_level", "log"], of["event_kind", "event"]
    assert (log["fp"], log["fn"], log["f1"]) == (0, 0, 1.0)
    assert (event["fp"], event["fn"], event["accuracy"]) == (0, 0, 1.0)
    assert metric["precision"] == 1.0 and metric["tp"] > 5
    # two services and 200 minutes, less ten that a mean needs
    assert sum(metric[key] for key in ("tp", "fp", "fn", "tn")) == 2 * 190
    assert ("default", "metric") in of and ("vote", "metric") not in of
    kinds = [one["kind"] for one in of_files]
    assert kinds == sorted(kinds, key=["request", "metric", "log", "event", "trace"].index)
    assert main(["evaluate", out, "--truth", truth]) == 0
    shown = capsys.readouterr().out
    assert "Methods" in shown and "event_kind" in shown


def test_every_form_of_a_truth_judges_methods_alike(shop: tuple[Path, mad.Report]) -> None:
    folder, _ = shop
    (truth,) = json.loads((folder / "truth.json").read_text())
    where = {"service": "payments", "endpoint": "/pay"}
    minutes = pd.date_range(truth["start"], truth["end"], freq="60s", inclusive="left")
    points = [where | {"timestamp": at.isoformat()} for at in minutes]
    report = mad.detect(folder / "requests.csv", scorers=["ewma", "zscore"])
    expected = mad.evaluate(report, [where | {"start": truth["start"], "end": truth["end"]}])
    assert {one["method"] for one in expected["methods"]} == {
        "default",
        "ewma",
        "zscore",
        "vote",
        "weighted",
    }
    assert all(one["tp"] > 0 for one in expected["methods"] if one["method"] != "vote")
    window = {"payments /pay": [[minutes[0].isoformat(), minutes[-1].isoformat()]]}
    for form in (points, window, pd.DataFrame(points).assign(is_anomaly=True)):
        assert mad.evaluate(report, form)["methods"] == expected["methods"]
