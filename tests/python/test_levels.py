"""Levels that become normal: by waiting and by command, announced wherever results are shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from service import Server

import mad
from mad.cli import main


def requests(minutes: range, failing: bool = False, ms: float = 20.0) -> list[dict[str, Any]]:
    def one(minute: int, k: int) -> dict[str, Any]:
        status = 503 if failing and k % 4 == 0 else 200
        moment = (
            f"2026-01-{6 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}:{3 * k:02}Z"
        )
        return {
            "timestamp": moment,
            "service": "standby",
            "endpoint": "/ready",
            "status_code": status,
            "latency_ms": ms + (minute * 7 + k * 3) % 5,
        }

    return [one(minute, k) for minute in minutes for k in range(20)]


def settled() -> list[dict[str, Any]]:
    """A latency that a deploy raised by 16 ms, for six hours."""
    return requests(range(180)) + requests(range(180, 540), ms=36.0)


def test_a_stable_level_is_announced_by_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in settled()))
    out = ["--out", str(tmp_path / "out"), "--no-report"]
    assert main(["detect", str(path), *out]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "New level: standby /ready: median latency 38 ms is normal from" in said
    assert "because it has been stable since 2026-01-06T03:0" in said
    assert main(["detect", str(path), *out, "--json"]) == 0
    levels = json.loads(capsys.readouterr().out)["levels"]
    assert {level["signal"] for level in levels} <= {"p50_latency_ms", "p95_latency_ms"}
    assert all(not level["by_command"] for level in levels) and levels
    report = mad.detect(settled())
    assert json.loads(report.document())["levels"] == levels
    report.to_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "New levels" in page and f"<li>{levels[0]['text']}</li>" in page


def test_a_command_accepts_errors_in_a_saved_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, rest = tmp_path / "first.jsonl", tmp_path / "rest.jsonl"
    lines = [requests(range(120)) + requests(range(120, 200), failing=True)]
    lines.append(requests(range(200, 300), failing=True))
    for path, records in zip((first, rest), lines, strict=True):
        path.write_text("".join(json.dumps(one) + "\n" for one in records))
    state, out = str(tmp_path / "state"), ["--out", str(tmp_path / "out"), "--no-report"]
    assert main(["detect", str(first), "--save", state, *out]) == 0
    capsys.readouterr()
    asked = ["accept", state, "--service", "standby", "--signal", "error_rate"]
    assert main([*asked, "--json"]) == 0
    (level,) = json.loads(capsys.readouterr().out)["levels"]
    assert level["by_command"] and level["level"] == pytest.approx(0.25)
    assert "error rate 25 % is normal" in level["text"]
    assert main(asked) == 2
    assert "has been anomalous for long enough" in capsys.readouterr().err
    assert main(["detect", str(rest), "--resume", state, *out, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert all(one["status"] != "open" for one in document["incidents"])
    assert main(["accept", str(first), "--service", "standby"]) == 2
    assert "give a file that --save wrote" in capsys.readouterr().err


def test_the_service_accepts_and_announces_levels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(tmp_path)
    try:
        records = requests(range(120)) + requests(range(120, 200), failing=True)
        for start in range(0, len(records), 1_000):
            server.post("/v1/ingest/requests", records[start : start + 1_000])
        assert main(["accept", server.url, "--service", "none"]) == 2
        assert "no signal of service = `none`" in capsys.readouterr().err
        assert main(["accept", server.url, "--service", "standby", "--signal", "error_*"]) == 0
        assert "standby /ready: error rate 25 % is normal" in capsys.readouterr().out
        meant = {"service": "standby", "signal": "error_rate"}
        assert server.send("/v1/levels/accept", meant).status_code == 404
        actions = [one["action"] for one in server.get("/v1/query/audit")["data"]]
        assert "accept_level" in actions
        with server.http.stream("GET", "/v1/stream", headers={"Last-Event-ID": "0.0"}) as events:
            event = ""
            for line in events.iter_lines():
                if line.startswith("event: "):
                    event = line
                elif event == "event: level" and line.startswith("data: "):
                    level = json.loads(line[6:])
                    break
        assert (level["change"], level["signal"]) == ("level_accepted", "error_rate")
        assert level["by_command"] and level["before"] < 0.02
    finally:
        server.stop()
