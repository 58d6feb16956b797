"""How well the methods of docs/methods.md do on the simulated systems MELT, API and AIOps.

    python benches/methods.py [--seeds 20]

MELT: precision, recall and F1 of the rows of metrics, logs and changes of 4 services over 1,000
minutes, without the first 30 minutes. API: of 20 anomalous requests within four hours at 20 calls a
minute, those whose minute and endpoint is flagged, and the other minutes with a flagged row. AIOps:
seeds in which a rule flags the faulty service during the fault, and flagged rows without a fault.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from datetime import datetime
from typing import Any

import numpy as np
from worlds import FIRST, SCENARIOS, minute

import mad
import mad.simulate

Row = tuple[str, str, int]
"""Service, endpoint and minute since 1970."""
MODELS = ("isolation_forest", "one_class_svm", "lstm_autoencoder")
OF_ROWS = ("default", "ewma", "zscore", *MODELS, "vote", "weighted")


def judged(system: str, seed: int, **settings: Any) -> tuple[list[dict[str, Any]], mad.Table]:
    """The truth of a world, and the judgements of all methods."""
    made = mad.simulate.world(system, seed=seed, labels=False, **settings)
    with tempfile.TemporaryDirectory() as folder:
        made.write(folder)
        return made.truth, mad.detect(folder, scorers=["all", "default"]).methods


def rows_of(table: mad.Table, method: str) -> dict[Row, bool]:
    """The rows that a method judged, and whether each is flagged."""
    places = np.flatnonzero(np.asarray(table["method"]) == method).tolist()
    minutes = np.asarray(table["bucket_ts"]).astype("datetime64[m]").astype(int)
    services, endpoints, flagged = table["service"], table["endpoint"], table["is_anomaly"]
    return {(services[i], endpoints[i], int(minutes[i])): bool(flagged[i]) for i in places}


def melt(seeds: int) -> dict[tuple[str, str], Counter[str]]:
    """Counts by kind of record and method."""
    kinds = dict.fromkeys(("ewma", "zscore", *MODELS), "metric")
    kinds |= {"log_level": "log", "event_kind": "event"}
    counts = {(kind, method): Counter[str]() for method, kind in kinds.items()}
    for seed in range(seeds):
        truth, table = judged("melt", seed, services=4, duration=60_000)
        begin = minute(truth[0]["data_start"]) + FIRST
        real = {(one["kind"], one["service"], minute(one["start"])) for one in truth}
        for method, kind in kinds.items():
            for (service, endpoint, at), flagged in rows_of(table, method).items():
                # rows with an endpoint are those of spans
                if at >= begin and (kind == "event" or not endpoint):
                    is_real = (kind, service, at) in real
                    counts[kind, method]["np"[flagged] + "ft"[is_real]] += 1
    return counts


def api(seeds: int) -> dict[str, Counter[str]]:
    """Found and expected anomalous requests, and other minutes with a flagged row, by method."""
    counts = {method: Counter[str]() for method in OF_ROWS}
    for seed in range(seeds):
        truth, table = judged("api", seed)
        real = {(one["service"], one["endpoint"], minute(one["start"])) for one in truth}
        for method, count in counts.items():
            found = {row for row, flagged in rows_of(table, method).items() if flagged}
            count["found"] += len(real & found)
            count["expected"] += len(real)
            count["false"] += len({at for *_, at in found} - {at for *_, at in real})
    return counts


def aiops(seeds: int, scenario: str) -> dict[str, Counter[str]]:
    """Seeds in which the fault is flagged, and flagged rows before the fault or without one."""
    counts = {method: Counter[str]() for method in OF_ROWS}
    for seed in range(seeds):
        truth, table = judged("aiops", seed, scenario=scenario, traces=2_700, duration=5_400)
        for method, count in counts.items():
            found = [row for row, flagged in rows_of(table, method).items() if flagged]
            if not truth:
                count["false"] += len(found)
                continue
            start, end = (
                int(datetime.fromisoformat(truth[0][key]).timestamp()) // 60
                for key in ("start", "end")
            )
            # the rules look back over five minutes, and silence is known five minutes later
            hits = [row for row in found if start <= row[2] <= end + 5]
            count["found"] += any(service == truth[0]["service"] for service, *_ in hits)
            count["false"] += sum(row[2] < start for row in found)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    seeds = parser.parse_args().seeds
    print(f"MELT, {seeds} seeds, 4 services, 1,000 minutes, without the first {FIRST}")
    print("  kind   method            precision  recall    F1   expected")
    for (kind, method), count in melt(seeds).items():
        right, wrong, missed = count["pt"], count["pf"], count["nt"]
        precision, recall = right / max(right + wrong, 1), right / max(right + missed, 1)
        f1 = 2 * right / max(2 * right + wrong + missed, 1)
        print(
            f"  {kind:6} {method:17} {precision:9.3f} {recall:7.3f} {f1:7.3f} {right + missed:8,}"
        )
    print(f"API, {seeds} seeds, 4 h at 20 calls a minute, 20 anomalous requests each")
    for method, count in api(seeds).items():
        print(
            f"  {method:17} found {count['found']:4} of {count['expected']:4}, "
            f"false minutes {count['false']:5}"
        )
    print(f"AIOps, {seeds} seeds, 90 min at 30 checkouts a minute")
    for scenario in SCENARIOS:
        for method, count in aiops(seeds, scenario).items():
            fault = f"found {count['found']:2}, " if scenario != "quiet" else ""
            print(
                f"  {scenario:18} {method:17} {fault}rows flagged without a fault {count['false']}"
            )


if __name__ == "__main__":
    main()
