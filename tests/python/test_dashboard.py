"""The dashboard: over files and over a server, with filters, reasons and replays."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from service import Server, an_hour, lines
from streamlit.testing.v1 import AppTest

from mad import errors
from mad.cli import main
from mad.dashboard import figures
from mad.dashboard.figures import Filters
from mad.dashboard.store import DirectoryStore, ServerStore, open_store
from mad.view import Replay, lines_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGES = (
    "Overview",
    "Incidents",
    "Culprits",
    "Why",
    "Service map",
    "Training and monitor",
    "Replay",
)


def opened(target: Path | str) -> AppTest:
    """The dashboard of a target, run once."""
    script = f"from mad.dashboard.app import main\nmain({str(target)!r})\n"
    return AppTest.from_string(script, default_timeout=60).run()


def page(app: AppTest, name: str) -> AppTest:
    """Another page."""
    app.session_state["page"] = name
    return app.run()


def texts(app: AppTest) -> str:
    assert not app.exception, app.exception[0].value
    parts = [*app.markdown, *app.caption, *app.info, *app.success, *app.error]
    return "\n".join(str(one.value) for one in parts)


def metrics(app: AppTest) -> dict[str, str]:
    return {one.label: one.value for one in app.metric}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("dashboard"), "--no-ticks") as one:
        one.post("/v1/ingest/requests", an_hour(bad=range(50, 60)))
        yield one


def test_tiles_and_filters(demo_directory: Path) -> None:
    app = opened(demo_directory)
    assert metrics(app) == {
        "Open incidents": "0",
        "Incidents": "1",
        "Requests": "10,000",
        "Error rate": "1.4 %",
        "Anomalous rows": "9",
        "Endpoints": "12",
    }
    assert len(app.get("vega_lite_chart")) == 4 or len(app.get("arrow_vega_lite_chart")) == 4
    feed = app.dataframe[1].value
    assert len(feed) == 10 and "incident opened" in set(feed["signal"])
    app.multiselect(key="services").set_value(["auth"]).run()
    assert metrics(app)["Anomalous rows"] == "0" and metrics(app)["Incidents"] == "0"
    assert set(app.dataframe[0].value["service"]) == {"auth"}
    app.multiselect(key="services").set_value(["payments"]).run()
    app.multiselect(key="endpoints").set_value(["/pay"]).run()
    assert metrics(app)["Endpoints"] == "1" and metrics(app)["Anomalous rows"] == "9"


def test_every_page_of_a_directory(demo_directory: Path) -> None:
    app = opened(demo_directory)
    found = {name: texts(page(app, name)) for name in PAGES[1:-1]}
    card = found["Incidents"]
    assert "payments /pay" in card and "Critical" in card and "of the evidence" in card
    assert "Root cause" in card and "What to do" in card
    assert "1. payments /pay" in found["Culprits"]
    assert "expected" in found["Why"]
    assert "No calls between services are known" in found["Service map"]


def test_why_a_row_was_not_flagged(demo_directory: Path) -> None:
    app = page(opened(demo_directory), "Why")
    app.selectbox(key="why of").set_value(("payments", "/pay")).run()
    assert "score 0" in texts(app)
    app.select_slider(key="why at").set_value("2026-01-06T10:50:00Z").run()
    assert "4,948 ms" in texts(app)


def test_a_server_is_shown_live_and_may_leave(server: Server, tmp_path: Path) -> None:
    with Server(tmp_path, "--no-ticks") as other:
        other.post("/v1/ingest/requests", an_hour(bad=range(50, 60)))
        app = opened(other.url)
        assert metrics(app)["Open incidents"] == "1" and not app.exception
        assert "payments /pay" in texts(page(app, "Incidents"))
        assert "since" in texts(page(app, "Culprits"))
        other.stop()
    time.sleep(1.6)  # results are kept for a moment
    assert "cannot be reached" in texts(app.run()) or "refused" in texts(app)
    assert "refused" in texts(opened("http://127.0.0.1:9"))


def test_a_store_of_a_server_has_the_rows_of_files(server: Server, tmp_path: Path) -> None:
    recording = tmp_path / "hour.jsonl"
    recording.write_bytes(lines(an_hour(bad=range(50, 60))))
    store, local = ServerStore(server.url), open_store(str(recording))
    assert figures.flagged(store.rows()).num_rows > 5
    # the last minute is open on the server
    assert store.rows().num_rows == local.rows().num_rows - 3
    names = [("auth", "/login"), ("checkout", "/cart"), ("payments", "/pay")]
    assert figures.names(store.rows()) == figures.names(local.rows()) == names
    assert store.culprits(None, 15)["culprits"][0]["service"] == "payments"
    assert local.culprits(None, 15)["culprits"][0]["service"] == "payments"


def test_names_with_markup_and_empty_stores(tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)> **[a](javascript:b)** :red[x] $x$"
    records = [{**one, "service": evil} for one in an_hour(bad=range(50, 60))]
    named = tmp_path / "evil.jsonl"
    named.write_bytes(lines(records))
    app = opened(named)
    shown = texts(page(app, "Incidents"))
    assert "alert" in shown
    # every special character has a backslash before it
    assert not re.search(r"(?<!\\)(<img|\[a|:red|\$x)", shown)
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "incidents.json").write_text('{"incidents": []}')
    header = (
        "bucket_ts,service,endpoint,req_count,error_count,error_rate,p95_latency_ms,is_anomaly,"
        "severity,score,signal,expected_low,expected_high,value,expected,z\n"
    )
    (empty / "scored.csv").write_text(header)
    app = opened(empty)
    assert "No row fits the filters" in texts(app)
    for name in PAGES[1:-1]:
        assert texts(page(app, name))
    (empty / "scored.csv").write_text(
        header + "2026-01-06T10:00:00Z,a,/b,1,0,0,5,false,Info,0,,,,,,\n"
    )
    again = DirectoryStore(empty)
    assert (
        figures.tiles(figures.chosen(again.rows(), Filters(("a",), ("/b",), (), 1.0)))["rows"] == 1
    )
    assert figures.over_time(again.rows())["req_count"] == [1]
    (empty / "scored.csv").write_text("a,b\n1,2\n")
    assert "scored.csv" in texts(opened(str(empty) + "/."))
    assert main(["dashboard", str(tmp_path / "nothing")]) == errors.INPUT


def test_a_million_rows_become_a_few_hundred_points() -> None:
    total = 1_000_000
    steps = pa.array([i // 100 * 60 for i in range(total)]).cast(pa.timestamp("s", "UTC"))
    rows = pa.table(
        {
            "bucket_ts": steps,
            "service": pa.array(["shop"] * total).dictionary_encode(),
            "endpoint": pa.array(["/"] * total).dictionary_encode(),
            "req_count": pa.array([1] * total),
            "error_count": pa.array([0] * total),
            "p95_latency_ms": pa.array([99.0] * (total - 1) + [500.0]),
            "is_anomaly": pa.array([False] * (total - 1) + [True]),
        }
    )
    found = figures.over_time(rows)
    assert 100 < len(found["bucket_ts"]) <= figures.POINTS + 1
    assert sum(found["req_count"]) == total and max(found["p95_latency_ms"]) == 500.0
    assert found["is_anomaly"].count(True) == 1
    assert figures.sample(rows).num_rows <= 2_100


def test_replays_go_forward_back_and_pause() -> None:
    replay = Replay(lines_of("hour", lines(an_hour(bad=range(50, 60)))), "hour")
    replay.advance(30.0)
    assert replay.position == 1800.0 and not replay.snapshot().incidents
    replay.is_paused = True
    replay.advance(600.0)
    assert replay.position == 1800.0
    replay.seek(1e9)
    assert replay.has_ended and len(replay.snapshot().incidents) == 1
    before = json.dumps(replay.snapshot().incidents)
    replay.seek(600.0)
    assert not replay.has_ended and not replay.snapshot().incidents
    replay.seek(replay.length)
    assert json.dumps(replay.snapshot().incidents) == before


def test_the_replay_page_has_controls(demo_directory: Path) -> None:
    app = page(opened(demo_directory), "Replay")
    assert metrics(app)["Incidents"] == "0"
    app.slider(key="seek").set_value(60).run()
    assert metrics(app)["Incidents"] == "1" and "payments /pay" in texts(app)
    app.button(key="pause").click().run()
    records = metrics(app)["Records"]
    time.sleep(0.3)
    assert metrics(app.run())["Records"] == records
    app.selectbox(key="scenario").set_value("traffic").run()
    assert metrics(app)["Incidents"] == "0"


def test_the_dashboard_in_a_browser(server: Server, browser: Browser) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mad.cli", "dashboard", server.url, "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1):
                    break
            except OSError:
                time.sleep(0.1)
        one: Any = browser.new_page(viewport={"width": 1280, "height": 900})
        problems: list[str] = []
        one.on("pageerror", lambda error: problems.append(str(error)))
        asked: list[str] = []
        one.on("request", lambda request: asked.append(request.url))
        one.goto(f"http://127.0.0.1:{port}")
        one.wait_for_selector("[data-testid=stMetric]", timeout=30_000)
        charts = "document.querySelectorAll('[data-testid=stVegaLiteChart] .marks').length"
        one.wait_for_function(f"{charts} >= 4", timeout=30_000)
        # an update of the fragment keeps the elements: nothing flickers
        one.evaluate("document.querySelector('[data-testid=stMetric]').dataset.mark = 'kept'")
        one.wait_for_timeout(5_500)
        assert one.locator("[data-mark=kept]").count() == 1
        one.get_by_text("Incidents", exact=True).first.click()
        one.wait_for_selector("text=payments /pay")
        assert not problems
        assert all(url.startswith((f"http://127.0.0.1:{port}", "data:", "blob:")) for url in asked)
        one.close()
    finally:
        process.terminate()
        process.wait(20)
