"""Methods beside the default: `mad detect --scorer`, `mad.detect(scorers=)` and the forest."""

from __future__ import annotations

import csv
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mad
from mad.cli import main

MODELS = ["isolation_forest", "one_class_svm", "lstm_autoencoder"]
METHODS = ["default", "ewma", "zscore", *MODELS, "log_level", "event_kind"]


def requests(minutes: int = 180, slow: range = range(150, 160)) -> dict[str, list[Any]]:
    """Ten requests a minute, slow in some minutes."""
    places = [(minute, i) for minute in range(minutes) for i in range(10)]
    base = 1_767_693_600
    return {
        "timestamp": [base + 60 * minute + 5 * i for minute, i in places],
        "service": ["shop"] * len(places),
        "endpoint": ["/pay"] * len(places),
        "status_code": [200] * len(places),
        "latency_ms": [
            2_000.0 if minute in slow else 100.0 + (minute * 37 + i * 11) % 23
            for minute, i in places
        ],
    }


def written(path: Path, table: dict[str, list[Any]]) -> Path:
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(table)
        lines.writerows(zip(*table.values(), strict=True))
    return path


def test_every_method_is_in_the_table_of_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = written(tmp_path / "requests.csv", requests())
    out = tmp_path / "out"
    assert main(["detect", str(source), "--out", str(out), "--scorer", "all"]) == 0
    shown = capsys.readouterr().out
    assert "Other methods" in shown and "First flagged" in shown
    for method in [*METHODS, "vote", "weighted"]:
        assert f"\n{method} " in shown
    assert "2026-01-06 12:30 UTC shop /pay" in shown
    with (out / "methods.csv").open() as file:
        rows = list(csv.DictReader(file))
    flagged = {one["method"] for one in rows if one["is_anomaly"] == "true"}
    assert flagged >= {"ewma", "zscore", "vote", "weighted"}
    of_vote = [one for one in rows if one["method"] == "vote"]
    assert of_vote[-1]["members"] == " ".join(["ewma", "zscore", *MODELS])
    assert {one["kind"] for one in rows} == {"request"}


def test_the_answer_for_machines_names_members_and_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = written(tmp_path / "requests.csv", requests())
    call = ["detect", str(source), "--out", str(tmp_path / "out"), "--json"]
    assert main([*call, "--scorer", "ewma=2", "--scorer", "zscore"]) == 0
    found = json.loads(capsys.readouterr().out)["methods"]
    names = [one["method"] for one in found]
    assert names == ["default", "ewma", "zscore", "vote", "weighted"]
    assert [one["weight"] for one in found] == [0, 2, 1, 0, 0]
    assert found[1]["first"] == "2026-01-06T12:30:00Z"
    assert found[1]["first_entity"] == {"service": "shop", "endpoint": "/pay"}
    assert main(call) == 0
    assert "methods" not in json.loads(capsys.readouterr().out)


def test_files_and_tables_give_the_same_judgements(tmp_path: Path) -> None:
    table = requests()
    source = written(tmp_path / "requests.csv", table)
    scorers = ["all", "default"]
    of_file, of_table = mad.detect(source, scorers=scorers), mad.detect(table, scorers=scorers)
    for name in of_table.methods.column_names:
        mine, other = of_file.methods[name], of_table.methods[name]
        assert np.array_equal(np.asarray(mine), np.asarray(other), equal_nan=False) or np.allclose(
            np.asarray(mine, float), np.asarray(other, float), equal_nan=True
        )
    summary = of_table.method_summaries
    assert summary["method"] == [*METHODS, "vote", "weighted"]
    assert summary["flagged"][1] > 0 and summary["first_endpoint"][1] == "/pay"
    copy = pickle.loads(pickle.dumps(of_table))
    assert copy.method_summaries["rows"].tolist() == summary["rows"].tolist()


def test_methods_change_nothing_about_the_default() -> None:
    plain, more = mad.detect(requests()), mad.detect(requests(), scorers=["all"])
    assert [one.to_json() for one in plain.incidents] == [one.to_json() for one in more.incidents]
    assert plain.methods.num_rows == 0 and plain.method_summaries.num_rows == 0


def test_a_restart_is_an_event_and_an_error_line_a_log(tmp_path: Path) -> None:
    base = 1_767_693_600
    report = mad.detect(
        logs={
            "timestamp": [base + 60 * i for i in range(20)],
            "service": ["db"] * 20,
            "level": ["ERROR" if i == 12 else "INFO" for i in range(20)],
            "body": ["text"] * 20,
        },
        changes={
            "timestamp": [base + 30, base + 400],
            "service": ["db", "db"],
            "kind": ["SERVICE_RESTART", "DEPLOYMENT"],
        },
        scorers=["log_level", "event_kind"],
    )
    summary = report.method_summaries
    counts = zip(summary["rows"], summary["flagged"], strict=True)
    of = dict(zip(summary["method"], counts, strict=True))
    assert of["log_level"] == (20, 1) and of["event_kind"] == (2, 1)


@pytest.mark.parametrize(
    ("option", "remedy"),
    [
        (["--scorer", "lstm"], "lstm_autoencoder"),
        (["--scorer", "ewma=0"], "NAME=WEIGHT"),
        (["--models", "gru"], "isolation, zscore, svm, lstm, all"),
        (["--scorer", "ewma", "--mode", "reference"], "--mode default"),
    ],
)
def test_unknown_methods_are_refused_with_the_remedy(
    option: list[str], remedy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = written(tmp_path / "requests.csv", requests(20))
    assert main(["detect", str(source), "--out", str(tmp_path / "out"), *option]) == 2
    assert remedy in capsys.readouterr().err
    with pytest.raises(ValueError, match="lstm"):
        mad.detect(requests(20), scorers=["lstm"])


def test_the_models_of_an_earlier_system_are_methods(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = written(tmp_path / "requests.csv", requests(40))
    call = ["detect", str(source), "--out", str(tmp_path / "out"), "--json"]
    assert main([*call, "--models", "isolation,zscore,lstm"]) == 0
    found = json.loads(capsys.readouterr().out)["methods"]
    assert [one["method"] for one in found if one["weight"]] == [
        "zscore",
        "isolation_forest",
        "lstm_autoencoder",
    ]


def test_the_models_flag_slow_minutes_and_are_named_alone() -> None:
    report = mad.detect(requests(), scorers=["one_class_svm", "lstm_autoencoder"])
    table = report.methods
    flagged = np.asarray(table["is_anomaly"])
    methods = np.asarray(table["method"])
    minutes = np.asarray(table["bucket_ts"]).astype("datetime64[m]").astype(int)
    first = 1_767_693_600 // 60 + 150
    for method in MODELS[1:]:
        of = minutes[(methods == method) & flagged]
        assert first in of, method
        assert len(of[of < first]) <= 6, method
    assert set(table["kind"]) == {"request"}


def test_models_take_few_rows_and_constant_or_missing_latencies() -> None:
    flat = requests(260, range(0))
    flat["latency_ms"] = [100.0] * len(flat["latency_ms"])
    missing = requests(260, range(200, 205))
    missing["latency_ms"] = [
        None if at % 3 == 0 else value for at, value in enumerate(missing["latency_ms"])
    ]
    for table, rows in ((requests(1), 0), (flat, 140), (missing, 140)):
        report = mad.detect(table, scorers=MODELS[1:])
        summaries = report.method_summaries
        summary = dict(zip(summaries["method"], summaries["rows"], strict=True))
        assert [summary[method] for method in MODELS[1:]] == [rows, rows]
        scores = np.asarray(report.methods["score"], float)
        assert np.isfinite(scores).all() and (scores >= 0).all() and (scores <= 1).all()
    flagged = np.asarray(mad.detect(flat, scorers=MODELS[1:]).methods["is_anomaly"])
    assert not flagged.any(), "rows that never change are usual"


def test_any_number_of_workers_gives_the_same_file(tmp_path: Path) -> None:
    tables = [requests(200), requests(200, range(120, 125)), requests(200)]
    for place, table in enumerate(tables):
        table["endpoint"] = [f"/{'abc'[place]}"] * len(table["endpoint"])
    joined = {key: [one for table in tables for one in table[key]] for key in tables[0]}
    source = written(tmp_path / "requests.csv", joined)
    files = []
    for workers in (1, 2, 8):
        out = tmp_path / str(workers)
        call = ["detect", str(source), "--out", str(out), "--scorer", "all", "--sort"]
        assert main([*call, "--workers", str(workers)]) == 0
        files.append((out / "methods.csv").read_bytes())
    assert files[0].count(b",lstm_autoencoder,") == 240
    assert files[0] == files[1] == files[2]


@pytest.mark.parametrize("workers", ["0", "65", "-1", "two"])
def test_a_number_of_workers_out_of_range_is_refused(
    workers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["detect", "requests.csv", "--workers", workers])
    assert "1 to 64" in capsys.readouterr().err or workers == "-1"


def rows(count: int = 400) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(7).normal(size=(count, 3))


def test_a_forest_scores_distant_rows_higher_and_takes_other_arrays() -> None:
    forest = mad.IsolationForest(contamination=0.05)
    assert forest.threshold is None and "not fitted" in repr(forest)
    usual = rows()
    assert forest.fit(usual) is forest
    assert forest.n_features == 3
    assert forest.predict(usual).sum() == pytest.approx(20, abs=1)
    far = forest.score([[9, 9, 9]])
    assert far.dtype == np.float64 and far[0] > forest.score(usual).max()
    assert np.array_equal(forest.score(usual[::2]), forest.score(usual)[::2])
    as_float = usual.astype(np.float32)
    assert np.array_equal(forest.score(as_float), forest.score(as_float.astype(np.float64)))
    again = pickle.loads(pickle.dumps(forest))
    assert np.array_equal(again.score(usual), forest.score(usual))
    missing = usual.copy()
    missing[3] = np.nan
    assert np.isfinite(forest.score(missing)).all()


def test_a_forest_refuses_what_it_cannot_use() -> None:
    with pytest.raises(ValueError, match="not fitted"):
        mad.IsolationForest().score(rows())
    for wrong in ({"n_trees": 0}, {"sample_size": 1}, {"contamination": 1.5}):
        with pytest.raises(ValueError, match="forest"):
            mad.IsolationForest(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rows"):
        mad.IsolationForest().fit(np.empty((0, 3)))
    with pytest.raises(ValueError, match="the 3 features"):
        mad.IsolationForest().fit(rows()).score(rows()[:, :2])
    with pytest.raises(TypeError):
        mad.IsolationForest().fit(rows()[:, 0])


def test_scores_are_those_of_scikit_learn_within_sampling_error() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    stats = pytest.importorskip("scipy.stats")
    data = np.random.default_rng(5).standard_t(4, size=(5_000, 4)) * [1, 5, 0.2, 9]
    # many trees, so that the order of scores hardly depends on the splits
    mine = mad.IsolationForest(n_trees=400, seed=1).fit(data).score(data)
    theirs = ensemble.IsolationForest(n_estimators=400, random_state=1).fit(data)
    scores = -theirs.score_samples(data)
    assert stats.spearmanr(mine, scores).statistic > 0.99
    assert np.abs(mine - scores).max() < 0.05
    share = mad.IsolationForest(contamination=0.05).fit(data)
    assert share.predict(data).mean() == pytest.approx(0.05, abs=0.001)
