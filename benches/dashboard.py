"""Measures the first view of the dashboard with a million scored rows behind it.

    python benches/dashboard.py [--rows 1000000]

It writes a directory as `mad detect` does, starts `mad dashboard` on it and opens it in Chromium.
The time runs from the request of the page until tiles and four charts are drawn.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

ENDPOINTS = 100


def write_run(out: Path, rows: int) -> None:
    """Writes scored.csv and incidents.json; one endpoint in a thousand steps is anomalous."""
    rng = np.random.default_rng(7)
    steps = rows // ENDPOINTS
    total = steps * ENDPOINTS
    step = np.repeat(np.arange(steps), ENDPOINTS)
    of = np.tile(np.arange(ENDPOINTS), steps)
    at = np.datetime64("2026-01-01T00:00:00") + step.astype("timedelta64[m]")
    requests = rng.poisson(40, total)
    failed = rng.binomial(requests, 0.01)
    flagged = rng.random(total) < 0.001
    latency = rng.gamma(9.0, 20.0, total) * np.where(flagged, 12.0, 1.0)
    service = [f"service-{one // 10}" for one in of]
    endpoint = [f"/route/{one}" for one in of]
    score = np.where(flagged, 0.8, rng.random(total) * 0.4)
    table = pa.table(
        {
            "bucket_ts": np.char.add(at.astype("datetime64[s]").astype(str), "Z"),
            "service": service,
            "endpoint": endpoint,
            "req_count": requests,
            "error_count": failed,
            "error_rate": failed / np.maximum(requests, 1),
            "avg_latency_ms": latency * 0.6,
            "p95_latency_ms": latency,
            "mad_z": latency / 60.0,
            "is_anomaly": flagged,
            "severity": np.where(flagged, "Warning", "Info"),
            "score": score,
            "signal": ["p95_latency_ms"] * total,
            "reason": np.where(flagged, "", "below_threshold"),
            "expected_low": np.full(total, 60.0),
            "expected_high": np.full(total, 400.0),
            "value": latency,
            "expected": np.full(total, 180.0),
            "z": latency / 60.0,
        }
    )
    csv.write_csv(table, out / "scored.csv")
    (out / "incidents.json").write_text(json.dumps({"incidents": [], "states": []}))


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str) -> None:
    """Waits until a server answers."""
    for _ in range(300):
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"{url} does not answer")


def main() -> None:
    """Prints the times of the first and of the second view."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    from playwright.sync_api import sync_playwright

    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder:
        write_run(Path(folder), rows)
        size = (Path(folder) / "scored.csv").stat().st_size / 1e6
        port = free_port()
        command = [sys.executable, "-m", "mad.cli", "dashboard", folder, "--port", str(port)]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(f"{url}/_stcore/health")
            with sync_playwright() as driver:
                chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
                for view in ("first", "second"):
                    page = chromium.new_page(viewport={"width": 1280, "height": 900})
                    began = time.perf_counter()
                    page.goto(url)
                    page.wait_for_selector("[data-testid=stMetric]", timeout=60_000)
                    tiles = time.perf_counter() - began
                    charts = "[data-testid=stVegaLiteChart] .marks"
                    page.wait_for_function(
                        f"document.querySelectorAll('{charts}').length >= 4", timeout=60_000
                    )
                    done = time.perf_counter() - began
                    print(
                        f"{view} view of {rows:,} rows ({size:.0f} MB): "
                        f"tiles after {tiles:.2f} s, charts after {done:.2f} s"
                    )

                    page.close()
                chromium.close()
        finally:
            server.terminate()
            server.wait(10)


if __name__ == "__main__":
    main()
