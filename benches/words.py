"""Compares every number, time and comparison of explanations with the written files.

    python benches/words.py [--incidents 10000] [--from SEED] [--recordings FILE...]

Worlds of requests, metrics, spans and logs with random faults are simulated and analysed until
there are enough incidents; recordings of metrics come first. The sentences of incidents.json,
report.html and `mad explain` are checked against scored.csv, features.csv and the input. Each
disagreement is printed with the seed of its world. The last line names the seed with which --from
continues. Exit code 1: a sentence disagrees.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "python"))
from test_truth import disagreements
from truth_files import read
from truth_pages import check_page, check_text
from truth_sentences import check
from truth_worlds import KINDS

from mad.cli.progress import Progress
from mad.detection.directory import detect_into


def recorded(path: Path, folder: Path) -> tuple[int, list[str]]:
    """The number of incidents of a recording of metrics, and its disagreements."""
    detect_into(folder / "out", {"metrics": [str(path)]})
    files = read(folder)
    page = (folder / "out" / "report.html").read_text()
    found = [
        f"{path} {incident['id']}: {problem}"
        for incident in files.incidents
        for problem in (*check(files, incident), *check_page(incident, page), *check_text(incident))
    ]
    return len(files.incidents), found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--incidents", type=int, default=10_000, help="how many (default: 10,000)")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    parser.add_argument("--recordings", type=Path, nargs="*", default=[], help="files of metrics")
    args = parser.parse_args()
    seed, incidents, wrong = args.first, 0, 0
    with (
        tempfile.TemporaryDirectory(prefix="words-") as name,
        Progress("incidents", args.incidents, worth=True, unit="incidents") as bar,
    ):
        folder = Path(name)
        recordings = list(args.recordings)
        while incidents < args.incidents:
            if recordings:
                more, found = recorded(recordings.pop(0), folder)
            else:
                more, found = disagreements(folder, seed, KINDS[seed % len(KINDS)])
                seed += 1
            incidents, wrong = incidents + more, wrong + bool(found)
            for problem in found:
                print(problem, flush=True)
            shutil.rmtree(folder)
            folder.mkdir()
            bar.reached(incidents)
    print(
        f"{incidents:,} incidents of {seed - args.first:,} worlds: {wrong:,} worlds with a"
        f" sentence that the files contradict. Continue with --from {seed}."
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
