"""A million spans from an Arrow table with dictionary columns into a graph, on one core.

    python benches/graph.py [--spans 1000000]

CPU seconds of the call alone, the best of three. The exit code is 1 when the goal is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

import numpy as np

GOAL = 2.0
CHAIN = 10


def table(spans: int, services: int = 50) -> Any:
    """Traces of ten spans, client and server halves in turn, in order of their ends."""
    import pyarrow as pa

    traces = spans // CHAIN
    number = np.arange(traces * CHAIN, dtype=np.int64)
    trace, depth = number // CHAIN, CHAIN - 1 - number % CHAIN
    ids = pa.array([f"{i:016x}" for i in range(len(number))])
    parents = pa.array(
        [f"{i + 1:016x}" if deep else None for i, deep in enumerate((depth > 0).tolist())]
    )
    trace_ids = pa.array([f"{i:032x}" for i in range(traces)])

    def names(codes: Any, of: list[str]) -> Any:
        return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(of))

    service = (trace * 7 + (depth + 1) // 2 * (1 + trace % 3)) % services
    return pa.table(
        {
            "trace_id": names(trace, trace_ids.to_pylist()),
            "span_id": ids,
            "parent_id": parents,
            "service": names(service, [f"service-{i}" for i in range(services)]),
            "operation": names(depth, [f"GET /{i}" for i in range(CHAIN)]),
            "start": pa.array(trace * 1_000_000 + 1_767_657_600_000_000_000).cast(
                pa.timestamp("ns", "UTC")
            ),
            "duration_ms": pa.array(
                100.0 - 9.0 * depth + np.random.default_rng(1).random(len(number))
            ),
            "status": names((trace % 50 == 0).astype(int), ["ok", "error"]),
            "kind": names(depth % 2, ["server", "client"]),
        }
    )


def main() -> int:
    """Prints the figure; 1 when the goal is missed."""
    import mad

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--spans", type=int, default=1_000_000)
    args = parser.parse_args()
    spans = table(args.spans)
    best = float("inf")
    for _ in range(3):
        graph, before = mad.ServiceGraph(), sum(os.times()[:2])
        graph.add(spans)
        services = len(graph.nodes())
        best = min(best, sum(os.times()[:2]) - before)
    calls = int(graph.edges()["calls"].sum())
    goal = GOAL * args.spans / 1_000_000
    print(f"{len(spans):,} spans: {services} services, {len(graph.edges())} edges, {calls:,} calls")
    print(f"{best:.2f} s of CPU, goal {goal:.2f}")
    return int(best > goal)


if __name__ == "__main__":
    sys.exit(main())
