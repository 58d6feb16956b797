"""The Isolation Forest against scikit-learn: CPU of fit and score in one run, and agreement.

    python benches/forest.py

Prints JSON: seconds of processor time of the quickest of three runs each, the ratio, and the rank
correlation (Spearman) of the scores: mad against scikit-learn, and scikit-learn against itself with
another seed, which is what two forests of this size can reach.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable

# one thread each, before numpy and scikit-learn read it
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.ensemble import IsolationForest

import mad

ROWS, FEATURES = 100_000, 10
Array = NDArray[np.float64]


def telemetry(seed: int = 1) -> Array:
    """Features as C has them: skewed, of different scales, with one row in fifty far out."""
    random = np.random.default_rng(seed)
    load = random.lognormal(0.0, 0.6, ROWS)
    noise = random.lognormal(0.0, 0.5, (ROWS, FEATURES))
    data = noise * np.geomspace(1.0, 1_000.0, FEATURES)
    data[:, ::2] *= load[:, None]
    data[random.random(ROWS) < 0.02] *= 6.0
    return data


def cpu(work: Callable[[], Array]) -> tuple[float, Array]:
    """Processor time of a call, in seconds, and its result."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def of_mad(data: Array, seed: int) -> Array:
    return mad.IsolationForest(seed=seed).fit(data).score(data)


def of_sklearn(data: Array, seed: int) -> Array:
    forest = IsolationForest(n_estimators=100, max_samples=256, random_state=seed, n_jobs=1)
    return -np.asarray(forest.fit(data).score_samples(data))


def main() -> None:
    data = telemetry()
    seconds: dict[str, list[float]] = {"mad": [], "scikit-learn": []}
    scores: dict[str, Array] = {}
    for run in range(3):
        for name, work in (("mad", of_mad), ("scikit-learn", of_sklearn)):
            spent, scores[f"{name} {run}"] = cpu(lambda work=work, seed=run: work(data, seed))
            seconds[name].append(spent)
    best = {name: min(times) for name, times in seconds.items()}
    pairs = [(a, b) for a in range(3) for b in range(3)]
    agreement = [spearmanr(scores[f"mad {a}"], scores[f"scikit-learn {b}"])[0] for a, b in pairs]
    own = [
        spearmanr(scores[f"scikit-learn {a}"], scores[f"scikit-learn {b}"])[0]
        for a, b in pairs
        if a < b
    ]
    print(
        json.dumps(
            {
                "rows": ROWS,
                "features": FEATURES,
                "cpu_seconds": {name: round(value, 3) for name, value in best.items()},
                "microseconds_a_row": {
                    name: round(value / ROWS * 1e6, 2) for name, value in best.items()
                },
                "times_less_cpu": round(best["scikit-learn"] / best["mad"], 1),
                "rank_correlation": round(float(np.mean(agreement)), 4),
                "rank_correlation_of_two_seeds_of_scikit_learn": round(float(np.mean(own)), 4),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
