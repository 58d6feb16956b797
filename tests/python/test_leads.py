"""A callee that goes bad some minutes before its callers is the culprit, whatever was measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mad

BEGIN, END = 150, 190
EDGES = pd.DataFrame({"caller": ["front", "cart"], "callee": ["cart", "store"]})
LEADS = (2, 9, 30)


def stamps(seconds: Any) -> Any:
    return pd.Timestamp("2026-03-09T00:00:00Z") + pd.to_timedelta(seconds, unit="s")


def metrics(lead: int, metric: str) -> pd.DataFrame:
    """Latency, cpu and memory of three services; those of the store move first."""
    minutes, random = np.arange(END + 30), np.random.default_rng(lead)
    bad = (minutes >= BEGIN) & (minutes < END)
    early = (minutes >= BEGIN - lead) & (minutes < END)
    frames = []
    for service, slow in (("front", 500.0), ("cart", 250.0), ("store", 0.0)):
        latency = random.normal(100.0, 5.0, len(minutes)) + slow * bad
        cpu, memory = random.normal(0.3, 0.01, len(minutes)), random.normal(400, 2, len(minutes))
        if service == "store":
            latency = latency + 200.0 * early * (metric == "latency")
            cpu, memory = (
                cpu + 0.5 * early * (metric == "cpu"),
                memory + 300.0 * early * (metric == "memory"),
            )
        for name, values in (("latency", latency), ("cpu", cpu), ("memory", memory)):
            columns = {"timestamp": stamps(60 * minutes), "service": service, "metric": name}
            frames.append(pd.DataFrame({**columns, "value": values}))
    return pd.concat(frames).sort_values("timestamp", kind="stable")


def requests(lead: int) -> pd.DataFrame:
    """The store fails first, then its caller and the caller of that one."""
    random, frames = np.random.default_rng(lead), []
    for service, after in (("front", 0), ("cart", 0), ("store", -lead)):
        at = np.repeat(np.arange(END + 30), random.poisson(40.0, END + 30))
        bad = (at >= BEGIN + after) & (at < END) & (random.random(len(at)) < 0.5)
        columns = {"timestamp": stamps(60 * at + random.integers(0, 60, len(at)))}
        columns |= {"service": service, "endpoint": "/call", "status_code": np.where(bad, 500, 200)}
        frames.append(pd.DataFrame({**columns, "latency_ms": random.gamma(20.0, 3.0, len(at))}))
    return pd.concat(frames).sort_values("timestamp", kind="stable")


def spans(lead: int) -> pd.DataFrame:
    """One trace each few seconds; calls of the store fail first, which its callers survive."""
    random, rows = np.random.default_rng(lead), []
    for trace, at in enumerate(np.sort(random.uniform(0, 60 * (END + 10), 12 * (END + 10)))):
        failing = random.random() < 0.6
        for depth, (service, own) in enumerate((("front", 90.0), ("cart", 60.0), ("store", 20.0))):
            begin = BEGIN - (lead if service == "store" else 0)
            bad = failing and 60 * begin <= at < 60 * END
            row: dict[str, Any] = {
                "trace_id": f"{trace}",
                "span_id": f"{depth}",
                "service": service,
            }
            row |= {"parent_id": f"{depth - 1}" if depth else None, "operation": "call"}
            row |= {
                "start": stamps(at + 0.005 * depth),
                "duration_ms": own * random.gamma(50, 0.02),
            }
            rows.append({**row, "status": "error" if bad else "ok"})
    return pd.DataFrame(rows).sort_values("start", kind="stable")


def culprits(report: Any) -> set[str]:
    return {incident.culprit.service for incident in report.incidents}


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("metric", ["latency", "cpu", "memory"])
def test_the_metric_of_a_callee_that_moves_first_is_the_culprit(lead: int, metric: str) -> None:
    assert culprits(mad.detect(metrics=metrics(lead, metric), edges=EDGES)) == {"store"}


@pytest.mark.parametrize("lead", LEADS)
def test_requests_that_fail_first_name_the_culprit(lead: int) -> None:
    assert culprits(mad.detect(requests(lead), edges=EDGES)) == {"store"}


@pytest.mark.parametrize("lead", LEADS)
def test_spans_that_fail_first_name_the_culprit(lead: int) -> None:
    assert culprits(mad.detect(spans=spans(lead))) == {"store"}
