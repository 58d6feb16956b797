"""Simulated systems as files, and what a run reads of them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

import mad.simulate
from mad.cli import main

SYSTEMS = {
    "shop": {"rows": 2_000},
    "melt": {"duration": 3_600, "services": 4},
    "api": {"duration": 3_600, "anomalies": 5},
    "radar": {"duration": 600, "warm_up": 300, "scenario": "saturation"},
    "aiops": {"traces": 100, "scenario": "silent-inventory"},
}
KINDS = {"metrics.csv": "metrics", "logs.csv": "logs", "changes.csv": "changes"}


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_seed_gives_the_same_world_and_every_record_is_accepted(
    system: str, tmp_path: Path
) -> None:
    one, same, other = (
        mad.simulate.world(system, seed=seed, **SYSTEMS[system]) for seed in (3, 3, 4)
    )
    assert one == same
    assert one.files != other.files
    for path in one.write(tmp_path):
        assert path.read_bytes() == one.files.get(path.name, one.truth_json.encode())
    report = mad.detect(tmp_path)
    assert report.rejected["total"] == 0
    read = {kind: count["records"] for kind, count in report.read.items() if count["records"]}
    assert read == {name.partition(".")[0]: len(rows(one.files[name])) for name in one.files}


def test_labels_of_records_and_truth_agree() -> None:
    made = mad.simulate.world("melt", duration=7_200, seed=5)
    for name, kind in (("metrics.csv", "metric"), ("logs.csv", "log"), ("changes.csv", "event")):
        labelled = [row for row in rows(made.files[name]) if row["is_anomaly"] == "true"]
        of_kind = [one for one in made.truth if one["kind"] == kind]
        assert len(labelled) == len(of_kind) > 0
        starts = [one["start"].removesuffix("Z") for one in of_kind]
        assert sorted(row["timestamp"][:19] for row in labelled) == sorted(starts)
    without = mad.simulate.world("melt", duration=7_200, seed=5, labels=False)
    assert all(b"is_anomaly" not in content for content in without.files.values())


def test_the_command_writes_what_the_function_gives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--system", "melt", "--services", "2", "--duration", "1h", "--interval", "30s"]
    start = "2026-02-03T04:05:06Z"
    out = str(tmp_path / "melt")
    assert main(["simulate", "--out", out, *arguments, "--seed", "9", "--start", start]) == 0
    assert "more in truth.json" in capsys.readouterr().out
    made = mad.simulate.world("melt", services=2, duration=3600, interval=30, start=start, seed=9)
    for name, content in made.files.items():
        assert (tmp_path / "melt" / name).read_bytes() == content
    assert json.loads((tmp_path / "melt/truth.json").read_text()) == made.truth
    assert rows(made.files["logs.csv"])[0]["timestamp"].startswith("2026-02-03T04:05:06")
    assert len(rows(made.files["logs.csv"])) == 2 * 120


def test_a_pattern_adds_no_anomalous_requests(tmp_path: Path) -> None:
    assert main(["simulate", "--out", str(tmp_path), "--pattern", "high_latency"]) == 0
    (truth,) = json.loads((tmp_path / "truth.json").read_text())
    assert (truth["service"], truth["endpoint"], truth["kind"]) == (
        "service-b",
        "/ping",
        "high_latency",
    )
    report = mad.detect(tmp_path / "requests.csv")
    assert report.incidents, "latencies rise twentyfold"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--system", "melt", "--rows", "5"], "--rows is not for --system melt"),
        (["--system", "melt", "--rate", "5"], "--rate needs --live URL"),
        (["--system", "melt", "--interval", "2d"], "interval_seconds"),
        (["--system", "api", "--interval", "2s"], "--interval is not for --system api"),
        (["--system", "api", "--anomalies", "211"], "0 to 210"),
        (["--system", "api", "--pattern", "wave"], "one of normal, high_traffic"),
        (["--system", "radar", "--scenario", "wave"], "one of calm, drift, saturation"),
        (["--system", "radar", "--warm-up", "90s"], "whole minutes"),
        (["--system", "aiops", "--error-rate", "2"], "error_rate"),
        (["--pattern", "burst", "--system", "shop"], "--pattern is not for --system shop"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "--out", str(tmp_path / "x"), *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x" / "truth.json").exists()


def test_settings_of_another_system_are_refused() -> None:
    settings: dict[str, Any] = {"services": 3}
    with pytest.raises(ValueError, match="services is no setting of api"):
        mad.simulate.world("api", **settings)
    with pytest.raises(ValueError, match="expected one of shop, melt"):
        mad.simulate.world("sun")
    with pytest.raises(ValueError, match="time zone"):
        mad.simulate.world("melt", start="2026-02-03T04:05:06")


def test_a_shop_beyond_the_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 20,000,000"):
        mad.simulate.world("shop", rows=1_000_000_000)
