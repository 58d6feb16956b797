"""`mad evaluate`: compares a run with the truth."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mad import _core, errors
from mad.cli import arguments
from mad.cli.output import print_json
from mad.detection.directory import METHODS, SCORED_METRICS
from mad.evaluation import truth_json
from mad.report import words
from mad.sinks import files
from mad.sources.files import InputFile

HELP = "compare a run with the truth"
DESCRIPTION = (
    "Prints precision and recall of rows, incidents, kinds of telemetry and the methods of "
    "--scorer, delays and culprit ranks. The truth is truth.json of mad simulate, a list of "
    "incidents or points, windows by service as in NAB, or a CSV file with a column is_anomaly: "
    "docs/evaluation.md."
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    command.add_argument("directory", nargs="?", metavar="DIR", help="output of mad detect")
    command.add_argument(
        "--truth",
        required=True,
        metavar="FILE",
        help="true incidents, points, windows as in NAB, or a CSV file with labels",
    )
    command.add_argument("--scored", metavar="FILE", help="scored.csv, instead of DIR")
    command.add_argument("--incidents", metavar="FILE", help="incidents.json, instead of DIR")
    command.add_argument("--culprits", metavar="FILE", help="culprits.json, instead of DIR")
    arguments.add_json(command)


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    if args.directory is None and args.scored is None:
        raise errors.UsageError("give DIR or --scored FILE", "mad evaluate out --truth truth.json")
    scored = [args.scored or str(Path(args.directory) / "scored.csv")]
    if args.directory is not None and (Path(args.directory) / SCORED_METRICS).exists():
        scored.append(str(Path(args.directory) / SCORED_METRICS))
    methods = Path(args.directory or "") / METHODS
    has_methods = args.directory is not None and methods.exists()
    result = evaluate(
        [InputFile(path).chunks() for path in scored],
        _text(args.incidents, args.directory, "incidents.json"),
        _text(args.culprits, args.directory, "culprits.json"),
        _truth(args.truth),
        InputFile(str(methods)).chunks() if has_methods else None,
    )
    unknown = result["unknown_services"]
    if unknown:
        names = words.visible(", ".join(unknown[:5])) + (", ..." if len(unknown) > 5 else "")
        sys.stderr.write(f"mad: the run has no row of these services of the truth: {names}\n")
    if args.json:
        print_json(result)
    else:
        from mad.report import evaluation_text, terminal

        evaluation_text.print_evaluation(terminal.console(), result)
    return errors.FINE


def _truth(path: str) -> str:
    with errors.input_of(path):
        return truth_json(Path(path))


def _text(given: str | None, directory: str | None, name: str) -> str | None:
    """The given file, else the file of that name in the directory, if it exists."""
    if given is not None:
        return files.read_text(Path(given))
    if directory is not None and (Path(directory) / name).exists():
        return files.read_text(Path(directory) / name)
    return None


def evaluate(
    scored: list[Iterable[bytes]],
    incidents: str | None,
    culprits: str | None,
    truth: str,
    methods: Iterable[bytes] | None = None,
) -> dict[str, Any]:
    """Compares the results of a run with the truth; `methods` is methods.csv."""
    with errors.input_of("cannot evaluate"):
        return dict(json.loads(_core.evaluate(scored, incidents, culprits, truth, methods)))
