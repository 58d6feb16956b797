"""Charts of results: for notebooks, and as files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import mad
from mad import errors, plot
from mad.cli import main
from mad.plot.data import MOST, columns_of, reduced

PNG = b"\x89PNG\r\n"


@pytest.fixture(scope="module")
def report(demo_directory: Path) -> mad.Report:
    return mad.detect(demo_directory / "requests.csv")


def marks(chart: Any) -> list[str]:
    return re.findall(
        r'"type": "(line|point|area|bar|circle|rect|rule|text)"', json.dumps(chart.to_dict())
    )


def test_every_chart_is_drawn(report: mad.Report, tmp_path: Path) -> None:
    incident = report.incidents[0]
    graph = mad.ServiceGraph()
    graph.add({"caller": ["web", "shop"], "callee": ["shop", "payments"]}, kind="edges")
    charts = {
        "latency": plot.latency(report, "payments", "/pay"),
        "errors": plot.errors(report, "payments"),
        "traffic": plot.traffic(report),
        "incident": plot.incident(report, incident),
        "anomalies": plot.anomalies(report),
        "culprits": plot.culprits(report.culprits(incident.end)),
        "map": plot.service_map(graph, ["web", "shop", "payments"]),
        "training": plot.training(report),
        "monitor": plot.monitor(report),
    }
    for name, chart in charts.items():
        assert marks(chart), name
    for name in ("culprits", "map"):
        picture = plot.save(charts[name], tmp_path / f"{name}.svg").read_text()
        assert picture.startswith("<svg") and "payments" in picture
    assert plot.save(charts["latency"], tmp_path / "x.png").read_bytes().startswith(PNG)
    with pytest.raises(errors.UsageError, match="is no picture"):
        plot.save(charts["latency"], tmp_path / "x.pdf")


def test_all_kinds_of_tables_give_the_same_rows(report: mad.Report, demo_directory: Path) -> None:
    wanted = columns_of(report)
    assert sum(wanted["is_anomaly"]) == 9
    for source in (
        report.scored,
        report.scored.to_pandas(),
        report.scored.to_polars(),
        report.scored.to_pyarrow(),
        demo_directory / "scored.csv",
    ):
        found = columns_of(source)
        for name in ("bucket_ts", "service", "is_anomaly", "req_count"):
            assert found[name] == wanted[name], (type(source), name)
    with pytest.raises(ValueError, match="no column bucket_ts"):
        columns_of({"service": [], "endpoint": []})
    with pytest.raises(TypeError):
        columns_of(3)


def test_a_reduction_keeps_anomalies_and_peaks() -> None:
    total = 50_000
    rows = {
        "bucket_ts": [i * 60_000 for i in range(total)],
        "service": ["shop"] * total,
        "endpoint": ["/"] * total,
        "p95_latency_ms": [900.0 if i == 33_333 else 10.0 for i in range(total)],
        "is_anomaly": [i % 1000 == 7 for i in range(total)],
    }
    found = reduced(columns_of(rows))
    assert len(found["bucket_ts"]) <= MOST + 100
    assert sum(found["is_anomaly"]) == 50 and max(found["p95_latency_ms"]) == 900.0


def test_empty_input_and_one_row_give_charts(tmp_path: Path) -> None:
    empty: dict[str, list[Any]] = {"bucket_ts": [], "service": [], "endpoint": []}
    one = {"bucket_ts": ["2026-01-06T10:00:00Z"], "service": ["<b>"], "endpoint": ["x" * 512]}
    for rows in (empty, one):
        for draw in (
            plot.latency,
            plot.errors,
            plot.traffic,
            plot.anomalies,
            plot.training,
            plot.monitor,
        ):
            assert marks(draw(rows))
    plot.save(plot.training(empty), tmp_path / "x.svg")
    plot.save(plot.culprits({}), tmp_path / "x.svg")
    plot.save(plot.service_map({}), tmp_path / "x.svg")


def test_a_wide_range_of_error_rates_does_not_hide_the_line(report: mad.Report) -> None:
    text = json.dumps(plot.incident(report, report.incidents[0]).to_dict(validate=False))
    (rates,) = (one for one in json.loads(text)["vconcat"] if "error rate" in json.dumps(one))
    (rows,) = (one["data"]["values"] for one in rates["layer"] if "y" in str(one["data"]))
    highs = [row["high"] for row in rows if "high" in row and row["high"] is not None]
    assert all(high <= 0.25 for high in highs)


def test_pictures_of_a_directory(demo_directory: Path, tmp_path: Path) -> None:
    out = tmp_path / "pictures"
    assert main(["plot", str(demo_directory), "--out", str(out), "--form", "svg"]) == 0
    names = sorted(path.name for path in out.iterdir())
    assert {"anomalies.svg", "monitor.svg", "training.svg"} <= set(names) and len(names) == 6
    assert main(["plot", str(tmp_path / "nothing"), "--out", str(out)]) == errors.INPUT


def test_notebooks_show_results_with_names_escaped() -> None:
    evil = "<script>alert(1)</script>"
    minutes = [minute for minute in range(120) for _ in range(30)]
    slow = [90 <= minute < 100 for minute in minutes]
    found = mad.detect(
        {
            "timestamp": [f"2026-01-06T{10 + m // 60}:{m % 60:02}:00Z" for m in minutes],
            "service": [evil] * 3600,
            "endpoint": ["/pay"] * 3600,
            "status_code": [200] * 3600,
            "latency_ms": [900.0 if bad else 20.0 + i % 9 for i, bad in enumerate(slow)],
        }
    )
    incident = found.incidents[0]
    for one in (found, incident, found.culprits(incident.end), found.explain(incident)):
        page = one._repr_html_()
        assert "alert(1)" in page and "<script" not in page, type(one)
