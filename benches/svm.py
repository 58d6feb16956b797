"""The one-class SVM against scikit-learn: time of fit and decisions, and agreement.

    cargo build --release -p mad-benches --bin model-peers
    python benches/svm.py [--program target/release/model-peers]

Prints a line for each size of table: milliseconds of the quickest of three fits and of all
decisions, the largest difference of two decisions, and the share of rows on the same side of the
border. Both use one core; the start of a process does not count.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import time

# one thread each, before numpy and scikit-learn read it
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

NU = 0.05
SIZES = ((400, 1), (400, 4), (2_000, 10), (20_000, 10))
Array = NDArray[np.float64]


def table(rows: int, features: int) -> Array:
    """Noise with one row in twenty far out."""
    random = np.random.default_rng(1)
    data = random.normal(size=(rows, features))
    data[: rows // 20] += 6.0
    return data


def theirs(data: Array) -> tuple[Array, float, float]:
    """Decisions, and seconds of fit and decisions."""
    begin = time.perf_counter()
    scaler = StandardScaler().fit(data)
    model = OneClassSVM(nu=NU, gamma="scale", tol=1e-6).fit(scaler.transform(data))
    middle = time.perf_counter()
    decisions = model.decision_function(scaler.transform(data))
    return decisions, middle - begin, time.perf_counter() - middle


def mine(data: Array, program: str) -> tuple[Array, float, float]:
    """The same of mad."""
    text = io.StringIO()
    np.savetxt(text, data, delimiter=",", fmt="%.17g")
    call = [program, "svm", str(NU)]
    done = subprocess.run(
        call, input=text.getvalue(), capture_output=True, text=True, check=True, timeout=600
    )
    lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    fit, score = (float(one) for one in lines["seconds"].split())
    return np.array(lines["decisions"].split(), dtype=float), fit, score


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="target/release/model-peers")
    program = parser.parse_args().program
    print("     rows features   mad fit  decide   sklearn fit  decide   difference  same side")
    for rows, features in SIZES:
        data = table(rows, features)
        runs = [(mine(data, program), theirs(data)) for _ in range(3)]
        times = np.array([[*own[1:], *other[1:]] for own, other in runs]).min(axis=0) * 1e3
        own, other = runs[0][0][0], runs[0][1][0]
        print(
            f"{rows:9,} {features:8} {times[0]:9.1f} {times[1]:7.1f} {times[2]:13.1f} "
            f"{times[3]:7.1f} {np.abs(own - other).max():12.1e} "
            f"{np.mean((own < 0) == (other < 0)):10.4f}"
        )


if __name__ == "__main__":
    main()
