"""How well the shipped defaults do on the simulated systems of MELT, API and AIOps.

    python benches/worlds.py [--seeds 20]

MELT: precision, recall and F1 of metrics, logs and traces, of 4 services over 1,000 minutes,
without the first 30 minutes; spans that are found missing are counted beside the flagged ones.
API: of 20 anomalous requests within four hours at 20 calls a minute, those whose minute and
endpoint is flagged, and the other minutes with a flagged row. AIOps: seeds in which the slow
payment, the failing and the silent inventory have an incident, and incidents without a fault.
benches/methods.py measures the other methods on the same systems.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from datetime import datetime
from typing import Any

import numpy as np

import mad
import mad.simulate

FIRST = 30
"""Minutes at the beginning of MELT that are not counted, because the history is too short."""
LOGS = ("log_errors", "log_warnings")
SCENARIOS = ("slow-payment", "failing-inventory", "silent-inventory", "quiet")
Cell = tuple[str, str, int]
"""Service, name of the metric or endpoint, and minute since 1970."""


def detected(system: str, seed: int, **settings: Any) -> tuple[mad.simulate.World, mad.Report]:
    """A world and what the defaults find in it."""
    made = mad.simulate.world(system, seed=seed, labels=False, **settings)
    with tempfile.TemporaryDirectory() as folder:
        made.write(folder)
        return made, mad.detect(folder)


def minute(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) // 60


def cells(table: Any, name: str) -> tuple[list[Cell], list[bool]]:
    """The rows of a scored table, and whether each is flagged."""
    minutes = (np.asarray(table["bucket_ts"]).astype("datetime64[m]").astype(int)).tolist()
    services, names = np.asarray(table["service"]).tolist(), np.asarray(table[name]).tolist()
    flagged = np.asarray(table["is_anomaly"]).tolist()
    return list(zip(services, names, minutes, strict=True)), flagged


def tallied(counts: Counter[str], key: Any, truth: set[Any], flagged: bool) -> None:
    """Counts one decision: p or n for flagged or not, t or f for true or false."""
    counts[("n", "p")[flagged] + ("f", "t")[key in truth]] += 1


def melt(seeds: int) -> dict[str, Counter[str]]:
    """Counts of each kind of MELT."""
    counts = {kind: Counter[str]() for kind in ("metric", "log", "trace", "spans")}
    for seed in range(seeds):
        made, report = detected("melt", seed, services=4, duration=60_000)
        begin = minute(made.truth[0]["data_start"]) + FIRST
        truth = {
            (one["kind"], one["service"], one["endpoint"], minute(one["start"]))
            for one in made.truth
        }
        found: dict[tuple[str, str, str, int], bool] = {}
        values: dict[tuple[str, str, str, int], bool] = {}
        table = report.scored_metrics
        every = np.asarray(table["value"]).tolist()
        for (service, metric, at), flagged, value in zip(
            *cells(table, "metric"), every, strict=True
        ):
            kind = "log" if metric in LOGS else "trace" if metric == "missing_spans" else "metric"
            key = (kind, service, metric if kind == "metric" else "", at)
            found[key] = found.get(key, False) or flagged
            if kind == "trace":
                values[("spans", service, "", at)] = value > 0.0
        truth |= {("spans", *key[1:]) for key in truth if key[0] == "trace"}
        for key, flagged in (found | values).items():
            if key[3] >= begin:
                tallied(counts[key[0]], key, truth, flagged)
    return counts


def api(seeds: int) -> tuple[Counter[str], Counter[str], int, int]:
    """Anomalous requests by endpoint, those found; other minutes with a flagged row; incidents."""
    all_, right, wrong, incidents = Counter[str](), Counter[str](), 0, 0
    for seed in range(seeds):
        made, report = detected("api", seed)
        truth = {(one["service"], one["endpoint"], minute(one["start"])) for one in made.truth}
        rows, flagged = cells(report.scored, "endpoint")
        found = {row for row, is_flagged in zip(rows, flagged, strict=True) if is_flagged}
        all_.update(endpoint for _, endpoint, _ in truth)
        right.update(endpoint for _, endpoint, _ in truth & found)
        wrong += len({at for *_, at in found} - {at for *_, at in truth})
        incidents += len(report.incidents)
    return all_, right, wrong, incidents


def aiops(seeds: int, scenario: str) -> tuple[int, int, int]:
    """Seeds in which the fault has an incident and is named first; incidents at other times."""
    found, named, others = 0, 0, 0
    for seed in range(seeds):
        made, report = detected("aiops", seed, scenario=scenario, traces=2_700, duration=5_400)
        if not made.truth:
            others += len(report.incidents)
            continue
        (truth,) = made.truth
        start, end = (datetime.fromisoformat(truth[key]) for key in ("start", "end"))
        within = [one for one in report.incidents if one.start < end and start < one.end]
        first = [one.culprit for one in within if one.culprit is not None]
        found += bool(within)
        named += any(one.service == truth["service"] for one in first)
        others += len(report.incidents) - len(within)
    return found, named, others


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    seeds = parser.parse_args().seeds
    print(f"MELT, {seeds} seeds, 4 services, 1,000 minutes, without the first {FIRST}")
    print("  kind     precision  recall    F1     expected")
    for kind, count in melt(seeds).items():
        right, wrong, missed = count["pt"], count["pf"], count["nt"]
        precision = right / max(right + wrong, 1)
        recall = right / max(right + missed, 1)
        f1 = 2 * right / max(2 * right + wrong + missed, 1)
        print(f"  {kind:8} {precision:9.3f} {recall:7.3f} {f1:7.3f} {right + missed:10,}")
    print("  event    not judged")
    all_, right, wrong, incidents = api(seeds)
    print(f"API, {seeds} seeds, 4 h at 20 calls a minute, 20 anomalous requests each")
    by_endpoint = ", ".join(f"{name} {right[name]} of {all_[name]}" for name in sorted(all_))
    print(f"  found {right.total()} of {all_.total()} ({by_endpoint})")
    print(f"  false minutes {wrong}, incidents {incidents}")
    print(f"AIOps, {seeds} seeds, 90 min at 30 checkouts a minute")
    for scenario in SCENARIOS:
        found, named, others = aiops(seeds, scenario)
        fault = f"found {found}, culprit {named}, " if scenario != "quiet" else ""
        print(f"  {scenario:18} {fault}other incidents {others}")


if __name__ == "__main__":
    main()
