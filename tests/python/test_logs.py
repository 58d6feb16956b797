"""Log lines in detection: files, tables and streams; error budgets and call chains in Python."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kind_tables import START, to_csv
from table_kinds import content

import mad
from mad.cli import main

Columns = dict[str, list[Any]]


def lines() -> Columns:
    """Three hours of two services; `cart` writes errors from 02:00 to 02:05."""
    columns: Columns = {name: [] for name in ("timestamp", "service", "level", "body")}
    for second in range(0, 10_800, 6):
        burst = 7_200 <= second < 7_500
        for service in ("cart", "mail"):
            words = ["INFO", "error"] if burst and service == "cart" else ["INFO"]
            for level in words:
                columns["timestamp"].append(START + timedelta(seconds=second))
                columns["service"].append(service)
                columns["level"].append(level)
                columns["body"].append("card refused")
    return columns


def requests(service: str = "cart") -> Columns:
    """The same three hours of requests, a third of which fail in the five minutes."""
    names = ("timestamp", "service", "endpoint", "status_code", "latency_ms")
    columns: Columns = {name: [] for name in names}
    for second in range(0, 10_800, 3):
        bad = 7_200 <= second < 7_500 and second % 9 == 0
        columns["timestamp"].append(START + timedelta(seconds=second))
        columns["service"].append(service)
        columns["endpoint"].append("/add")
        columns["status_code"].append(500 if bad else 200)
        columns["latency_ms"].append(40.0 + second % 41)
    return columns


def column(table: mad.Table, name: str) -> list[Any]:
    return list(content(table)[name])


def result(incidents: list[mad.Incident]) -> list[str]:
    return [incident.to_json() for incident in incidents]


def test_a_burst_of_errors_is_an_explained_incident() -> None:
    report = mad.detect(logs=lines())
    (incident,) = report.incidents
    assert (incident.service, incident.endpoint) == ("cart", "")
    assert incident.signals == ["log_errors"]
    assert incident.start == START + timedelta(hours=2)
    assert incident.slo is None
    summary = report.explain(incident).summary
    assert "number of error lines reached 10 (usual 0)" in summary
    rows = zip(column(report.scored, "metric"), column(report.scored, "is_anomaly"), strict=True)
    assert {metric for metric, flagged in rows if flagged} == {"log_errors"}


def test_a_stream_and_a_batch_give_the_same() -> None:
    pipeline = mad.Pipeline()
    columns = lines()
    half = len(columns["body"]) // 2
    pieces = [{name: values[:half] for name, values in columns.items()}]
    pieces.append({name: values[half:] for name, values in columns.items()})
    changes = []
    for piece in pieces:
        update = pipeline.ingest(piece, kind="logs")
        changes += [name for name, _ in update.changes]
        pipeline = mad.Pipeline.restore(None, pipeline.checkpoint())
    changes += [name for name, _ in pipeline.finish().changes]
    assert changes[0] == "opened"
    assert result(pipeline.incidents) == result(mad.detect(logs=lines()).incidents)


def test_files_give_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "logs.csv"
    path.write_bytes(to_csv(lines()))
    asked = tmp_path / "requests.csv"
    asked.write_bytes(to_csv(requests("mail")))
    out = tmp_path / "out"
    assert main(["detect", "--logs", str(path), "--out", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [found["signals"] for found in document["incidents"]] == [["log_errors"]]
    assert document["read"]["logs"]["records"] == len(lines()["body"])
    header = (out / "scored.csv").read_text().splitlines()[0]
    assert header.startswith("bucket_ts,service,resource,metric,value")
    page = (out / "report.html").read_text()
    assert "number of error lines was 10" in page
    assert main(["detect", str(asked), "--logs", str(path), "--out", str(out)]) == 0
    assert ",log_errors," in (out / "scored_metrics.csv").read_text()
    both = mad.detect(asked, logs=path)
    assert result(both.incidents) == result(mad.detect(requests("mail"), logs=lines()).incidents)


def test_an_incident_reports_its_share_of_the_error_budget() -> None:
    report = mad.detect(requests())
    (incident,) = report.incidents
    slo = incident.slo
    assert slo is not None
    assert (slo["window_days"], slo["errors"]["objective"]) == (30.0, 0.999)
    assert slo["errors"]["bad"] == incident.errors
    assert slo["errors"]["burn_rate"] == pytest.approx(incident.errors / incident.requests / 0.001)
    explanation = report.explain(incident)
    assert any("of the 30-day error budget" in said for said in explanation.impact)
    assert any("a 30-day error budget lasts" in said for said in explanation.severity_evidence)
    strict = mad.detect(requests(), config={"override": [{"error_objective": 0.9}]})
    assert (strict.incidents[0].slo or {})["errors"]["objective"] == 0.9
    with pytest.raises(ValueError, match=r"slo\.latency_objective"):
        mad.detect(requests(), config={"slo": {"latency_objective": 1.0}})


def test_an_incident_reports_how_it_spread() -> None:
    report = mad.detect(requests(), logs=lines())
    (incident,) = report.incidents
    chain = json.loads(incident.to_json())["chain"]
    assert [link["service"] for link in chain] == ["cart", "cart"]
    assert chain[1]["tie"] == "same_service"
    said = report.explain(incident).chain
    assert len(said) == 2
    assert "number of error lines was" in said[0] + said[1]
