"""The metrics of the server: names, bounds, and a real Prometheus with the rules, the dashboard and
the alerts of `deploy`."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from peers import Process, free_port, needed
from service import Server

from mad import errors
from mad.api import exposition
from mad.cli import main
from mad.journal.reader import Reader

PROMETHEUS = "apt-get install -y prometheus"
DEPLOY = Path(__file__).parents[2] / "deploy"
SCRAPER = (
    "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
)
OPEN_UNTIL = "2026-01-06T10:51:00"
"""The incident of the demo is open at this time."""
EMPTY = ("mad_rejected_total",)
"""Metrics that exist only after something went wrong."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with an open incident of payments /pay."""
    directory = tmp_path_factory.mktemp("exposition")
    assert main(["demo", "--out", str(directory / "out"), "--json"]) == errors.FINE
    head, *rows = (directory / "out" / "requests.csv").read_text().splitlines(keepends=True)
    body = head + "".join(row for row in rows if row < OPEN_UNTIL)
    with Server(directory / "data", "--no-ticks") as one:
        headers = {"Content-Type": "text/csv"}
        answer = one.http.post("/v1/ingest/requests", content=body, headers=headers)
        assert answer.json()["rejected"] == 0
        yield one


@pytest.fixture(scope="module")
def prometheus(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A Prometheus that scrapes the server, with the rules of `deploy`."""
    directory, port = tmp_path_factory.mktemp("prometheus"), free_port()
    target = server.url.removeprefix("http://")
    config = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    config = config.replace("mad:8000", target).replace("15s", "1s")
    (directory / "prometheus.yml").write_text(config)
    rules = (DEPLOY / "prometheus" / "mad-rules.yml").read_text().replace("30s", "1s")
    (directory / "mad-rules.yml").write_text(rules)
    one = Process(
        [
            needed("prometheus", PROMETHEUS),
            f"--config.file={directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        port,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
            yield client
    finally:
        one.stop()


def answers(prometheus: httpx.Client, expr: str, seconds: float = 60.0) -> list[Any]:
    """The first answer to a query that is not empty; the last one after `seconds`."""
    found: list[Any] = []
    for _ in range(int(seconds * 4)):
        with contextlib.suppress(httpx.TransportError):
            answer = prometheus.get("/api/v1/query", params={"query": expr}).json()
            assert answer["status"] == "success", (expr, answer)
            found = answer["data"]["result"]
        if found:
            break
        time.sleep(0.25)
    return found


def test_scrapers_and_other_clients_share_a_path(server: Server) -> None:
    text = server.http.get("/metrics", headers={"Accept": SCRAPER})
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "\nmad_score{" in text.text
    for accept in ("*/*", "application/json", "text/html,application/xhtml+xml"):
        rows = server.http.get("/metrics", headers={"Accept": accept}).json()
        assert rows["count"] == len(rows["data"]) > 0
    assert server.http.get("/metrics", headers={"Accept": SCRAPER}).text.startswith("# HELP")


def test_promtool_accepts_the_names(server: Server) -> None:
    text = server.http.get("/metrics/prometheus").content
    checked = subprocess.run(
        [needed("promtool", PROMETHEUS), "check", "metrics"],
        input=text,
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_promtool_accepts_the_names_of_sources_and_sinks(tmp_path: Path) -> None:
    (tmp_path / "requests.jsonl").write_text("")
    settings = tmp_path / "mad.toml"
    settings.write_text(
        f"""
[sources.log]
type = "file"
paths = ["{tmp_path / "requests.jsonl"}"]
kind = "requests"

[sinks.lines]
type = "console"
"""
    )
    with Server(tmp_path / "data", "--config", str(settings)) as one:
        text = one.http.get("/metrics/prometheus").text
    assert '\nmad_source_up{source="log",type="file"} ' in text
    assert '\nmad_sink_dead_letters{sink="lines",type="console"} 0\n' in text
    checked = subprocess.run(
        [needed("promtool", PROMETHEUS), "check", "metrics"],
        input=text,
        capture_output=True,
        check=False,
        text=True,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_incidents_are_counted_and_the_most_severe_are_listed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = server.http.get("/metrics/prometheus").text
    assert '\nmad_incidents{severity="Critical"} 1\n' in text
    (listed,) = [line for line in text.splitlines() if line.startswith("mad_incident_info{")]
    for label in (
        'service="payments"',
        'endpoint="/pay"',
        'severity="Critical"',
        'status="open"',
        'culprit_service="payments"',
        'culprit_endpoint="/pay"',
    ):
        assert label in listed
    assert "\nmad_incident_start_timestamp_seconds{" in text
    monkeypatch.setattr(exposition, "LISTED", 0)
    path = Path(server.said.split("its journal is ")[1].splitlines()[0])
    text = exposition.incident_lines(Reader(path, most_bytes=1 << 20))
    assert 'mad_incidents{severity="Critical"} 1' in text
    assert "mad_incident_info{" not in text


def test_the_alert_of_an_incident_fires(prometheus: httpx.Client) -> None:
    firing = 'ALERTS{alertname="MadIncidentCritical", alertstate="firing"}'
    (alert,) = answers(prometheus, firing)
    assert alert["metric"]["service"] == "payments"
    assert alert["metric"]["severity"] == "critical"
    alerts = prometheus.get("/api/v1/alerts").json()["data"]["alerts"]
    summaries = [one["annotations"]["summary"] for one in alerts]
    assert any(text.startswith("payments /pay: incident INC-") for text in summaries)


def test_bands_have_the_labels_of_anomaly_detection(prometheus: httpx.Client) -> None:
    outside = "anomaly:level > anomaly:upper_band"
    for one in answers(prometheus, outside):
        assert one["metric"]["anomaly_strategy"] == "mad"
    types = answers(prometheus, 'count by (anomaly_type) (anomaly:upper_band{anomaly_name!=""})')
    assert {one["metric"]["anomaly_type"] for one in types} >= {"latency", "errors", "requests"}


def test_every_panel_of_the_dashboard_has_data(prometheus: httpx.Client) -> None:
    board = json.loads((DEPLOY / "grafana" / "mad-dashboard.json").read_text())
    queries = [
        target["expr"]
        for panel in board["panels"]
        for target in (*panel.get("targets", ()), *_inner(panel))
    ]
    assert len(queries) > 20
    for query in queries:
        # $__all of the variables is .*
        expr = query.replace("$service", ".*").replace("$endpoint", ".*")
        found = answers(prometheus, expr, 2.0 if any(name in expr for name in EMPTY) else 60.0)
        assert found or any(name in expr for name in EMPTY), expr
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            series = variable["query"].removeprefix("label_values(").rpartition(",")[0]
            assert answers(prometheus, series.replace("$service", ".*")), variable["name"]


def _inner(panel: dict[str, Any]) -> list[dict[str, Any]]:
    """The queries of the panels in a row."""
    return [target for inner in panel.get("panels", ()) for target in inner.get("targets", ())]


def test_an_annotation_is_one_range(prometheus: httpx.Client) -> None:
    board = json.loads((DEPLOY / "grafana" / "mad-dashboard.json").read_text())
    (annotation,) = board["annotations"]["list"]
    expr = annotation["expr"].replace("$service", ".*").replace("$endpoint", ".*")
    assert answers(prometheus, expr)
    time.sleep(4.0)
    # the clock of Prometheus
    answer = prometheus.get("/api/v1/query", params={"query": "time()"}).json()
    now = float(answer["data"]["result"][1])
    parameters = {"query": expr, "start": now - 3, "end": now, "step": 1}
    answer = prometheus.get("/api/v1/query_range", params=parameters).json()["data"]["result"]
    (series,) = answer
    # Grafana joins neighbouring samples above 0 into one range
    assert [value for _, value in series["values"]] == ["1"] * len(series["values"])
    for field in annotation["titleFormat"], annotation["textFormat"]:
        names = {part.split("}}")[0] for part in field.split("{{")[1:]}
        assert names <= set(series["metric"])


def test_the_alert_rules_of_grafana_have_data(prometheus: httpx.Client) -> None:
    document = json.loads((DEPLOY / "grafana" / "provisioning" / "mad-alerts.json").read_text())
    (group,) = document["groups"]
    for rule in group["rules"]:
        query, threshold = rule["data"]
        assert rule["condition"] == threshold["refId"]
        expr = query["model"]["expr"]
        if "Warning" not in expr:
            assert answers(prometheus, expr), expr
