"""Flagged normal rows of labelled public series at each sensitivity, beside what it promises.

    python benches/promise.py DATA [SCORER]

DATA is the folder of labelled series, SCORER the script that reads them (../../bench/detection.py
of DATA unless given). Normal are the rows that are scored and lie more than 60 rows from a labelled
run.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from halves import series_of
from scorers import module

import mad

SETS = ("microsoft", "kpi", "wsd")
# Rows beside a labelled run that may belong to it.
NEAR = 60
PROMISED = {"low": 0.1, "medium": 1.0, "high": 10.0}


def flagged(one: Any, sensitivity: str) -> tuple[int, int]:
    """Flagged and all normal rows of a series."""
    found = mad.score_series(one["ts"], one["x"], {"score": {"sensitivity": sensitivity}})
    near = np.convolve(one["y"].astype(float), np.ones(2 * NEAR + 1), "same") > 0
    normal = ~near
    normal[: one["start"]] = False
    return int((found.is_anomaly & normal).sum()), int(normal.sum())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("scorer", type=Path, nargs="?")
    arguments = parser.parse_args()
    detection = module(arguments.scorer or arguments.data.parent.parent / "bench/detection.py")
    print("flagged of 10,000 normal rows: median series, 90th percentile of the series, all rows")
    for name in SETS:
        data = series_of(name, detection, arguments.data)
        if not data:
            print(f"{name}: no series in {arguments.data / name}")
            continue
        for sensitivity, promised in PROMISED.items():
            counts = np.array([flagged(one, sensitivity) for one in data.values()])
            counts = counts[counts[:, 1] > 0]
            rates = 1e4 * counts[:, 0] / counts[:, 1]
            median, most = np.quantile(rates, [0.5, 0.9])
            whole = 1e4 * counts[:, 0].sum() / counts[:, 1].sum()
            print(
                f"{name:10s} {sensitivity:7s} promised {promised:4.1f}"
                f"  {median:7.2f} {most:7.2f} {whole:7.2f}  of {counts[:, 1].sum():,} rows"
            )


if __name__ == "__main__":
    main()
