"""`mad demo`: simulates a shop with one incident, finds it, names the culprit and explains it."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from mad import _core, errors, times
from mad.cli import arguments, simulate
from mad.cli.detect import machine
from mad.cli.evaluate import evaluate
from mad.cli.output import Terminal, print_json
from mad.detection.directory import REPORT, Outcome, detect_into
from mad.report import summary
from mad.sinks import files
from mad.sources.files import InputFile

CULPRIT = ("payments", "/pay")
"""The endpoint of the default incident, which the demo must name."""


SLOW = 500
"""Latency from which on a service of the demo warns, ms."""

HELP = "simulate a shop with an incident and find it"
DESCRIPTION = (
    "Simulates two hours of a shop in which payments /pay slows down and fails "
    "from minute 45 to 53, detects the incident and compares the result with the truth. "
    "Exits with 1 when payments /pay is not named as the culprit."
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    command.add_argument(
        "--out", default="mad-demo", metavar="DIR", help="output directory (default: mad-demo)"
    )
    simulate.add_seed(command)
    command.add_argument(
        "--rows",
        type=arguments.whole(1),
        default=simulate.ROWS,
        metavar="N",
        help="requests (default: 10,000)",
    )
    command.add_argument("--open", action="store_true", help="open the report in a browser")
    arguments.add_json(command)


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    out = Path(args.out)
    with errors.usage():
        simulation = _core.ShopSimulation(
            args.rows, simulate.SERVICES, simulate.DURATION, None, args.seed, None, True
        )
    with files.Outputs(out) as outputs:
        truth = simulate.write_requests(simulation, outputs)
        outputs.write("truth.json", truth)
        written = outputs.commit()
    with files.Outputs(out) as outputs:
        with (out / "requests.csv").open(encoding="utf-8") as requests:
            outputs.write("logs.csv", "".join(log_lines(requests)))
        written += outputs.commit()
    inputs = {kind: [str(out / f"{kind}.csv")] for kind in ("requests", "logs")}
    outcome = detect_into(out, inputs, observer=Terminal())
    outcome.paths = [*written, *outcome.paths]
    evaluation = evaluate(
        [InputFile(str(out / "scored.csv")).chunks()],
        files.read_text(out / "incidents.json"),
        files.read_text(out / "culprits.json"),
        truth,
    )
    listed = simulate.truth_list(json.loads(truth))
    found = matching(outcome.document, listed)
    culprit = summary.culprit_of(found) if found else None
    right = culprit is not None and _name(culprit) == CULPRIT
    if args.json:
        verdict = {"culprit_correct": right, "truth": listed, "evaluation": evaluation}
        print_json({**machine(outcome), **verdict})
    else:
        _show(outcome, found, listed, evaluation, right, args.verbose)
    if args.open:
        import webbrowser

        webbrowser.open((out / REPORT).resolve().as_uri())
    return errors.FINE if right else errors.FAILED


def log_lines(requests: Iterable[str]) -> Iterator[str]:
    """The log of the shop as CSV: each failed or slow request, and a tenth of the others.

    It goes through the rows in Python, because a demo has few.
    """
    yield "timestamp,service,level,body\n"
    rows = csv.DictReader(requests)
    for number, row in enumerate(rows):
        status, latency = row["status_code"], round(float(row["latency_ms"]))
        head = f"{row['timestamp']},{row['service']}"
        if status >= "500":
            yield f"{head},ERROR,request {row['trace_id']} failed after {latency} ms\n"
        elif latency >= SLOW:
            yield f"{head},WARN,slow answer of {latency} ms to request {row['trace_id']}\n"
        elif number % 10 == 0:
            yield f"{head},INFO,request {row['trace_id']} answered in {latency} ms\n"


def _name(record: Any) -> tuple[Any, Any]:
    return record.get("service"), record.get("endpoint")


def matching(document: dict[str, Any], truth: list[dict[str, Any]]) -> summary.Json | None:
    """The incident to read first among those that overlap a true one in time."""
    step = float(document.get("step_seconds") or 60)
    spans = []
    for entry in truth:
        start, end = (times.time_or_none(entry.get(key)) for key in ("start", "end"))
        if start is not None and end is not None:
            spans.append((start, end))
    overlapping = []
    for incident in summary.incidents(document):
        start, end = summary.bounds(incident, step)
        if start is None or end is None:
            continue
        if any(start < true_end and true_start < end for true_start, true_end in spans):
            overlapping.append(incident)
    return summary.top_incident(overlapping)


def detection_delay(incident: summary.Json, truth: list[dict[str, Any]]) -> timedelta | None:
    """The time from the true start of the incident's endpoint until the incident was opened."""
    opened = times.time_or_none(incident.get("opened_at"))
    starts = [
        start
        for entry in truth
        if _name(entry) == _name(incident)
        and (start := times.time_or_none(entry.get("start"))) is not None
    ]
    return opened - min(starts) if opened is not None and starts else None


def _show(
    outcome: Outcome,
    found: summary.Json | None,
    truth: list[dict[str, Any]],
    evaluation: dict[str, Any],
    right: bool,
    verbose: bool,
) -> None:
    from mad.report import evaluation_text, simulation_text, terminal, text

    console = terminal.console()
    text.print_detection(console, outcome.document, outcome.seconds, verbose=verbose)
    evaluation_text.print_evaluation(console, evaluation)
    delay = detection_delay(found, truth) if found else None
    simulation_text.print_demo_verdict(console, found, right, " ".join(CULPRIT), delay)
    text.print_files(console, outcome.paths)
