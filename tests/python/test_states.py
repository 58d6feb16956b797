"""The states of all entities, and the reason why a row was flagged or not."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from table_kinds import UTC, Columns, content, shop, to_csv

import mad
from mad.report import render_html, summary

START = datetime(2026, 1, 6, 10, tzinfo=UTC)
COLUMNS = [
    "service",
    "endpoint",
    "metric",
    "state",
    "reason",
    "points",
    "since",
    "last_seen",
    "score",
    "ready_at",
]


@pytest.fixture(scope="module")
def report() -> mad.Report:
    """The shop, with an incident of payments /pay from 10:45 to 10:54."""
    return mad.detect(shop())


def metrics(minutes: int = 60) -> Columns:
    """Two metrics of one service, one of a resource; the newest cpu is far out."""
    at = [START + timedelta(minutes=i) for i in range(minutes)]
    cpu = [10.0 + i * 37 % 11 / 10 for i in range(minutes - 1)] + [95.0]
    return {
        "timestamp": at + at,
        "service": ["db"] * (2 * minutes),
        "resource": ["node 1"] * minutes + [""] * minutes,
        "metric": ["cpu"] * minutes + ["queue"] * minutes,
        "value": cpu + [5.0 + i * 53 % 17 / 10 for i in range(minutes)],
    }


def test_states_are_a_table(report: mad.Report) -> None:
    states = report.states
    assert states.column_names == COLUMNS
    entities = set(zip(states["service"], states["endpoint"], strict=True))
    assert len(states) == len(entities) == 16
    services = {(service, "") for service in ("auth", "catalog", "checkout", "payments")}
    assert {entity for entity in entities if not entity[1]} == services
    assert set(states["state"]) == {"normal"}
    assert set(content(states)["ready_at"]) == {None}, "all have a baseline"
    assert all(reason.endswith(", flagged from 0.5 on") for reason in states["reason"])
    of = dict(zip(states["endpoint"], content(states)["since"], strict=True))
    after = report.incidents[0].end.timestamp()
    assert of["/pay"] == int(after) * 10**9, "normal since its incident was over"
    assert min(of.values()) == int((START + timedelta(minutes=20)).timestamp()) * 10**9


@pytest.mark.parametrize("size", [1, 700, 5000])
def test_a_batch_is_the_stream(report: mad.Report, size: int) -> None:
    pipeline = mad.Pipeline()
    rows = len(shop()["timestamp"])
    for start, end in itertools.pairwise([*range(0, rows, max(size, 100)), rows]):
        pipeline.ingest({name: values[start:end] for name, values in shop().items()})
    live = pipeline.states()
    assert set(live["state"]) == {"normal"}
    pipeline.finish()
    assert content(pipeline.states()) == content(report.states)
    restored = mad.Pipeline.restore(None, pipeline.checkpoint())
    assert content(restored.states()) == content(report.states)


def test_a_stream_reports_its_open_steps() -> None:
    pipeline = mad.Pipeline({"guard": {"min_requests": 1000}})
    assert len(pipeline.states()) == 0
    columns = shop()
    pipeline.ingest({name: values[:400] for name, values in columns.items()})
    assert set(pipeline.states()["state"]) == {"unknown"}
    assert all("guard.warm_up_minutes" in reason for reason in pipeline.states()["reason"])
    assert None not in content(pipeline.states())["ready_at"]
    pipeline.ingest({name: values[400:] for name, values in columns.items()})
    assert set(pipeline.states()["state"]) == {"too_few_requests"}
    assert all("1,000 (guard.min_requests)" in reason for reason in pipeline.states()["reason"])
    pipeline.advance(datetime(2026, 1, 6, 13, tzinfo=UTC))
    assert set(pipeline.states()["state"]) == {"silent"}


def test_a_mute_is_reported_with_its_end() -> None:
    mute = {"service": "payments", "to": "2026-01-07T00:00:00Z"}
    states = mad.detect(shop(), config={"mute": [mute]}).states
    result = {
        (service, state, reason if state == "muted" else "")
        for service, state, reason in zip(
            states["service"], states["state"], states["reason"], strict=True
        )
    }
    assert ("payments", "muted", "muted until 2026-01-07 00:00 UTC") in result
    assert ("auth", "normal", "") in result


def test_why_a_row_was_flagged_and_why_not(report: mad.Report) -> None:
    incident = report.incidents[0]
    flagged = report.why("payments", "/pay", incident.start)
    assert flagged.startswith("payments /pay, 2026-01-06 10:45 UTC: flagged, ")
    assert flagged.endswith(f"Part of incident {incident.id}.")
    within = report.why("payments", "/pay", incident.start + timedelta(seconds=59))
    assert within == flagged
    assert "not flagged" in report.why("payments", "/pay")
    early = report.why("payments", "/pay", START + timedelta(minutes=3))
    assert "warming up until 2026-01-06 10:15 UTC" in early
    before = report.why("payments", "/pay", START - timedelta(days=1))
    assert "nothing was seen by 2026-01-05" in before
    after = report.why("payments", "/pay", START + timedelta(days=1))
    assert after.startswith("No requests at 2026-01-07T10:00:00Z; the row before: payments /pay")


def test_every_row_is_answered_by_its_own_verdict(report: mad.Report) -> None:
    scored = content(report.scored)
    rows = zip(
        scored["bucket_ts"],
        scored["service"],
        scored["endpoint"],
        scored["is_anomaly"],
        scored["reason"],
        strict=True,
    )
    for nanos, service, endpoint, flagged, reason in rows:
        at = datetime.fromtimestamp(int(nanos) / 1e9, UTC)
        result = report.why(service, endpoint, at)
        assert result.startswith(f"{service} {endpoint}, {at:%Y-%m-%d %H:%M} UTC: ")
        assert (": flagged, " in result) == flagged
        assert ("guard.warm_up_minutes" in result) == (reason == "warm_up")
        assert ("guard.min_points" in result) == (reason == "too_few_points")


def test_metrics_are_reported_without_requests() -> None:
    report = mad.detect_metrics(metrics())
    states = content(report.states)
    assert states["metric"] == ["cpu", "queue"]
    assert states["endpoint"] == ["node 1", ""]
    assert states["state"] == ["anomalous", "normal"]
    assert report.why("db", "node 1").startswith("db node 1 cpu, 2026-01-06 10:59 UTC: flagged, ")
    assert "not flagged" in report.why("db", metric="queue")
    assert "request" not in "".join(states["reason"]) + report.why("db")
    with pytest.raises(KeyError, match="with the metric"):
        report.why("db", metric="cpu")


def test_a_wrong_name_lists_the_right_ones(report: mad.Report) -> None:
    with pytest.raises(KeyError, match=r"payments.*/pay"):
        report.why("payments", "/nope")
    with pytest.raises(KeyError, match="there are"):
        report.why("nope")
    with pytest.raises(ValueError, match="no time zone"):
        report.why("payments", "/pay", datetime(2026, 1, 6))


def run(*argv: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mad.cli", *map(str, argv)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mad detect wrote of requests and metrics."""
    folder = tmp_path_factory.mktemp("states")
    (folder / "requests.csv").write_bytes(to_csv(shop()))
    (folder / "metrics.csv").write_bytes(to_csv(metrics()))
    argv = ("detect", folder / "requests.csv", "--metrics", folder / "metrics.csv")
    done = run(*argv, "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_command_reports_the_same(out: Path, report: mad.Report) -> None:
    listed = json.loads((out / "incidents.json").read_text(encoding="utf-8"))["states"]
    assert {state["service"] for state in listed} >= {"payments", "db", "auth"}
    done = run("explain", out, "--service", "payments", "--endpoint", "/pay", "--json")
    (state,) = json.loads(done.stdout)["states"]
    place = content(report.states)["endpoint"].index("/pay")
    assert state["reason"] == report.states["reason"][place]
    assert state["state"] == "normal"
    argv = ("explain", out, "--service", "payments", "--endpoint", "/pay", "--at")
    (row,) = json.loads(run(*argv, "2026-01-06T10:46:30Z", "--json").stdout)["states"]
    assert row["is_anomaly"] is True
    assert row["bucket"] == "2026-01-06T10:46:00Z"
    assert f" {row['reason']}, flagged from" in report.why(
        "payments", "/pay", START + timedelta(minutes=46)
    )
    at = run("explain", out, "--service", "db", "--at", "2026-01-06T10:59:00Z")
    assert "cpu 95" in at.stdout
    assert "guard.warm_up_minutes" in run(*argv, "2026-01-06T10:05:00Z").stdout


def test_the_command_refuses_what_it_cannot_answer(out: Path) -> None:
    assert run("explain", out, "--service", "nope").returncode == 3
    assert run("explain", out, "--at", "2026-01-06T10:46:30Z").returncode == 2
    early = run("explain", out, "--service", "payments", "--at", "2020-01-01T00:00:00Z")
    assert early.returncode == 3
    assert "has no matching rows of 'payments'" in early.stderr


def test_the_page_explains_unflagged_entities(out: Path) -> None:
    page = (out / "report.html").read_text(encoding="utf-8")
    assert '<h2 id="unflagged">Entities without an anomaly</h2>' in page
    assert "(of all entities: 16 normal, 2 silent)" in page


def test_a_page_is_bounded_and_names_are_escaped(report: mad.Report) -> None:
    document: dict[str, Any] = json.loads(report.document())
    state = {**document["states"][0], "service": "<script>alert(1)</script>\u202e", "state": "new"}
    document["states"] = [state] * 50
    page = render_html(document)
    assert page.count('data-label="State" class="short">New</td>') == 20
    assert "<script>" not in page
    assert "\u202e" not in page
    document["states"] = [{**state, "state": "anomalous"}]
    assert summary.unflagged(document) == []
    assert "Entities without an anomaly" not in render_html(document)
