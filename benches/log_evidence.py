"""Counts the seeds of a saturated database whose incident names the template of its time-outs.

    python benches/log_evidence.py [--seeds 50]

Exit code 1: a seed has no such incident.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "python"))
from test_log_evidence import names_the_timeout, saturated


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=50, help="how many (default: 50)")
    args = parser.parse_args()
    named = 0
    for seed in range(args.seeds):
        with tempfile.TemporaryDirectory(prefix="log-evidence-") as name:
            if names_the_timeout(saturated(Path(name), seed)):
                named += 1
            else:
                print(f"seed {seed}: no incident names the time-outs")
    print(f"{named} of {args.seeds} seeds have the time-outs as log evidence")
    return 0 if named == args.seeds else 1


if __name__ == "__main__":
    sys.exit(main())
