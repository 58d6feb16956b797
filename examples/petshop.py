"""The PetShop incidents as metrics files, each with its call graph and its truth. Needs pandas.

    python examples/petshop.py --data DATA --out DIR [--scenario low_traffic] [--rows 120]
    mad detect --metrics DIR/low_traffic/test/issue_0/metrics.csv --out out

DATA is a folder with `<scenario>/graph.csv`, `<scenario>/noissue/metrics.csv` and
`<scenario>/<split>/issue_<n>/`, such as the origin's own `dataset`. What comes out, where the data
is from and under which licence: docs/real-data.md.

An incident's folder holds

    metrics.csv  timestamp, service, metric, value; a row every five minutes: the last rows of
                 normal operation, then the incident. `latency` and `p95` become `latency/p95`.
    edges.csv    caller, callee
    truth.json   the culprit, in the form that `mad evaluate` reads

Normal operation was recorded months after the incidents. Its rows are re-timed so that the last
of them stands one step before the incident; values are never changed. A value that was not
recorded has no row.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pandas as pd


def read_wide(path: Path) -> pd.DataFrame:
    """A recorded file: a row a time, a column a (service, metric/statistic)."""
    wide = pd.read_csv(path, header=[0, 1, 2], index_col=0).astype(float)
    wide.index = pd.to_datetime(wide.index.astype("int64"), unit="s", utc=True)
    names = [(service, f"{metric}/{statistic}") for service, metric, statistic in wide.columns]
    wide.columns = pd.MultiIndex.from_tuples(names, names=["service", "metric"])
    return wide.sort_index()


def read_edges(path: Path) -> pd.DataFrame:
    """The adjacency matrix as a list: row calls column."""
    matrix = pd.read_csv(path, index_col=0)
    calls = [
        (caller, callee)
        for caller in matrix.index
        for callee in matrix
        if matrix.at[caller, callee]
    ]
    return pd.DataFrame(calls, columns=["caller", "callee"])


def incident_step(incident: pd.DataFrame) -> pd.Timedelta:
    """The usual time from row to row."""
    return incident.index.to_series().diff().median()


def with_normal(normal: pd.DataFrame, incident: pd.DataFrame, rows: int) -> pd.DataFrame:
    """The last `rows` rows of normal operation, re-timed to end one step before the incident, and
    the incident."""
    before = normal.tail(rows).copy()
    step = incident_step(incident)
    before.index = pd.DatetimeIndex(
        [incident.index[0] - step * back for back in range(len(before), 0, -1)]
    )
    return pd.concat([before, incident])


def to_long(wide: pd.DataFrame) -> pd.DataFrame:
    """A row a recorded value, by time, service and metric."""
    wide = wide.rename_axis("timestamp")
    long = wide.stack(["service", "metric"], future_stack=True).rename("value").reset_index()
    long["timestamp"] = long["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return long.dropna().sort_values(["timestamp", "service", "metric"], kind="stable")


def truth(label: dict[str, dict[str, str]], incident: pd.DataFrame) -> list[dict[str, object]]:
    """The culprit. The label is a service alone; the incident is all of its rows."""
    end = incident.index[-1] + incident_step(incident)
    return [
        {
            "service": label["root_cause"]["node"],
            "endpoint": "",
            "start": incident.index[0].strftime("%Y-%m-%dT%H:%M:%SZ"),
            "end": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "kind": label["target"]["metric"],
            "affected": [label["target"]["node"]],
        }
    ]


def issues(scenario: Path) -> list[Path]:
    """The incidents of a scenario, by split and number."""
    found = scenario.glob("*/issue_*")
    return sorted(found, key=lambda path: (path.parent.name, int(path.name.split("_")[1])))


def convert(scenario: Path, out: Path, rows: int) -> int:
    """Writes a folder for each incident of a scenario; gives how many."""
    edges = read_edges(scenario / "graph.csv")
    normal = read_wide(scenario / "noissue" / "metrics.csv")
    found = issues(scenario)
    for issue in found:
        incident = read_wide(issue / "metrics.csv")
        label = json.loads((issue / "target.json").read_text(encoding="utf-8"))
        folder = out / scenario.name / issue.parent.name / issue.name
        folder.mkdir(parents=True, exist_ok=True)
        metrics = to_long(with_normal(normal, incident, rows))
        metrics.to_csv(folder / "metrics.csv", index=False, lineterminator="\n")
        edges.to_csv(folder / "edges.csv", index=False, lineterminator="\n")
        listed = json.dumps(truth(label, incident), indent=2) + "\n"
        (folder / "truth.json").write_text(listed, encoding="utf-8")
    return len(found)


def main() -> int:
    """Reads the arguments, converts, and prints a summary."""
    parser = argparse.ArgumentParser(description="PetShop incidents to metrics files")
    parser.add_argument("--data", type=Path, required=True, help="holds <scenario>/graph.csv")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scenario", help="one alone, such as low_traffic")
    parser.add_argument(
        "--rows", type=int, default=120, help="rows of normal operation before each"
    )
    args = parser.parse_args()
    if args.rows < 1:
        parser.error(f"--rows is {args.rows}; expected 1 or more")
    scenarios = sorted(path.parent for path in args.data.glob(f"{args.scenario or '*'}/graph.csv"))
    if not scenarios:
        print(f"no incidents below {args.data}: it has no {args.scenario or '*'}/graph.csv")
        return 3
    for scenario in scenarios:
        count = convert(scenario, args.out, args.rows)
        print(f"{count} incidents of {scenario.name}, written to {args.out / scenario.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
