"""`mad culprits`: who is to blame, at any moment of a run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mad import errors
from mad.cli import arguments, engine
from mad.cli.detect import print_json
from mad.sources.files import Source


def register(commands: Any, common: argparse.ArgumentParser) -> None:
    """Adds the command."""
    command = commands.add_parser(
        "culprits",
        parents=[common],
        help="rank the likely culprits",
        description="Ranks endpoints by the rows of the last minutes, using only what was known "
        "at the given moment.",
    )
    command.add_argument("source", metavar="DIR", help="what mad detect wrote, or a scored.csv")
    command.add_argument(
        "--at", type=arguments.time, metavar="TIME", help="RFC 3339 (default: the newest row)"
    )
    command.add_argument(
        "--minutes", type=arguments.minutes, default=15.0, metavar="N", help="default: 15"
    )
    command.add_argument(
        "--top-k", type=arguments.whole(1, 20), default=3, metavar="N", help="default: 3"
    )
    command.add_argument("--json", action="store_true", help="print one JSON document")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    path = Path(args.source)
    file = str(path / "scored.csv" if path.is_dir() else path)
    chunks = Source(file).chunks()
    ranking = engine.culprits(file, chunks, args.at, args.minutes, args.top_k)
    if args.json:
        print_json(ranking)
    else:
        from mad.report import text

        text.print_ranking(text.console(), ranking)
    return errors.FINE
