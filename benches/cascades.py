"""Who is blamed for incidents that are seen in spans alone: the checkout's scenarios, and chains of
two to six services whose last fails or is slow, over half an hour and an hour and a half.

    python benches/cascades.py [--seeds 20] [--missing 0.0]

For each scenario, the number of seeds in which an incident was found, in which each incident of
that time names the right one first, by which signals, and incidents at other times. Exits 1 when
one is not found or not named.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import mad
from mad import _core

TRACES_A_MINUTE = 30
SHOP = ("slow-payment", "failing-inventory", "cascade", "slow-network")


def cases() -> Iterator[tuple[str, int]]:
    """Scenarios and depths."""
    yield from ((scenario, 2) for scenario in SHOP)
    yield from ((scenario, depth) for scenario in ("errors", "delays") for depth in range(2, 7))


def blamed(
    spans: Path, scenario: str, depth: int, minutes: int, seed: int, missing: float
) -> tuple[list[str], bool, int]:
    """What the incidents of that time name, whether all are right, how many others there are."""
    run = _core.TraceSimulation(
        scenario, TRACES_A_MINUTE * minutes, 60.0 * minutes, None, seed, depth, missing
    )
    (truth,) = json.loads(run.truth_json())
    start, end = (datetime.fromisoformat(truth[key]) for key in ("start", "end"))
    spans.write_bytes(run.spans_csv())
    report = mad.detect(spans=spans)
    within = [one for one in report.incidents if one.start < end and start < one.end]
    first = [report.culprits(at=one.end, top_k=1).culprits[:1] for one in within]
    named = [who for found in first for who in found]
    # a way between services by its name; routes are templates, so that the service has to do
    way = truth["endpoint"] if truth["kind"] == "network" else None
    right = [who.service == truth["service"] and way in (None, who.endpoint) for who in named]
    named_first = [f"{who.service}:{who.metric}" for who in named]
    return named_first, bool(right) and all(right), len(report.incidents) - len(within)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--missing", type=float, default=0.0, help="share of spans that are lost")
    args = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        spans = Path(folder) / "spans.csv"
        for minutes in (30, 90):
            for scenario, depth in cases():
                found = right = incidents = others = 0
                signals: Counter[str] = Counter()
                for seed in range(args.seeds):
                    named, is_right, other = blamed(
                        spans, scenario, depth, minutes, seed, args.missing
                    )
                    found += bool(named)
                    right += is_right
                    signals.update(named)
                    incidents, others = incidents + len(named), others + other
                wrong += 2 * args.seeds - found - right
                depths = f" {depth}" if scenario in ("errors", "delays") else ""
                seen = ", ".join(f"{name} {count}" for name, count in signals.most_common(4))
                print(
                    f"{minutes} min  {scenario + depths:18} found {found:3} of {args.seeds}  named"
                    f" first {right:3}  incidents {incidents:3}, at other times {others:2}  {seen}",
                    flush=True,
                )
    print("all found and named" if wrong == 0 else "some not found or not named")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
