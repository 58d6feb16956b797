"""Metrics of hosts that deviate together, against the same metrics judged each alone.

    python benches/together.py [--seeds N] [--hosts N]

Each host has 20 metrics that follow a common load: an AR(1) process, on some hosts with a rhythm of
a day. Two thirds into three days begin faults: five of the metrics are off by some standard
deviations of what the load does not explain, up or down, for five or ten minutes. A fault is found
when a metric is flagged while it lasts, and alarms when an incident overlaps it. False rows and
incidents are those elsewhere. In `alone`, each metric is a separate entity.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

import mad

METRICS, ROWS, FAULTS = 20, 3 * 1440, 8
START = pd.Timestamp("2026-03-02", tz="UTC")


def host(
    rng: np.random.Generator, name: str, off: float, minutes: int
) -> tuple[pd.DataFrame, list[int]]:
    """The metrics of a host and the starts of its faults; none if `off` is 0."""
    at = np.arange(ROWS)
    memory = rng.choice([0.5, 0.9, 0.98])
    load = np.zeros(ROWS)
    for row, noise in enumerate(rng.normal(size=ROWS) * np.sqrt(1 - memory**2)):
        load[row] = memory * load[row - 1] + noise
    load += rng.choice([0.0, 0.5, 1.5]) * np.sin(2 * np.pi * at / 1440 + rng.uniform(0, 6))
    weight = rng.uniform(0.2, 0.9, METRICS)
    own = np.sqrt(1 - weight**2)
    values = weight * load[:, None] + own * rng.normal(size=(ROWS, METRICS))
    slots = np.arange(ROWS // 3, ROWS - 60, 60)
    starts = sorted(rng.choice(slots, FAULTS, replace=False).tolist()) if off else []
    for start in starts:
        for metric in rng.choice(METRICS, 5, replace=False):
            values[start : start + minutes, metric] += off * rng.choice([-1, 1]) * own[metric]
    level, scatter = 10 ** rng.uniform(0, 4, METRICS), rng.uniform(0.02, 0.3, METRICS)
    skewed = rng.random(METRICS) < 0.25
    values = level * np.where(skewed, np.exp(scatter * values), 1 + scatter * values)
    frame = pd.DataFrame(values, columns=[f"metric_{i:02d}" for i in range(METRICS)])
    frame["timestamp"] = START + pd.to_timedelta(at, unit="min")
    frame = frame.melt("timestamp", var_name="metric")
    return frame.assign(service=name), starts


def measure(seed: int, hosts: int, off: float, minutes: int) -> np.ndarray:
    """For metrics alone and together: faults, found, alarms, rows, false rows, false incidents."""
    rng = np.random.default_rng([seed, round(10 * off), minutes])
    made = [host(rng, f"host-{i}", off, minutes) for i in range(hosts)]
    table = pd.concat([frame for frame, _ in made])
    alone = table.assign(service=table["service"] + ":" + table["metric"])
    return np.array([count(one, made, minutes) for one in (alone, table)])


def count(
    table: pd.DataFrame, made: list[tuple[pd.DataFrame, list[int]]], minutes: int
) -> list[int]:
    report = mad.detect(metrics=table)
    points = report.scored_metrics.to_pandas()
    points = points[points["is_anomaly"]]
    row = ((pd.to_datetime(points["bucket_ts"]) - START) / pd.Timedelta(minutes=1)).astype(int)
    of = points["service"].str.split(":").str[0]
    spans = [
        (
            one.service.split(":")[0],
            *((time - START).total_seconds() / 60 for time in (one.start, one.end)),
        )
        for one in report.incidents
    ]
    out = np.zeros(6, int)
    for place, (_, starts) in enumerate(made):
        flagged = np.zeros(ROWS, bool)
        flagged[row[of == f"host-{place}"]] = True
        flagged[: ROWS // 3] = False
        own = [(a, b) for name, a, b in spans if name == f"host-{place}" and b > ROWS // 3]
        calm = np.arange(ROWS) >= ROWS // 3
        for start in starts:
            out[1] += flagged[start : start + minutes].any()
            out[2] += any(a < start + minutes + 5 and b > start for a, b in own)
            calm[start : start + minutes + 10] = False
        out[0] += len(starts)
        out[3] += calm.sum()
        out[4] += (flagged & calm).sum()
        out[5] += sum(calm[int(a)] for a, _ in own)
    return out.tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2, help="how many (default: 2)")
    parser.add_argument("--hosts", type=int, default=8, help="hosts of a seed (default: 8)")
    args = parser.parse_args()
    print(
        "off minutes | faults | found alone, together | alarms | false in 10,000 rows | incidents"
    )
    for off, minutes in ((0.0, 5), (2.0, 10), (2.5, 5), (2.5, 10), (3.5, 5), (3.5, 10)):
        total = sum(measure(seed, args.hosts, off, minutes) for seed in range(args.seeds))
        (faults, *alone), (_, *both) = total.tolist()
        rates = [10_000 * one[3] / one[2] for one in (alone, both)]
        print(
            f"{off} {minutes} | {faults} | {alone[0]}, {both[0]} | {alone[1]}, {both[1]}"
            f" | {rates[0]:.2f}, {rates[1]:.2f} | {alone[4]}, {both[4]}",
            flush=True,
        )


if __name__ == "__main__":
    main()
