"""mad beside its peers: CPU, memory and the rolling MAD, each as a ratio of one run.

    python benches/peers.py [--quick] [--repeats N]

Every program runs as a child process. Its CPU seconds and its peak memory are what the kernel
says at its end (`os.wait4`: user and system time, `ru_maxrss`), imports included. Programs that
are compared take turns, and a figure is the median of the repeats. The exit code is 1 when a goal
is missed or when results differ. `--quick` is a smoke run over small inputs: starting up is most
of what it measures, so its figures are printed and not judged.

This process imports nothing beyond the standard library: a child's `ru_maxrss` counts what its
parent held when it was started.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = Path(__file__).parent / "peer_programs.py"
MOST_CPU_RATIO = 3.0
MOST_MEMORY_MB = 100.0
LEAST_OVER_DUCKDB = 9.0
LEAST_OVER_PANDAS = 150.0
CLOSE_ENOUGH = 1e-9


@dataclass(frozen=True)
class CommandRun:
    """What a child process took."""

    cpu: float
    megabytes: float
    output: str


@dataclass(frozen=True)
class Figure:
    """A line of the table; `met` is None where there is no goal."""

    what: str
    ours: str
    peer: str
    ratio: str
    goal: str = ""
    met: bool | None = None


def run(*command: str | Path) -> CommandRun:
    """Runs a command to its end and says what it took."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen([str(part) for part in command], stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"{command[0]} ended with {process.returncode}: {command}")
        output.seek(0)
        cpu = usage.ru_utime + usage.ru_stime
        return CommandRun(cpu, usage.ru_maxrss * 1024 / 1e6, output.read())


def peer(name: str, *arguments: str | Path) -> CommandRun:
    """Runs one of the peers."""
    return run(sys.executable, PROGRAMS, name, *arguments)


def mad(*arguments: str | Path) -> CommandRun:
    """Runs the command line as installed."""
    installed = Path(sys.executable).with_name("mad")
    found = str(installed) if installed.exists() else shutil.which("mad")
    if found is None:
        raise SystemExit("the command mad is not installed: make build")
    return run(found, *arguments)


def simulate(rows: int, hours: int, directory: Path) -> Path:
    """Makes a file of requests."""
    where = directory / f"shop-{rows}"
    mad(
        *("simulate", "--rows", str(rows), "--duration", f"{hours}h"),
        *("--seed", "1", "--start", "2026-01-06T10:00:00Z", "--no-labels", "--out", where),
    )
    return where / "requests.csv"


def seconds(value: float) -> str:
    """Seconds, or milliseconds below one."""
    return f"{value:.2f} s" if value >= 1.0 else f"{value * 1e3:.1f} ms"


def whole_process(requests: Path, directory: Path, repeats: int) -> list[Figure]:
    """`mad detect` against DuckDB's features and the original's method in pandas."""
    ours, features = directory / "ours", directory / "duckdb.csv"
    table = directory / "pandas.csv"
    cpu: dict[str, list[float]] = {"mad": [], "duckdb": [], "vectorised": [], "rows": []}
    for turn in range(repeats):
        cpu["mad"].append(mad("detect", requests, "--out", ours).cpu)
        cpu["duckdb"].append(peer("duckdb_features", requests, features).cpu)
        if turn < max(1, repeats // 2):
            cpu["vectorised"].append(peer("pandas_vectorised", requests, table).cpu)
        if turn == 0:
            cpu["rows"].append(peer("pandas_rows", requests, table).cpu)
    rows, equal, apart = peer("agree", ours / "features.csv", features).output.split()
    if rows != equal or float(apart) > CLOSE_ENOUGH:
        raise SystemExit(f"{equal} of {rows} feature rows are DuckDB's; {apart} apart at most")
    median = {name: statistics.median(times) for name, times in cpu.items()}
    mine = median["mad"]
    ratio = mine / median["duckdb"]
    figures = [
        Figure(
            "detect, all files written | DuckDB, features alone: CPU",
            seconds(mine),
            seconds(median["duckdb"]),
            f"{ratio:.2f}",
            f"<= {MOST_CPU_RATIO:g}",
            ratio <= MOST_CPU_RATIO,
        )
    ]
    for name, label in (("vectorised", "vectorised"), ("rows", "row by row, as written")):
        times = f"{median[name] / mine:.1f} times faster"
        what = f"detect | the original's method in pandas, {label}: CPU"
        figures.append(Figure(what, seconds(mine), seconds(median[name]), times))
    print(f"{rows} feature rows equal DuckDB's, {float(apart):.1e} apart at most.", flush=True)
    return figures


def memory(requests: Path, rows: int, directory: Path) -> Figure:
    """Peak memory of `mad detect`."""
    used = mad("detect", requests, "--out", directory / "memory").megabytes
    return Figure(
        f"detect, {rows:,} requests: peak memory",
        f"{used:.1f} MB",
        "",
        "",
        f"< {MOST_MEMORY_MB:g} MB",
        used < MOST_MEMORY_MB,
    )


def rolling(values: int, repeats: int) -> list[Figure]:
    """`mad.rolling_mad` against DuckDB's window and pandas' rolling apply."""
    lines = peer("rolling", str(values), str(repeats)).output.splitlines()
    median = {
        name: statistics.median(map(float, times))
        for name, *times in (line.split() for line in lines)
    }
    mine = median["mad"]
    goals = (
        ("duckdb-1", "DuckDB mad() OVER, one thread", LEAST_OVER_DUCKDB),
        # one core against one; what it gains from more is printed, and depends on the machine
        ("duckdb", f"DuckDB mad() OVER, its default ({os.cpu_count()} cores)", None),
        ("pandas", "pandas rolling.apply", LEAST_OVER_PANDAS),
    )
    return [
        Figure(
            f"rolling_mad, window 240, {values:,} values | {label}: time",
            seconds(mine),
            seconds(median[name]),
            f"{median[name] / mine:.1f} times faster",
            "" if goal is None else f">= {goal:g} times",
            None if goal is None else median[name] / mine >= goal,
        )
        for name, label, goal in goals
    ]


def show(figures: list[Figure]) -> None:
    """Prints the table."""
    head = Figure("figure", "mad", "peer", "ratio", "goal")
    rows = [(f.what, f.ours, f.peer, f.ratio, f.goal) for f in (head, *figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    verdicts = ["", *({None: "", True: "met", False: "MISSED"}[f.met] for f in figures)]
    print()
    for row, verdict in zip(rows, verdicts, strict=True):
        cells = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
        print("  ".join([*cells, verdict]).rstrip())


def main() -> int:
    """Measures everything."""
    parser = argparse.ArgumentParser(description="mad beside its peers")
    parser.add_argument("--quick", action="store_true", help="a smoke run; nothing is judged")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="default: 5")
    args = parser.parse_args()
    repeats = 1 if args.quick else max(1, args.repeats)
    rows, hours = (20_000, 4) if args.quick else (1_000_000, 200)
    with tempfile.TemporaryDirectory(prefix="mad-peers-") as name:
        directory = Path(name)
        requests = simulate(rows, hours, directory)
        figures = whole_process(requests, directory, repeats)
        figures.append(memory(requests, rows, directory))
        requests.unlink()
        figures.append(memory(simulate(10 * rows, hours, directory), 10 * rows, directory))
    figures += rolling(5_000 if args.quick else 200_000, repeats)
    show(figures)
    if args.quick:
        print("\nA smoke run: nothing is judged.")
        return 0
    return 1 if any(figure.met is False for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
