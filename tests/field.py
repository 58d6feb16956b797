"""Runs the situations of a folder of field cases and fails if one is answered wrongly.

`python tests/field.py DIR [--reported NAME]...`: DIR holds `cases.py`. Cases with a reported
kind or id are printed when they are wrong and do not fail the run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--reported", action="append", default=[], metavar="NAME")
    args = parser.parse_args()
    done = subprocess.run(
        [sys.executable, str(args.folder / "cases.py"), "--json"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    answer = json.loads(done.stdout)
    wrong = [case for case in answer["cases"] if case["state"] == "WRONG"]
    for case in wrong:
        print(f"{case['id']} ({case['kind']}): {case['got']} | right: {case['right']}")
    failed = [case for case in wrong if not {case["kind"], case["id"]} & set(args.reported)]
    print(f"field cases: {answer['right']} of {answer['of']} right, {len(failed)} fail the run")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
