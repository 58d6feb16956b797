"""Realised against promised false alarms on quiet simulated series of 200 kinds.

    python benches/quiet.py [--seeds N] [--rows N] [--threshold T] [--kinds PREFIX]

A kind is one of 25 distributions at one of eight steps, from a second to an hour; no series has an
anomaly. The promise of a threshold t is one alarm in 10^(4 t / (1 - t)) rows: one in ten thousand
at 0.5. The first tenth of the rows is left out, as in the scores of the public sets. Flagged rows
up to seven rows apart are one alarm. The intervals are those of Poisson counts with 95 %
confidence.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

import mad

Floats = npt.NDArray[np.float64]
Make = Callable[[np.random.Generator, Floats], Floats]

STEPS = (1, 5, 10, 30, 60, 300, 900, 3600)
DAY = 86_400
TOGETHER = 7


def correlated(rng: np.random.Generator, count: int, r: float) -> Floats:
    """An AR(1) process with variance 1."""
    noise = rng.normal(size=count) * np.sqrt(1 - r * r)
    out = np.empty(count)
    last = rng.normal()
    for place, one in enumerate(noise):
        last = r * last + one
        out[place] = last
    return out


def day(at: Floats) -> Floats:
    """The rhythm of a day, from -1 to 1, with a sharper evening than morning."""
    turn = 2 * np.pi * at / DAY
    return np.sin(turn) * 0.8 + 0.2 * np.sin(2 * turn + 1)


def week(at: Floats) -> Floats:
    """1 on working days, 0.4 at the weekend."""
    return np.where((at // DAY) % 7 < 5, 1.0, 0.4)


def spikes(rng: np.random.Generator, at: Floats, share: float, height: float) -> Floats:
    """Single spikes at random times in a share of the rows."""
    return np.where(rng.random(at.size) < share, height * rng.lognormal(0, 0.3, at.size), 0.0)


KINDS: dict[str, Make] = {
    "normal": lambda g, t: 100 + 5 * g.normal(size=t.size),
    "uniform": lambda g, t: g.uniform(0, 1, t.size),
    "laplace": lambda g, t: 50 + g.laplace(0, 2, t.size),
    "student 3": lambda g, t: 20 + g.standard_t(3, t.size),
    "lognormal 0.5": lambda g, t: g.lognormal(3, 0.5, t.size),
    "lognormal 1.5": lambda g, t: g.lognormal(0, 1.5, t.size),
    "pareto 2": lambda g, t: g.pareto(2, t.size),
    "ar 0.5": lambda g, t: correlated(g, t.size, 0.5),
    "ar 0.9": lambda g, t: 10 + correlated(g, t.size, 0.9),
    "ar 0.99": lambda g, t: 10 + correlated(g, t.size, 0.99),
    "poisson 0.05": lambda g, t: g.poisson(0.05, t.size).astype(float),
    "poisson 2": lambda g, t: g.poisson(2, t.size).astype(float),
    "poisson 50": lambda g, t: g.poisson(50, t.size).astype(float),
    "zero inflated": lambda g, t: np.where(g.random(t.size) < 0.9, 0.0, g.gamma(2, 20, t.size)),
    "ties": lambda g, t: np.round(3 + 0.4 * g.normal(size=t.size)),
    "mostly constant": lambda g, t: 7 + (g.random(t.size) < 0.02).astype(float),
    "percent": lambda g, t: 100 * g.beta(20, 2, t.size),
    "two levels": lambda g, t: (
        np.where(np.cumsum(g.random(t.size) < 0.01) % 2, 80.0, 20.0) + g.normal(size=t.size)
    ),
    "sawtooth": lambda g, t: np.arange(t.size) % 500 / 5 + g.normal(size=t.size),
    "trend": lambda g, t: 1e3 + np.arange(t.size) * 0.05 + 5 * g.normal(size=t.size),
    "daily": lambda g, t: 100 + 40 * day(t) + 3 * g.normal(size=t.size),
    "daily counts": lambda g, t: g.poisson(200 * (1.2 + day(t))).astype(float),
    "weekly": lambda g, t: week(t) * (100 + 60 * day(t)) + 4 * g.normal(size=t.size),
    "daily scatter": lambda g, t: 50 + (1.2 + day(t)) * 5 * g.normal(size=t.size),
    "spikes": lambda g, t: g.gamma(4, 1, t.size) + spikes(g, t, 0.003, 60),
}


def alarms(flags: npt.NDArray[np.bool_]) -> int:
    """Alarms of flagged rows: rows up to seven apart are one."""
    rows = np.flatnonzero(flags)
    return int(rows.size > 0) + int((np.diff(rows) > TOGETHER).sum())


def realised(make: Make, step: int, seeds: int, rows: int, threshold: float) -> tuple[int, int]:
    """Alarms and rows of one kind."""
    found = judged = 0
    for seed in range(seeds):
        rng = np.random.default_rng([seed, step])
        at = (np.arange(rows) * step + 1_700_006_400).astype(np.float64)
        config = {"score": {"threshold": threshold}}
        scores = mad.score_series((at * 1000).astype(np.int64), make(rng, at), config)
        found += alarms(scores.is_anomaly[rows // 10 :])
        judged += rows - rows // 10
    return found, judged


def interval(count: int) -> tuple[float, float]:
    """A 95 % interval of a Poisson mean (Byar's approximation)."""
    low = count * (1 - 1 / (9 * count) - 1.96 / (3 * count**0.5)) ** 3 if count else 0.0
    above = count + 1
    return low, above * (1 - 1 / (9 * above) + 1.96 / (3 * above**0.5)) ** 3


def measure(arguments: argparse.Namespace) -> Iterator[tuple[str, int, int, float]]:
    """Name, step, alarms and promised alarms of each kind."""
    decades = 4 * arguments.threshold / (1 - arguments.threshold)
    for name, make in KINDS.items():
        if not name.startswith(arguments.kinds):
            continue
        for step in STEPS:
            found, judged = realised(
                make, step, arguments.seeds, arguments.rows, arguments.threshold
            )
            yield name, step, found, judged * 10.0**-decades


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--kinds", default="")
    arguments = parser.parse_args()
    ratios, above, below, total = [], 0, 0, 0
    of_kind: dict[str, list[float]] = {}
    for name, _, found, promised in measure(arguments):
        ratio = found / promised
        ratios.append(ratio)
        of_kind.setdefault(name, []).append(ratio)
        low, high = interval(found)
        above += low > 2 * promised
        below += high < promised / 2
        total += 1
    print("realised / promised alarms by step, s:")
    print(f"{'':16s}" + "".join(f"{step:>8d}" for step in STEPS))
    for name, row in of_kind.items():
        print(f"{name:16s}" + "".join(f"{ratio:8.2f}" for ratio in row))
    print(f"{total} kinds, {arguments.seeds * arguments.rows * 9 // 10} rows each")
    print(f"median {np.median(ratios):.2f}, 95th percentile {np.quantile(ratios, 0.95):.2f}")
    within = (np.array(ratios) <= 2.0).mean()
    print(f"at most twice the promise: {within:.1%}")
    print(f"above twice the promise with 95 % confidence: {above} kinds")
    print(f"below half of it with 95 % confidence: {below} kinds")


if __name__ == "__main__":
    main()
