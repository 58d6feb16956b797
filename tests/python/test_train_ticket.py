"""The Train Ticket example: on a generated trace always, on the recorded data where it exists."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONVERTER = ROOT / "examples" / "train_ticket.py"
COMPARISON = ROOT / "examples" / "train_ticket_faults.py"
SETTINGS = ROOT / "examples" / "train_ticket.json"
START_NS = 1_674_981_768_697_000_000  # 2023-01-29T08:42:48.697Z
SPANS = "TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano,Duration"
LOGS = "Timestamp,TimeUnixNano,Node,PodName,Container,TraceID,SpanID,Log"
GATEWAY, TRAVEL, FOOD = (
    "ts-gateway-service-6f6-h5",
    "ts-travel-service-64-25",
    "ts-food-service-9-z",
)


def run(*command: object) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def write(path: Path, header: str, rows: list[list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])


def span(name: str, parent: str, pod: str, operation: str, at_ms: int, us: int) -> list[object]:
    start = START_NS + at_ms * 1_000_000
    return ["trace", name, parent, pod, operation, start, start + us * 1000 + 17, us]


def traces(data: Path) -> None:
    """Two minutes of one day: a trace over two files, a duplicate span, an error, a bad row."""
    day = data / "rca_data" / "2023-01-29"
    repeated = span("b", "inner", TRAVEL, "/trips/{id}", 3, 2_000)
    first = [
        span("a", "root", GATEWAY, "/*", 0, 12_345),
        span("inner", "a", GATEWAY, "HTTP GET", 1, 9_000),
        span("work", "b", TRAVEL, "TripController.get", 4, 1_000),
        repeated,
    ]
    second: list[list[object]] = [
        repeated,
        span("c", "work", FOOD, "food process", 5, 500),
        span("d", "lost", FOOD, "/foods", 90_000, 1),
        span("e", "lost", FOOD, "SELECT food", 90_000, 1),
        ["trace", "f", "root", GATEWAY, "/*", "", "", "none"],
    ]
    write(day / "trace" / "08_43_trace.csv.gz", SPANS, first)
    write(day / "trace" / "08_44_trace.csv.gz", SPANS, second)
    line = '{{"log":"16:42:48.701 {}  t.s.TripImpl#1 TraceID: trace SpanID: {} [no ERROR ]\\n"}}'
    logs: list[list[object]] = [
        ["", -1, "", TRAVEL, "", "trace", "work", line.format("ERROR", "work")],
        ["", -1, "", GATEWAY, "", "trace", "inner", line.format("INFO", "inner")],
        ["", -1, "", FOOD, "", "trace", "unknown", line.format("ERROR", "unknown")],
    ]
    write(day / "log" / "08_43_log.csv.gz", LOGS, logs)


def test_server_spans_become_requests(tmp_path: Path) -> None:
    traces(tmp_path)
    out = tmp_path / "requests.csv"
    said = run(CONVERTER, tmp_path, out, "--day", "2023-01-29")
    assert "5 requests (2 failed, 1 repeated) of 8 spans and 2 error lines in 3 files" in said
    assert "1 spans could not be read" in said
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [tuple(row.values())[:6] for row in rows] == [
        ("2023-01-29T08:42:48.697Z", "ts-gateway-service", "/*", "200", "12.345", "a"),
        ("2023-01-29T08:42:48.700Z", "ts-travel-service", "/trips/{id}", "500", "2.000", "b"),
        ("2023-01-29T08:42:48.700Z", "ts-travel-service", "/trips/{id}", "500", "2.000", "b"),
        ("2023-01-29T08:42:48.702Z", "ts-food-service", "food process", "200", "0.500", "c"),
        ("2023-01-29T08:44:18.697Z", "ts-food-service", "/foods", "200", "0.001", "d"),
    ]
    run("-m", "mad.cli", "detect", out, "--out", tmp_path / "out", "--config", SETTINGS)
    result = run("-m", "mad.cli", "detect", out, "--out", tmp_path / "out", "--json")
    counts = json.loads(result)
    assert (counts["requests"], counts["errors"]) == (4, 1)
    assert counts["rejected"]["counts"] == {"duplicate": 1}


def test_without_logs_every_request_succeeds(tmp_path: Path) -> None:
    traces(tmp_path)
    said = run(CONVERTER, tmp_path, tmp_path / "requests.csv", "--no-logs")
    assert "5 requests (0 failed, 1 repeated)" in said


def test_a_folder_without_traces_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(CONVERTER), str(tmp_path), str(tmp_path / "out.csv")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "no traces below" in done.stdout


def recorded() -> Path | None:
    """The recorded data, below the folder that `DATA` names."""
    place = Path(os.environ.get("DATA") or "no-such-folder")
    for folder in (place, place / "rca" / "nezha_tt"):
        if (folder / "rca_data").is_dir():
            return folder
    return None


def test_recorded_faults_are_found_as_documented(tmp_path: Path) -> None:
    data = recorded()
    if data is None:
        warnings.warn("no Train Ticket data (DATA=DIR): only the made-up trace", stacklevel=1)
        return
    out = tmp_path / "requests.csv"
    said = run(CONVERTER, data, out)
    assert "61,388 requests (1,223 failed, 868 repeated) of 357,408 spans" in said
    run("-m", "mad.cli", "detect", out, "--out", tmp_path / "out", "--config", SETTINGS)
    assert (tmp_path / "out" / "report.html").stat().st_size > 100_000
    table = run(COMPARISON, data, tmp_path / "out")
    last = table.splitlines()[-1]
    found, blamed = int(last.split()[2]), int(last.split(", ")[1].split()[0])
    assert found >= 8, table
    assert blamed >= 6, table
