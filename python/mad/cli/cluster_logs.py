"""`mad cluster-logs`: groups the lines of a log by their words."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from mad import errors
from mad.cli import arguments
from mad.cli.log_templates import add_file, learn
from mad.cli.output import print_json

HELP = "group the lines of a log by their words"
DESCRIPTION = (
    "Reads a text file line by line, plain or compressed, and groups the templates of its lines "
    "by their words (TF-IDF and k-means), the groups with most lines first, each with a line as a "
    "sample. Exits with 3 when there is no line."
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    add_file(command)
    command.add_argument(
        "--clusters",
        type=arguments.whole(1, 64),
        default=8,
        metavar="N",
        help="most groups, at most 64 (default: 8)",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    found = learn(args)
    texts = {id: text for id, text, _ in found.templates.templates()}
    clusters: list[dict[str, Any]] = [
        {
            "count": count,
            "terms": terms,
            "sample": found.samples.get(ids[0]),
            "templates": [{"id": id, "template": texts[id]} for id in ids],
        }
        for count, terms, ids in found.templates.clusters(args.clusters)
    ]
    if args.json:
        print_json({"path": args.file, "lines": found.lines, "clusters": clusters})
    else:
        for entry in clusters:
            words = ", ".join(entry["terms"]) or "no words"
            sys.stdout.write(f"{entry['count']:>9,}  {words}\n{'':11}{entry['sample']}\n")
        sys.stdout.write(f"{found.lines:,} lines, {len(clusters):,} clusters\n")
    return errors.FINE if found.lines else errors.INPUT
