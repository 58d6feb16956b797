"""A fleet of services with several kinds of telemetry, and what makes two reports the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

import mad
from mad.cli import main

TABLES = ("features", "scored", "services", "scored_metrics", "states")


def same(report: mad.Report, whole: mad.Report) -> None:
    """Row for row and incident for incident, with rankings, explanations and counts."""
    for name in TABLES:
        pd.testing.assert_frame_equal(
            getattr(report, name).to_pandas(), getattr(whole, name).to_pandas(), obj=name
        )
    split, one = json.loads(report.document()), json.loads(whole.document())
    # the first of the rejected records are named by their places in the partitions
    for document in (split, one):
        document["rejected"].pop("first", None)
        for read in document["read"].values():
            read["rejected"].pop("first", None)
    assert split == one


def simulated(system: str, to: Path, *more: str) -> dict[str, pd.DataFrame]:
    assert main(["simulate", "--out", str(to), "--system", system, "--seed", "1", *more]) == 0
    return {file.stem: pd.read_csv(file) for file in to.glob("*.csv")}


def fleet(services: int = 12, hours: float = 4.0, seed: int = 3) -> dict[str, pd.DataFrame]:
    """Requests of services that call each other, with a slow one, a failing one and a silent one,
    their metrics, their logs, changes and edges."""
    rng = np.random.default_rng(seed)
    requests, metrics, logs = [], [], []
    start = pd.Timestamp("2026-01-06T10:00:00Z")
    for number in range(services):
        service = f"svc-{number:02}"
        # one service starts an hour later than the others
        begin = 3600.0 if number == 4 else 0.0
        times = np.sort(rng.uniform(begin, hours * 3600, int(hours * 1200)))
        latency = rng.lognormal(3.0 + 0.1 * number, 0.3, times.size)
        status = np.where(rng.random(times.size) < 0.004, 500, 200)
        if number == 1:
            latency[(times > 9000) & (times < 9600)] *= 12
        if number == 2:
            failing = (times > 11000) & (times < 11900)
            status[failing & (rng.random(times.size) < 0.6)] = 503
        if number == 3:
            times_kept = (times < 7000) | (times > 9100)
            times, latency, status = times[times_kept], latency[times_kept], status[times_kept]
        at = start + pd.to_timedelta(times, unit="s")
        endpoint = np.where(rng.random(times.size) < 0.4, "/a", "/b")
        requests.append(
            pd.DataFrame(
                {
                    "timestamp": at,
                    "service": service,
                    "endpoint": endpoint,
                    "status_code": status,
                    "latency_ms": latency,
                }
            )
        )
        minutes = np.arange(0, hours * 60) * 60.0 + number % 3
        cpu = (
            40
            + rng.normal(0, 3, minutes.size)
            + (number == 1) * 40 * ((minutes > 9000) & (minutes < 9600))
        )
        metrics.append(
            pd.DataFrame(
                {
                    "timestamp": start + pd.to_timedelta(minutes, unit="s"),
                    "service": service,
                    "metric": "cpu",
                    "value": cpu,
                }
            )
        )
        lines = np.sort(rng.uniform(0, hours * 3600, 400))
        bad = (number == 2) & (lines > 11000) & (lines < 11900)
        logs.append(
            pd.DataFrame(
                {
                    "timestamp": start + pd.to_timedelta(lines, unit="s"),
                    "service": service,
                    "level": np.where(bad, "ERROR", "INFO"),
                    "body": np.where(bad, "no connection to the store", "request served"),
                }
            )
        )
    changes = pd.DataFrame(
        {
            "timestamp": [start + pd.Timedelta(seconds=8900)],
            "service": ["svc-01"],
            "kind": ["deploy"],
        }
    )
    edges = pd.DataFrame({"caller": ["svc-00", "svc-01"], "callee": ["svc-01", "svc-02"]})
    return {
        "requests": pd.concat(requests).sort_values("timestamp", kind="stable"),
        "metrics": pd.concat(metrics).sort_values("timestamp", kind="stable"),
        "logs": pd.concat(logs).sort_values("timestamp", kind="stable"),
        "changes": changes,
        "edges": edges,
    }
