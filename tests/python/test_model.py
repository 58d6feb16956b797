"""Trained models: their figures, files and judgements."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mad
from mad.cli import main
from mad.model import FEATURES, figures_of


def requests(bad: int | None = 150, minutes: int = 200) -> dict[str, list[Any]]:
    """Twenty requests a minute to two endpoints; all of `/pay` fail slowly in one minute."""
    draw = np.random.default_rng(3)
    out: dict[str, list[Any]] = {
        name: [] for name in ("timestamp", "service", "endpoint", "status_code", "latency_ms")
    }
    for minute in range(minutes):
        for number in range(20):
            endpoint = ("/pay", "/get")[number % 2]
            is_bad = minute == bad and endpoint == "/pay"
            row = (
                1_767_693_600 + 60 * minute + number,
                "shop",
                endpoint,
                500 if is_bad else 200,
                float(draw.lognormal(3, 0.2)) * (20.0 if is_bad else 1.0),
            )
            for name, value in zip(out, row, strict=True):
                out[name].append(value)
    return out


def write(path: Path, table: dict[str, list[Any]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([list(table), *zip(*table.values(), strict=True)])
    return path


def test_the_figures_are_those_of_the_requests() -> None:
    latencies = [10.0, 20.0, 60.0]
    table = {
        "timestamp": [1_767_693_600 + second for second in (1, 2, 3)],
        "service": ["shop"] * 3,
        "endpoint": ["/pay"] * 3,
        "status_code": [200, 500, 200],
        "latency_ms": latencies,
    }
    (row,) = figures_of(mad.detect(table).features)
    wanted = [3, 30, np.std(latencies, ddof=1), 10, 60, 20, 1, 1 / 3, 100 / 3, 3]
    assert dict(zip(FEATURES, row, strict=True)) == pytest.approx(
        dict(zip(FEATURES, wanted, strict=True))
    )
    one = {name: column[:1] for name, column in table.items()}
    assert figures_of(mad.detect(one).features)[0][2] == 0.0


def test_a_saved_model_judges_as_the_trained_one(tmp_path: Path) -> None:
    features = mad.detect(requests()).features
    model = mad.Model.train(features, contamination=0.01)
    model.save(tmp_path)
    loaded = mad.Model.load(tmp_path)
    for one, other in zip(model.judge(features), loaded.judge(features), strict=True):
        np.testing.assert_array_equal(one, other)
    assert loaded.about == model.about
    scores, flags = loaded.judge(features)
    worst = int(np.argmax(scores))
    assert flags[worst] and list(features["endpoint"])[worst] == "/pay"
    np.testing.assert_array_equal(flags, scores > 0.5)
    assert model.about["anomalies"] == flags.sum() and model.about["records"] == 4000
    assert [len(part) for part in loaded.judge({name: [] for name in features.column_names})] == [
        0,
        0,
    ]


def change(**fields: Any) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / "model.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return apply


def rows(content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "rows.npy").write_bytes(content)


def header(shape: str, dtype: str = "<f8") -> bytes:
    """The beginning of an array of NumPy that claims this shape."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change(version=9), "has version 9; this mad reads 1: train it again"),
        (change(features=["cpu"]), "has other features than latency_count"),
        (change(mean=[1.0]), "is damaged: mean is not ten finite numbers"),
        (change(mean=[[0.0] * 10] * 10), "is damaged: mean"),
        (change(mean=[float("nan")] * 10), "is damaged: mean"),
        (change(step_seconds=0), "is damaged: step_seconds is 0"),
        (change(endpoints=5), "is damaged: endpoints is 5, which is no list"),
        (change(seed=10**40), "is damaged"),
        (lambda folder: (folder / "model.json").write_text("[" * 100_000), "is no model of mad"),
        (rows(b"PK\x03\x04"), "is damaged: its rows"),
        (rows(header("(100000000000, 10)")), "is damaged: its rows"),
        (rows(header("(99999, 10)")), "is damaged: its rows"),
        (rows(header("(3, 10)") + bytes(80)), "is damaged: rows.npy has 80 bytes for 3 rows"),
        (rows(header("(1, 10)", "|O") + bytes(80)), "is damaged: its rows"),
        (rows(header("(" * 5_000)), "is damaged: its rows"),
        (rows(header("-" * 5_000 + "1")), "is damaged: its rows"),
        (change(std=[0.0] * 10), "is damaged"),
        (change(n_trees=0), "is damaged"),
        (change(contamination="much"), "is damaged"),
        (lambda folder: (folder / "model.json").write_text("{"), "is no model of mad"),
        (lambda folder: (folder / "rows.npy").write_bytes(b"\x93NUMPY"), "is damaged"),
        (
            lambda folder: np.save(folder / "rows.npy", np.full((3, 10), np.nan)),
            "is damaged: its rows are not ten finite numbers",
        ),
    ],
)
def test_a_model_that_does_not_fit_is_refused(
    tmp_path: Path, damage: Callable[[Path], Any], message: str
) -> None:
    mad.Model.train(mad.detect(requests(minutes=30)).features).save(tmp_path)
    damage(tmp_path)
    with pytest.raises(ValueError, match=message):
        mad.Model.load(tmp_path)


def test_training_refuses_what_it_cannot_use() -> None:
    features = mad.detect(requests(minutes=30)).features
    for contamination in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="contamination"):
            mad.Model.train(features, contamination=contamination)
    with pytest.raises(ValueError, match="seed is -1"):
        mad.Model.train(features, seed=-1)
    with pytest.raises(ValueError, match="step_seconds is 0"):
        mad.Model.train(features, step_seconds=0)
    with pytest.raises(ValueError, match="no column std_latency_ms"):
        mad.Model.train({"req_count": [1], "avg_latency_ms": [1.0]})
    with pytest.raises(ValueError, match="has no row"):
        mad.Model.train({name: [] for name in features.column_names})


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    usual, new = (
        write(tmp_path / "usual.csv", requests(None)),
        write(tmp_path / "new.csv", requests()),
    )
    model = tmp_path / "model"
    assert main(["train", str(usual), "--out", str(model), "--contamination", "0.01"]) == 0
    said = capsys.readouterr().out
    assert "400 rows of 4,000 requests to 2 endpoints of 1 service; " in said
    about = json.loads((model / "model.json").read_text())
    assert about["features"] == list(FEATURES) and about["endpoints"] == ["/get", "/pay"]
    out = tmp_path / "out"
    line = ["detect", str(new), "--out", str(out), "--scorer", str(model), "--scorer", "zscore"]
    assert main([*line, "--json"]) == 0
    found = {one["method"]: one for one in json.loads(capsys.readouterr().out)["methods"]}
    assert found["model"]["rows"] == 400 and 1 <= found["model"]["flagged"] <= 12
    with (out / "methods.csv").open() as file:
        rows = [one for one in csv.DictReader(file) if one["method"] == "model"]
    worst = max(rows, key=lambda one: float(one["score"]))
    assert (worst["endpoint"], worst["is_anomaly"]) == ("/pay", "true")
    assert sum(one["is_anomaly"] == "true" for one in rows) == found["model"]["flagged"]
    assert main(["detect", str(new), "--out", str(out), "--scorer", str(model)]) == 0
    assert "model" in capsys.readouterr().out
    change(version=0)(model)
    assert main(["detect", str(new), "--out", str(out), "--scorer", str(model)]) == 2
    assert "train it again with mad train" in capsys.readouterr().err
    assert main(["train", str(usual), "--out", str(model), "--contamination", "2"]) == 2
    assert "contamination" in capsys.readouterr().err
    empty = tmp_path / "empty.csv"
    empty.write_text("timestamp,service,endpoint,status_code,latency_ms\n")
    assert main(["train", str(empty), "--out", str(model)]) != 0


def test_the_largest_latencies_can_be_learnt(tmp_path: Path) -> None:
    table = requests(minutes=30)
    table["latency_ms"][::7] = [1.7e308] * len(table["latency_ms"][::7])
    model = mad.Model.train(mad.detect(table).features)
    model.save(tmp_path)
    assert np.isfinite(model.std).all() and (model.std > 0.0).all()
    loaded = mad.Model.load(tmp_path)
    rows_again = mad.detect(table).features
    assert loaded.judge(rows_again)[0].tolist() == model.judge(rows_again)[0].tolist()
