"""The source of Prometheus, with a real Prometheus that scrapes a small exporter."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from peers import Process, Proxy, free_port, needs

from mad.engine import Engine
from mad.engine.source_runner import SourceRunner
from mad.journal import Journal
from mad.sources.prometheus import PrometheusOptions, PrometheusSource
from mad.sources.promql import PRESETS
from mad.sources.protocol import Batch

pytestmark = needs("prometheus")

PAGE = """\
# TYPE http_requests_total counter
http_requests_total{{service="shop",code="200"}} {good}
http_requests_total{{service="shop",code="500"}} {bad}
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{{service="shop",le="0.1"}} {good}
http_request_duration_seconds_bucket{{service="shop",le="1"}} {all}
http_request_duration_seconds_bucket{{service="shop",le="+Inf"}} {all}
http_request_duration_seconds_sum{{service="shop"}} {good}
http_request_duration_seconds_count{{service="shop"}} {all}
# TYPE depth gauge
depth{{service="shop",queue="mail"}} {scrapes}
ratio{{service="shop"}} NaN
"""


class Exporter:
    """Serves counters that grow by 90 good and 10 bad requests at each scrape."""

    def __init__(self) -> None:
        self.scrapes = self.since_start = 0
        outer = self

        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.scrapes += 1
                outer.since_start += 1
                good, bad = 90 * outer.since_start, 10 * outer.since_start
                text = PAGE.format(good=good, bad=bad, all=good + bad, scrapes=outer.scrapes)
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def wait(self, scrapes: int) -> None:
        """Waits for further scrapes."""
        until = self.scrapes + scrapes
        for _ in range(600):
            if self.scrapes >= until:
                return
            time.sleep(0.1)
        raise AssertionError("Prometheus does not scrape")


@contextlib.contextmanager
def _prometheus(directory: Path, exporter: Exporter) -> Iterator[Proxy]:
    port = free_port()
    (directory / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\n"
        "scrape_configs:\n"
        "  - job_name: shop\n"
        f"    static_configs: [{{targets: ['127.0.0.1:{exporter.port}']}}]\n"
    )
    server = Process(
        [
            "prometheus",
            f"--config.file={directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={directory / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        port,
        ready=lambda: _is_ready(port),
    )
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.cut()
        server.stop()


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/-/ready", trust_env=False).is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    one = Exporter()
    yield one
    with contextlib.suppress(OSError):
        one.stop()


def _source(proxy: Proxy, **more: Any) -> PrometheusSource:
    given = {
        "url": f"http://127.0.0.1:{proxy.port}",
        "queries": {"depth": "depth"},
        "step_seconds": 1,
        "delay_seconds": 2,
        "backfill_seconds": 60,
        "poll_seconds": 0.1,
    }
    return PrometheusSource(PrometheusOptions(**{**given, **more}))


def _samples(batches: list[Batch], metric: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for batch in batches for line in batch.body.splitlines()]
    return [line for line in lines if line["metric"] == metric]


def _read(source: PrometheusSource, metric: str, count: int) -> list[Batch]:
    """Batches with `count` samples of a metric."""
    found: list[Batch] = []
    for _ in range(400):
        batch = source.read(0.2)
        if batch is not None:
            found.append(batch)
        if len(_samples(found, metric)) >= count:
            return found
    raise AssertionError(f"{len(_samples(found, metric))} samples of {metric}")


def test_each_step_is_read_once_and_a_counter_that_starts_again_is_no_fall(
    tmp_path: Path, exporter: Exporter
) -> None:
    with _prometheus(tmp_path, exporter) as proxy:
        exporter.wait(4)
        options: dict[str, Any] = {"presets": ("red",), "page_steps": 7}
        source = _source(proxy, **options)
        source.open({})
        found = _read(source, "depth", 3)
        exporter.since_start = 0
        for _ in range(3):
            positions = found[-1].positions
            source.close()
            source = _source(proxy, **options)
            source.open(positions)
            found += _read(source, "depth", 3)
        times = [sample["timestamp"] for sample in _samples(found, "depth")]
        assert times == list(range(times[0], times[0] + len(times)))
        (fields,) = {(one["service"], one["resource"]) for one in _samples(found, "depth")}
        assert fields == ("shop", f"instance=127.0.0.1:{exporter.port},job=shop,queue=mail")
        rates = [sample["value"] for sample in _samples(found, "req_rate")]
        assert rates
        assert all(rate >= 0 for rate in rates)
        for error_rate in _samples(found, "error_rate"):
            assert abs(error_rate["value"] - 0.1) < 0.02
        latencies = [sample["value"] for sample in _samples(found, "p95_latency_ms")]
        assert latencies
        assert all(100 < latency <= 1_000 for latency in latencies)
        all_times = [
            json.loads(line)["timestamp"] for one in found for line in one.body.splitlines()
        ]
        assert all_times == sorted(all_times)


def test_a_series_that_ended_gives_no_samples_and_nan_is_a_gap(
    tmp_path: Path, exporter: Exporter
) -> None:
    with _prometheus(tmp_path, exporter) as proxy:
        exporter.wait(3)
        source = _source(proxy, queries={"depth": "depth", "ratio": "ratio", "here": "vector(1)"})
        source.open({})
        found = _read(source, "depth", 2)
        exporter.stop()
        found += _read(source, "here", 12)
        assert _samples(found, "ratio") == []
        assert sum(batch.unreadable for batch in found) == 0
        newest = max(sample["timestamp"] for sample in _samples(found, "here"))
        assert newest - max(sample["timestamp"] for sample in _samples(found, "depth")) >= 3


def test_a_prometheus_that_was_away_is_read_from_where_reading_stopped(
    tmp_path: Path, exporter: Exporter
) -> None:
    with _prometheus(tmp_path, exporter) as proxy:
        exporter.wait(3)
        engine = Engine(Journal(tmp_path / "data"))
        engine.start()
        runner = SourceRunner("prometheus", _source(proxy), engine, pauses=(0.1, 0.5))
        runner.start()
        try:
            _until(lambda: runner.health().records >= 2)
            proxy.cut()
            _until(lambda: runner.health().state == "failing")
            exporter.wait(5)
            proxy.restore()
            before = runner.health().records
            _until(lambda: runner.health().records >= before + 7)
            assert runner.health().rejected == 0
            assert runner.health().state in ("reading", "waiting")
        finally:
            runner.stop()
            engine.stop()


def _until(holds: Any) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError


def test_check_names_each_fault(tmp_path: Path, exporter: Exporter) -> None:
    with _prometheus(tmp_path, exporter) as proxy:
        exporter.wait(4)
        assert _source(proxy).check() == []
        (fault,) = _source(proxy, queries={"x": "sum(("}).check()
        assert "parse error" in fault
        (fault,) = _source(proxy, queries={"x": "no_such_metric"}).check()
        assert "no series" in fault
        (fault,) = _source(proxy, url=f"http://127.0.0.1:{free_port()}").check()
        assert "cannot be reached" in fault
        (fault,) = _source(proxy, url=f"http://127.0.0.1:{exporter.port}").check()
        assert "JSON" in fault


@pytest.mark.parametrize("preset", PRESETS)
def test_every_query_of_a_preset_is_valid(preset: str, tmp_path: Path, exporter: Exporter) -> None:
    with _prometheus(tmp_path, exporter) as proxy:
        source = _source(proxy, queries={}, presets=(preset,), matchers='job="shop"')
        for query in source.queries.values():
            assert 'job="shop"' in query
        # a query without series is valid
        assert all("gives no series" in fault for fault in source.check())
