"""`mad culprits`: ranks the likely culprits at any time of a run or in failing traces."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mad import _core, documents, errors
from mad.cli import arguments, graph, remote
from mad.cli.output import print_json
from mad.sources.files import InputFile

HELP = "rank the likely culprits"
DESCRIPTION = (
    "Ranks endpoints by the rows of the last minutes, using only rows known "
    "at the given time. With --spans: ranks services by the failing traces that they cause."
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    command.add_argument(
        "source",
        nargs="?",
        metavar="DIR|URL",
        help="output of mad detect, a scored.csv, or the URL of a server",
    )
    command.add_argument("--spans", metavar="FILE", help="spans of traces, instead of DIR")
    command.add_argument("--reference", metavar="FILE", help="spans of a normal period")
    command.add_argument(
        "--graph",
        action="store_true",
        help="with --spans: show the service graph with the path to the culprit",
    )
    command.add_argument(
        "--at", type=arguments.time, metavar="TIME", help="RFC 3339 (default: the newest row)"
    )
    command.add_argument(
        "--minutes",
        type=arguments.minutes,
        default=15.0,
        metavar="N",
        help="minutes before --at (default: 15)",
    )
    command.add_argument(
        "--top-k",
        type=arguments.whole(1, 20),
        default=3,
        metavar="N",
        help="number of culprits (default: 3)",
    )
    arguments.add_json(command)


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    if (args.source is None) == (args.spans is None):
        raise errors.UsageError("give either DIR or --spans FILE", "mad culprits --spans spans.csv")
    if args.spans is not None:
        return _of_traces(args)
    if args.graph or args.reference:
        raise errors.UsageError("--graph and --reference need --spans FILE")
    if remote.is_url(args.source):
        asked = {"at": args.at, "minutes": args.minutes, "top_k": args.top_k}
        ranking = remote.ask(args.source, documents.CULPRITS, "culprits", **asked)
    else:
        path = Path(args.source)
        file = str(path / "scored.csv" if path.is_dir() else path)
        chunks = InputFile(file).chunks()
        ranking = intake_of(path) | rank_rows(file, chunks, args.at, args.minutes, args.top_k)
    if args.json:
        print_json(ranking)
    else:
        from mad.report import terminal, text

        console = terminal.console()
        text.print_problem(console, ranking.get("problem"))
        text.print_ranking(console, ranking)
    return errors.INPUT if ranking.get("problem") else errors.FINE


def intake_of(directory: Path) -> dict[str, Any]:
    """What the run that wrote a directory accepted; empty for a single file."""
    file = directory / "incidents.json"
    content = documents.read_run(directory) if directory.is_dir() and file.exists() else {}
    return {name: content[name] for name in ("accepted", "rejected", "problem") if name in content}


def _of_traces(args: argparse.Namespace) -> int:
    if args.at is not None:
        raise errors.UsageError("--at needs DIR; --spans ranks all spans")
    ranking = graph.rank_traces(args.spans, args.reference, args.top_k)
    document = graph.build({"spans": args.spans}) if args.graph else None
    if document is not None:
        document["chain"] = graph.culprit_path(ranking)
    code = errors.INPUT if ranking["problem"] else errors.FINE
    if args.json:
        print_json(ranking | ({"graph": document} if document else {}))
        return code
    from mad.report import terminal, text

    console = terminal.console()
    text.print_problem(console, ranking["problem"])
    if document is not None:
        graph.print_graph(console, document)
    graph.print_ranking(console, ranking)
    return code


def rank_rows(
    name: str, scored: Iterator[bytes], at: str | None, minutes: float, top_k: int
) -> dict[str, Any]:
    """Ranks scored rows, using only rows known at `at`."""
    with errors.input_of(name):
        return dict(json.loads(_core.culprits_from_scored(scored, at, minutes, top_k)))
