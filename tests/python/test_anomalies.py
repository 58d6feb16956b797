"""Flagged values as documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import mad
import mad.simulate
from mad.severity import FOUR_LEVELS


def found(system: str, folder: Path, **settings: Any) -> tuple[mad.Report, list[dict[str, Any]]]:
    mad.simulate.world(system, seed=7, **settings).write(folder)
    report = mad.detect(folder)
    documents = mad.anomalies(report)
    assert json.loads(json.dumps(documents, allow_nan=False)) == documents
    assert [one["timestamp"] for one in documents] == sorted(one["timestamp"] for one in documents)
    return report, documents


def test_every_flagged_point_has_a_document(tmp_path: Path) -> None:
    report, documents = found("melt", tmp_path, duration=36_000)
    points = report.scored_metrics
    assert len(documents) == sum(points["is_anomaly"]) + sum(report.scored["is_anomaly"]) > 10
    for one in documents:
        details = one["anomaly_details"]
        low, high = details["expected_range"]
        outside = (high is not None and details["value"] > high) or (
            low is not None and details["value"] < low
        )
        assert outside and details["anomaly_type"] == "spike"
        assert 0.5 <= details["confidence"] <= 1.0 and details["severity"] == "high"
        assert one["component"] == "metric" and one["feature"] in ("cpu", "response_time_ms")
    alone = [one for one in documents if one["incident"] is None]
    assert alone and all(f"{one['feature']} was" in one["explanation"] for one in alone)


def test_values_of_an_incident_share_its_causes(tmp_path: Path) -> None:
    report, documents = found("aiops", tmp_path, traces=2_700, duration=5_400)
    (incident,) = report.incidents
    explanation = report.explain(incident)
    within = [one for one in documents if one["incident"] == incident.id]
    assert len(within) > 10 and all(one["component"] == "request" for one in within)
    levels = {one["anomaly_details"]["severity"] for one in within}
    assert FOUR_LEVELS[incident.severity] in levels <= set(FOUR_LEVELS.values())
    for one in within:
        assert one["explanation"] == explanation.summary
        assert one["root_cause_analysis"]["suggested_causes"] == explanation.likely_causes
    others = within[0]["root_cause_analysis"]["correlated_anomalies"]
    scores = [one["correlation_score"] for one in others]
    assert scores == sorted(scores, reverse=True) and 0.0 < scores[0] <= 1.0
    assert {"checkout", "payment"} >= {one["service"] for one in others}


@pytest.mark.parametrize("kind", ["requests", "metrics"])
def test_nothing_flagged_gives_no_documents(kind: str) -> None:
    columns = {
        "requests": {"endpoint": ["/"], "status_code": [200], "latency_ms": [1.0]},
        "metrics": {"metric": ["cpu"], "value": [1.0]},
    }[kind]
    table = {"timestamp": ["2026-01-06T10:00:00Z"], "service": ["shop"], **columns}
    assert mad.anomalies(mad.detect(**{kind: table})) == []
