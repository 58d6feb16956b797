"""`mad graph`: shows the service graph and the path of a fault."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mad import _core, errors, times
from mad.cli import arguments
from mad.cli.output import print_json
from mad.sinks import files
from mad.sources.files import InputFile

_FORMS = (".html", ".svg", ".json")


HELP = "show the service graph and the path of a fault"
DESCRIPTION = (
    "Builds the service graph from spans, an edge list, or requests with a shared "
    "trace_id. From spans, the path of the most likely fault is marked."
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    command.add_argument("spans", nargs="?", metavar="SPANS", help="a file of spans")
    command.add_argument(
        "--edges", metavar="FILE", help="columns caller, callee and optionally calls"
    )
    command.add_argument("--requests", metavar="FILE", help="requests with a trace_id")
    command.add_argument("--reference", metavar="FILE", help="spans of a normal period")
    command.add_argument(
        "--out", metavar="FILE", help="write a picture (.html, .svg) or the graph (.json)"
    )
    arguments.add_json(command)


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    given = {"spans": args.spans, "edges": args.edges, "requests": args.requests}
    sources = {kind: path for kind, path in given.items() if path is not None}
    if not sources:
        raise errors.UsageError(
            "give SPANS, --edges FILE or --requests FILE", "mad graph spans.csv"
        )
    if args.reference and not args.spans:
        raise errors.UsageError("--reference needs SPANS")
    if args.out and Path(args.out).suffix.lower() not in _FORMS:
        raise errors.UsageError(f"--out {args.out}: give a name that ends in .html, .svg or .json")
    document = build(sources)
    ranking = rank_traces(args.spans, args.reference, 3) if args.spans else None
    document["chain"] = culprit_path(ranking)
    if args.out:
        files.write_bytes(args.out, _rendered(document, Path(args.out).suffix.lower()))
    problem = document["problem"] or (ranking or {}).get("problem")
    if problem is None and not document["accepted"]:
        problem = f"There is no record in {', '.join(sources.values())}"
    document["problem"] = problem
    if args.json:
        print_json(document | ({"ranking": ranking} if ranking else {}))
        return errors.INPUT if problem else errors.FINE
    from mad.report import terminal, text

    console = terminal.console()
    text.print_problem(console, problem)
    print_graph(console, document)
    if ranking:
        print_ranking(console, ranking)
    if args.out:
        text.print_files(console, [Path(args.out)])
    return errors.INPUT if problem else errors.FINE


def culprit_path(ranking: dict[str, Any] | None) -> list[str]:
    """The path of the most likely fault, from the entry to the culprit."""
    culprits = ranking["culprits"] if ranking else []
    return list(culprits[0]["chain"]) if culprits else []


def print_graph(console: Any, document: dict[str, Any]) -> None:
    """Prints the graph as a tree."""
    from mad.report import graph, text

    for line, style in graph.lines(document, document["chain"]):
        text.say(console, line, style)


def print_ranking(console: Any, ranking: dict[str, Any]) -> None:
    """Prints the most likely faults with their share, onset and path."""
    from mad.report import text, words

    failing, traces = ranking["failing"], ranking["traces"]
    text.say(console, "")
    text.say(console, f"{words.count(failing)} of {words.plural(traces, 'trace')} failed")
    if not ranking["culprits"] and ranking["accepted"]:
        text.say(console, "No culprit: nothing fails, or not more than usual.")
    for place, one in enumerate(ranking["culprits"], start=1):
        took, usual = one["duration_ms"], one["expected_ms"]
        what = f"{words.visible(one['service'])} {words.visible(one['operation'])}"
        share = words.quantity(one["share"], words.SHARE)
        since = times.moment(times.time_or_none(one["onset"]))
        line = f"{place}  {what}: {one['fault']} in {share} of the failing traces, since {since}"
        if one["fault"] == "slow" and usual is not None:
            slow, normal = (words.quantity(value, words.LATENCY) for value in (took, usual))
            line += f", {slow} (usually {normal})"
        text.say(console, line, "bold" if place == 1 else "")
        text.say(console, f"   path {' → '.join(map(words.visible, one['chain']))}")
        text.say(console, f"   traces {', '.join(map(words.visible, one['sample_traces']))}")


def _rendered(document: dict[str, Any], form: str) -> bytes:
    from mad.report import graph

    if form == ".json":
        return files.to_json(document).encode() + b"\n"
    if form == ".svg":
        return graph.picture(document, document["chain"]).svg.encode() + b"\n"
    return graph.page(document, document["chain"]).encode()


def build(sources: Mapping[str, str]) -> dict[str, Any]:
    """Builds the service graph from files by kind: spans, edges, requests."""
    built = _core.ServiceGraph()
    for kind, path in sources.items():
        with errors.input_of(path):
            for piece in InputFile(path).pieces(kind):
                built.feed(kind, piece)
            built.end(kind)
    return {
        "accepted": built.accepted,
        "rejected": built.rejected,
        "problem": built.problem(),
        **built.document(),
    }


def rank_traces(spans: str, reference: str | None, top_k: int) -> dict[str, Any]:
    """The root causes of the failing traces in a file, as JSON objects."""
    import mad

    with errors.input_of(spans):
        ranking = mad.rank_traces(spans, reference, top_k=top_k)
    names = ("service", "operation", "fault", "share", "traces", "sample_traces", "chain")
    culprits = [
        {name: getattr(one, name) for name in names}
        | {"onset": one.onset.isoformat().replace("+00:00", "Z")}
        | {name: _number(getattr(one, name)) for name in ("duration_ms", "expected_ms")}
        for one in ranking.culprits
    ]
    return {
        "accepted": ranking.accepted,
        "rejected": ranking.rejected["total"],
        "problem": ranking.problem() or _without_spans(ranking, spans),
        "culprits": culprits,
        "abstained": ranking.abstained,
        "traces": ranking.traces,
        "failing": ranking.failing,
    }


def _without_spans(ranking: _core.TraceRanking, spans: str) -> str | None:
    return None if ranking.accepted else f"There is no span in {spans}"


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
