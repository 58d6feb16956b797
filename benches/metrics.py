"""Metrics and state: CPU beside pandas, the size and time of a checkpoint, memory at the limit.

    python benches/metrics.py [--quick]

Each figure is taken in a separate child process: CPU seconds of the call alone, peak memory as
the kernel says it (`ru_maxrss`). The exit code is 1 when a goal is missed. `--quick` is a smoke run
over small inputs: its figures are printed and not judged.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from typing import Any

import numpy as np

START = 1_767_657_600_000_000_000
MINUTE = 60_000_000_000
WINDOW = 240
STATE_BYTES, STATE_SECONDS = 8_000, 1.0


def cpu() -> float:
    """CPU seconds of this process so far."""
    return sum(os.times()[:2])


def table(series: int, minutes: int) -> Any:
    """Points of many series in rounds, minute after minute, names in dictionaries."""
    import pyarrow as pa

    values = np.abs(np.random.default_rng(1).standard_normal(series * minutes)) * 10 + 50
    times = START + np.repeat(np.arange(minutes, dtype=np.int64) * MINUTE, series)
    number = np.arange(series, dtype=np.int32)

    def names(code: Any, of: list[str]) -> Any:
        return pa.DictionaryArray.from_arrays(np.tile(code, minutes), pa.array(of))

    return pa.table(
        {
            "timestamp": pa.array(times).cast(pa.timestamp("ns", "UTC")),
            "service": names(number // 4, [f"service-{i}" for i in range(-(-series // 4))]),
            "metric": names(number % 4, ["cpu", "memory", "latency", "rate"]),
            "value": pa.array(values),
        }
    )


def detect_metrics(series: int, minutes: int, full: int) -> None:
    """`mad.detect_metrics`, at its defaults or by median and MAD alone."""
    import mad

    points = table(series, minutes)
    before = cpu()
    report = mad.detect_metrics(points, {"score": {"profile": "full" if full else "mad"}})
    print(cpu() - before, len(report.scored_metrics))


def pandas_median(series: int, minutes: int) -> None:
    """The rolling median of each series alone: no MAD, no score, no incidents."""
    frame = table(series, minutes).to_pandas()
    before = cpu()
    grouped = frame.groupby(["service", "metric"], observed=True)["value"]
    median = grouped.rolling(WINDOW).median()
    print(cpu() - before, len(median))


def checkpoint(entities: int, minutes: int) -> None:
    """Saves and restores the state of entities of four signals, their history full."""
    import pyarrow as pa

    import mad

    pipeline, random = mad.Pipeline(), np.random.default_rng(1)
    services = pa.array(np.tile([f"service-{i}" for i in range(entities)], 4))
    for minute in range(minutes):
        seconds = np.repeat(np.arange(4, dtype=np.int64) * 10_000_000_000, entities)
        times = pa.array(START + minute * MINUTE + seconds).cast(pa.timestamp("ns", "UTC"))
        columns = {
            "timestamp": times,
            "service": services,
            "endpoint": pa.array(["/pay"] * len(services)),
            "status_code": pa.array(np.where(random.random(len(services)) < 0.01, 500, 200)),
            "latency_ms": pa.array(random.lognormal(3.0, 0.3, len(services))),
        }
        pipeline.ingest(pa.table(columns))
    begin = cpu()
    saved = pipeline.checkpoint()
    between = cpu()
    restored = mad.Pipeline.restore(None, saved)
    end = cpu()
    if restored.checkpoint() != saved:
        raise SystemExit("the restored state is another")
    print(between - begin, end - between, len(saved) / (4 * entities))


def names(count: int) -> None:
    """A new name for every record: peak memory, and the counters."""
    import pyarrow as pa

    import mad

    pipeline = mad.Pipeline({"limits": {"entities": 1_000}})
    batch = 10_000
    for first in range(0, count, batch):
        numbers = np.arange(first, first + batch, dtype=np.int64)
        columns = {
            "timestamp": pa.array(START + numbers * 1_000_000).cast(pa.timestamp("ns", "UTC")),
            "service": pa.array([f"pod-{number}" for number in numbers]),
            "endpoint": pa.array(["/"] * batch),
            "status_code": pa.array(np.full(batch, 200)),
            "latency_ms": pa.array(np.full(batch, 5.0)),
        }
        pipeline.ingest(pa.table(columns))
        if first == 0:
            base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) * 1024 / 1e6
    print(more, len(pipeline.checkpoint()))


PROGRAMS = {run.__name__: run for run in (detect_metrics, pandas_median, checkpoint, names)}


def child(name: str, *arguments: int) -> list[float]:
    """Runs one of the programs in a separate process and returns the numbers that it prints."""
    command = [sys.executable, __file__, name, *map(str, arguments)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [float(word) for word in output.split()]


def main() -> int:
    """Measures everything."""
    parser = argparse.ArgumentParser(description="metrics and state, measured")
    parser.add_argument("--quick", action="store_true", help="a smoke run; nothing is judged")
    quick = parser.parse_args().quick
    series, minutes = (100, 300) if quick else (10_000, 1_440)
    ours, points = child("detect_metrics", series, minutes, 1)
    fast, _ = child("detect_metrics", series, minutes, 0)
    peer, same = child("pandas_median", series, minutes)
    if points != same:
        raise SystemExit(f"mad judged {points} points, pandas {same}")
    entities = 100 if quick else 2_500
    save, restore, size = child("checkpoint", entities, 20 if quick else 300)
    many = 100_000 if quick else 1_000_000
    more, state = child("names", many)
    figures = [
        (
            f"detect_metrics, {series:,} series x {minutes:,} points | "
            f"pandas groupby.rolling({WINDOW}).median: CPU",
            f"{ours:.2f} s | {peer:.2f} s, ratio {ours / peer:.2f}",
            "<= 4",
            ours <= 4 * peer,
        ),
        (
            f'the same, score.profile = "mad", window {WINDOW}',
            f"{fast:.2f} s | {peer:.2f} s, ratio {fast / peer:.2f}",
            "<= 1",
            fast <= peer,
        ),
        (
            f"checkpoint of {4 * entities:,} series: bytes a series",
            f"{size:,.0f}",
            f"<= {STATE_BYTES:,}",
            size <= STATE_BYTES,
        ),
        (
            "the same: saved, restored",
            f"{save:.2f} s, {restore:.2f} s",
            f"<= {STATE_SECONDS:g} s",
            max(save, restore) <= STATE_SECONDS,
        ),
        (
            f"{many:,} names, limits.entities = 1,000: memory after the first 10,000 records",
            f"{more:+.1f} MB, state {state / 1e6:.1f} MB",
            "<= 20 MB",
            more <= 20,
        ),
    ]
    for what, figure, goal, met in figures:
        print(f"{what}: {figure}, goal {goal}: {'met' if met else 'MISSED'}")
    if quick:
        print("A smoke run: nothing is judged.")
        return 0
    return 0 if all(met for *_, met in figures) else 1


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in PROGRAMS:
        PROGRAMS[sys.argv[1]](*map(int, sys.argv[2:]))
    else:
        sys.exit(main())
