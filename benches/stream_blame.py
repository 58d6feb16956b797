"""Who the stream blames on incidents of metrics, with the call graph.

    python examples/petshop.py --data DATA/rca/petshop --out petshop
    python benches/stream_blame.py petshop/low_traffic

Each incident's metrics run through `mad.detect`; `report.culprits()` at their end is compared with
`truth.json`. Prints the share of incidents whose cause is named first, and among the first three.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import mad


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a scenario, as examples/petshop.py writes it")
    parser.add_argument("--minutes", type=float, default=15.0, help="look-back (default: 15)")
    args = parser.parse_args()
    first = three = 0
    issues = sorted(path.parent for path in args.folder.glob("*/issue_*/truth.json"))
    for issue in issues:
        cause = json.loads((issue / "truth.json").read_text())[0]["service"]
        report = mad.detect(metrics=issue / "metrics.csv", edges=issue / "edges.csv")
        ranking = report.culprits(minutes=args.minutes, top_k=3)
        named = [culprit.service for culprit in ranking.culprits]
        first += named[:1] == [cause]
        three += cause in named
    many = max(len(issues), 1)
    print(f"{len(issues)} incidents: first {first / many:.2f}, among three {three / many:.2f}")


if __name__ == "__main__":
    main()
