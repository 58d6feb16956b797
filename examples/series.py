"""Labelled public series as metrics files, one series a file. Needs pandas.

    python examples/series.py --data DATA --set microsoft|kpi|nab --out DIR
    mad detect --metrics DIR/realKnownCause/nyc_taxi.csv --out out

DATA is a folder with `microsoft`, `kpi` and `nab`, each in its published layout; files may be
gzipped. What comes out, where the data is from and under which licence: docs/real-data.md.

A file holds timestamp, service, metric, value in order of time: the service is the series' name
with its folders, the metric is `value`. Times without a zone are UTC. A value that is missing is
empty. Labels are left out; repeated times stay, since the origins have them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

SETS = {"microsoft": "microsoft", "kpi": "kpi", "nab": "nab/data"}


def files(data: Path, which: str) -> list[Path]:
    """The recorded files of a set."""
    found = (data / SETS[which]).rglob("*")
    return sorted(path for path in found if path.name.endswith((".csv", ".csv.gz")))


def read(path: Path, which: str) -> pd.DataFrame:
    """Times and values of a file, by time. KPI files have no header and Unix seconds."""
    if which == "kpi":
        rows = pd.read_csv(path, header=None, usecols=[0, 1])
        times = pd.to_datetime(rows.iloc[:, 0], unit="s", utc=True)
    else:
        rows = pd.read_csv(path, skipinitialspace=True)
        times = pd.to_datetime(rows.iloc[:, 0], utc=True, format="mixed")
    values = pd.to_numeric(rows.iloc[:, 1], errors="coerce")
    read = pd.DataFrame({"timestamp": times, "value": values})
    return read.sort_values("timestamp", kind="stable")


def convert(data: Path, which: str, out: Path) -> tuple[int, int]:
    """Writes a metrics file for each series; gives how many series and rows."""
    found = files(data, which)
    total = 0
    for path in found:
        name = path.relative_to(data / SETS[which]).as_posix()
        name = name.removesuffix(".gz").removesuffix(".csv")
        table = read(path, which)
        total += len(table)
        table["timestamp"] = table["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        table.insert(1, "service", name)
        table.insert(2, "metric", "value")
        target = out / f"{name}.csv"
        target.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(target, index=False, lineterminator="\n")
    return len(found), total


def main() -> int:
    """Reads the arguments, converts, and prints a summary."""
    parser = argparse.ArgumentParser(description="Labelled public series to metrics files")
    parser.add_argument("--data", type=Path, required=True, help="holds microsoft, kpi, nab")
    parser.add_argument("--set", choices=tuple(SETS), required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if not files(args.data, args.set):
        print(f"no series below {args.data / SETS[args.set]}: it has no *.csv or *.csv.gz")
        return 3
    series, rows = convert(args.data, args.set, args.out)
    print(f"{series} series with {rows:,} rows, written to {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
