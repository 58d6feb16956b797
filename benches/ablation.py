"""Ablation of the ranking over metrics: AC@1 / AC@3 on recorded incidents with known culprits, with
one part left out at a time.

    python benches/ablation.py DATA RCA      # DATA holds petshop, nezha_ob, nezha_tt; RCA is rca.py

The extension has to be built with the feature `ablation`, as `make quality-ablation` does. It adds
the setting `without` to `mad.rank_culprits(config=...)`. A setting switches off the search for the
onset; edges, spans and log lines are removed from the input.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from scorers import module

import mad

PARTS: dict[str, dict[str, Any]] = {
    "all": {},
    **{
        f"no {part}": {"config": {"without": [part]}}
        for part in ("floors", "kinds", "alignment", "callee_explanation", "client_views")
    },
    "no find_onset": {"config": {"find_onset": False}},
    "no edges": {"edges": None},
    "no spans": {"spans": None},
    "no logs": {"logs": None},
}
VARIANTS = (("plain", 0, False), ("late", 1, False), ("no reference", 0, True))


def rank(metrics: Any, changed: dict[str, Any], **given: Any) -> mad.MetricRanking:
    return mad.rank_culprits(metrics, **{**given, **changed})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("rca", type=Path)
    arguments = parser.parse_args()
    rca = module(arguments.rca)
    sets = [name for name in rca.SETS if (arguments.data / name).is_dir()]
    cases = {name: list(rca.load(arguments.data, name)) for name in sets}
    columns = [(name, *variant) for name in sets for variant in VARIANTS]
    print("| part | " + " | ".join(f"{name} {variant}" for name, variant, *_ in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for part, changed in PARTS.items():
        cells = []
        for name, _, late, without in columns:
            rows = late and (3 if name == "petshop" else 1)
            how = SimpleNamespace(
                late=rows, no_reference=without, rename=False, no_graph=False, window=120, seed=0
            )
            got = [rca.run(case, partial(rank, changed=changed), how) for case in cases[name]]
            score = rca.summary([row for row in got if row is not None])
            cells.append(f"{score['AC@1']:.3f} / {score['AC@3']:.3f}")
        print(f"| {part} | " + " | ".join(cells) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
