"""The command line as users run it, on the real core."""

from __future__ import annotations

import gzip
import html
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mad import errors

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def command() -> Run:
    """Runs `mad` as users do, on the real core."""

    def run(*argv: object, given: str | None = None) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "mad.cli", *map(str, argv)]
        return subprocess.run(
            line, capture_output=True, text=True, input=given, encoding="utf-8", check=False
        )

    return run


@pytest.fixture(scope="module")
def demo(command: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A demo's directory and what it printed."""
    out = tmp_path_factory.mktemp("demo")
    done = command("demo", "--out", out)
    assert done.returncode == errors.FINE, done.stdout + done.stderr
    yield out, done.stdout


def test_the_demo_finds_its_incident_and_the_culprit(demo: tuple[Path, str]) -> None:
    out, printed = demo
    assert "Correct: payments /pay was named as the culprit" in printed
    assert str(out / "report.html") in printed
    names = {
        "features.csv",
        "scored.csv",
        "scored_metrics.csv",
        "services.csv",
        "incidents.json",
        "culprits.json",
        "report.html",
    }
    inputs = {"requests.csv", "logs.csv", "truth.json"}
    assert {path.name for path in out.iterdir()} == names | inputs
    (incident,) = json.loads((out / "incidents.json").read_text())["incidents"]
    (evidence,) = incident["explanation"]["log_evidence"]
    assert evidence.startswith("Log of payments") and "`slow answer of <*> ms" in evidence
    assert html.escape(evidence) in (out / "report.html").read_text(encoding="utf-8")
    assert "payments /pay" in (out / "report.html").read_text(encoding="utf-8")
    header = (out / "scored.csv").read_text().splitlines()[0]
    assert header.startswith("bucket_ts,service,endpoint,req_count,error_count,error_rate")


def outputs_of(out: Path) -> dict[str, Any]:
    return {name: (out / name).read_bytes() for name in ("features.csv", "scored.csv")} | {
        "incidents": json.loads((out / "incidents.json").read_text(encoding="utf-8"))
    }


def test_compression_piece_size_and_pipes_change_nothing(
    command: Run, demo: tuple[Path, str], tmp_path: Path
) -> None:
    source = demo[0] / "requests.csv"
    packed = tmp_path / "requests"
    data = source.read_bytes()
    packed.write_bytes(gzip.compress(data[:100_000]) + gzip.compress(data[100_000:]))
    runs: list[tuple[list[object], str | None]] = [
        ([source], None),
        ([source, "--batch-size", "4096"], None),
        ([packed], None),
        (["-"], data.decode()),
    ]
    for index, (argv, given) in enumerate(runs):
        out = tmp_path / str(index)
        done = command("detect", *argv, "--out", out, given=given)
        assert done.returncode == errors.FINE, done.stderr
        assert outputs_of(out) == outputs_of(tmp_path / "0")


def test_sorted_files_are_merged_by_time(
    command: Run, demo: tuple[Path, str], tmp_path: Path
) -> None:
    header, *lines = (demo[0] / "requests.csv").read_text().splitlines(keepends=True)
    for name, part in (("a.csv", lines[::2]), ("b.csv", lines[1::2])):
        (tmp_path / name).write_text(header + "".join(part))
    out = tmp_path / "out"
    done = command("detect", tmp_path / "a.csv", tmp_path / "b.csv", "--out", out)
    assert done.returncode == errors.FINE, done.stderr
    assert outputs_of(out)["scored.csv"] == outputs_of(demo[0])["scored.csv"]


def test_files_out_of_order_are_sorted(
    command: Run, demo: tuple[Path, str], tmp_path: Path
) -> None:
    header, *lines = (demo[0] / "requests.csv").read_text().splitlines(keepends=True)
    shuffled = tmp_path / "late.csv"
    shuffled.write_text(header + "".join(lines[5000:] + lines[:5000]))
    out = tmp_path / "out"
    done = command("detect", shuffled, "--out", out)
    assert done.returncode == errors.FINE, done.stderr
    assert "sorting in memory" in done.stderr
    assert outputs_of(out)["scored.csv"] == outputs_of(demo[0])["scored.csv"]


def test_fail_on_and_reference(command: Run, demo: tuple[Path, str], tmp_path: Path) -> None:
    source = demo[0] / "requests.csv"
    gated = command("detect", source, "--out", tmp_path / "a", "--fail-on", "critical")
    assert gated.returncode == errors.FAILED
    plain = command("detect", source, "--out", tmp_path / "b", "--mode", "reference", "--json")
    assert plain.returncode == errors.FINE, plain.stderr
    assert json.loads(plain.stdout)["mode"] == "reference"


def test_wrong_columns_exit_with_3(command: Run, tmp_path: Path) -> None:
    path = tmp_path / "wrong.csv"
    path.write_text("a,b\n1,2\n")
    done = command("detect", path, "--out", tmp_path / "out")
    assert done.returncode == errors.INPUT
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr


def test_the_output_of_detect_can_be_queried(command: Run, demo: tuple[Path, str]) -> None:
    out = demo[0]
    explained = command("explain", out)
    assert explained.returncode == errors.FINE, explained.stderr
    assert "Culprit: payments /pay" in explained.stdout
    judged = command("evaluate", out, "--truth", out / "truth.json", "--json")
    assert judged.returncode == errors.FINE, judged.stderr
    assert isinstance(json.loads(judged.stdout), dict)
    truth = json.loads((out / "truth.json").read_text())
    listed = truth if isinstance(truth, list) else truth["incidents"]
    ranked = command("culprits", out, "--at", listed[0]["end"], "--json")
    assert ranked.returncode == errors.FINE, ranked.stderr
    first = json.loads(ranked.stdout)["culprits"][0]
    assert (first["service"], first["endpoint"]) == ("payments", "/pay")


def test_simulations_repeat_to_the_byte(command: Run, tmp_path: Path) -> None:
    argv = ["--rows", 2000, "--duration", "30m", "--start", "2026-01-06T10:00:00Z", "--seed", 7]
    written = []
    for name in ("a", "b"):
        done = command("simulate", "--out", tmp_path / name, *argv)
        assert done.returncode == errors.FINE, done.stderr
        paths = sorted((tmp_path / name).iterdir())
        assert [path.name for path in paths] == ["requests.csv", "truth.json"]
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]
    assert written[0][0].count(b"\n") == 2001
    quiet = command("simulate", "--out", tmp_path / "q", *argv, "--incident", "none", "--json")
    assert json.loads(quiet.stdout)["incidents"] == []
    wrong = command("simulate", "--out", tmp_path / "w", *argv, "--incident", "nonsense")
    assert wrong.returncode == errors.USAGE
    assert "Traceback" not in wrong.stderr


def test_the_reference_report_counts_requests_and_rows(
    command: Run, demo: tuple[Path, str], tmp_path: Path
) -> None:
    done = command(
        "detect", demo[0] / "requests.csv", "--mode", "reference", "--out", tmp_path, "--json"
    )
    document = json.loads(done.stdout)
    assert document["entities"] == 12
    assert len(document["timeline"]) == 12
    assert sum(lane["rows"] for lane in document["timeline"]) == document["rows"]
