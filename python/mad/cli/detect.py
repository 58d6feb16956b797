"""`mad detect`: finds incidents in files and writes tables, culprits and a report."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from mad import _core, errors
from mad.cli import arguments, settings
from mad.cli.output import Terminal, print_json
from mad.detection import models
from mad.detection.directory import Outcome, detect_into, without_series
from mad.detection.formats import Layout
from mad.report import words
from mad.sinks import files
from mad.sources.files import CHUNK

#: The severities that meet each value of `--fail-on`.
GATES = {"warning": ("Warning", "Critical"), "critical": ("Critical",)}
_OTHERS = {
    "metrics": "metrics; their rows go to scored.csv if there are no requests, else to "
    "scored_metrics.csv",
    "spans": "spans; they give rows of service and operation, and the service graph",
    "logs": "logs; error and warning lines of each service are counted",
    "edges": "the service graph with the columns caller and callee",
    "changes": "changes; each is evidence against its service for half an hour",
}
_LEARNT = ("requests", "metrics")
#: The models of an earlier system, and the methods that have their rules.
MODELS = {
    "isolation": "isolation_forest",
    "zscore": "zscore",
    "svm": "one_class_svm",
    "lstm": "lstm_autoencoder",
    "all": "all",
}


HELP = "find incidents in request logs and metrics"
DESCRIPTION = (
    "Reads requests and metrics from CSV, JSON Lines (plain, gzip or zstd) or "
    "Parquet files, and access logs, container logs, traces and results of load tests (see mad "
    "inspect), and writes features.csv, scored.csv, incidents.json, culprits.json and "
    "report.html. Several inputs are merged by time. Fields of requests: timestamp, service, "
    "endpoint, status_code, latency_ms; of metrics: timestamp, service, metric, value."
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    command.add_argument(
        "inputs",
        nargs="*",
        metavar="INPUT",
        help="a file of requests or of another tool, a folder, or - for stdin",
    )
    for kind, what in _OTHERS.items():
        command.add_argument(
            f"--{kind}", action="append", default=[], metavar="FILE", help=f"a file of {what}"
        )
    for kind in _LEARNT:
        name = "history" if kind == "requests" else f"history-{kind}"
        command.add_argument(
            f"--{name}",
            action="append",
            default=[],
            metavar="FILE",
            help=f"earlier {kind}: learnt first and not flagged, so that no warm-up is needed",
        )
    command.add_argument(
        "--resume", metavar="STATE", help="continue from the saved state of an earlier run"
    )
    command.add_argument("--save", metavar="STATE", help="save the state at the end")
    command.add_argument(
        "--out", default="out", metavar="DIR", help="output directory (default: out)"
    )
    arguments.add_format(command)
    arguments.add_intake(command)
    settings.add_config(command)
    command.add_argument(
        "--mode",
        choices=("default", "reference"),
        default="default",
        help="reference: one median and MAD over the whole file, as in the original system",
    )
    command.add_argument(
        "--scorer",
        action="append",
        default=[],
        metavar="NAME",
        help="another method that judges the rows too: ewma, zscore, isolation_forest, "
        "one_class_svm, lstm_autoencoder, log_level, event_kind, the folder of mad train, default, "
        "or all but the default; NAME=2 gives a weight; repeatable; writes methods.csv and changes "
        "nothing about incidents",
    )
    command.add_argument(
        "--models",
        metavar="NAME",
        help="the option of an earlier system: isolation, zscore, svm, lstm or all; the same as "
        "--scorer",
    )
    command.add_argument(
        "--workers",
        type=arguments.workers,
        default=min(4, os.cpu_count() or 1),
        metavar="N",
        help="threads of the methods of --scorer, 1 to 64; changes speed only (default: one for "
        "each processor, at most 4)",
    )
    command.add_argument(
        "--fail-on",
        choices=tuple(GATES),
        metavar="SEVERITY",
        help="exit with 1 when an incident has at least this severity: warning, critical",
    )
    arguments.add_ci(command)
    command.add_argument(
        "--batch-size",
        type=arguments.size,
        default=settings.batch_size(CHUNK),
        metavar="N",
        help="bytes read at a time, such as 512k; changes speed only (default: 2MB)",
    )
    command.add_argument(
        "--sort",
        action="store_true",
        help="sort all records in memory first; automatic when a file is not in order",
    )
    command.add_argument("--no-report", action="store_true", help="write no report.html")
    arguments.add_json(command)


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    others = {kind: getattr(args, kind) for kind in _OTHERS}
    if not any((args.inputs, *others.values())):
        args.refuse("name an INPUT, or give --metrics FILE")
    intake = arguments.intake_of(args)
    if intake and args.mode == "reference":
        args.refuse("--map and --service need --mode default")
    scorers, trained = models.split([*args.scorer, *_of_models(args.models)])
    _check_scorers(scorers)
    if trained and args.mode == "reference":
        args.refuse("--scorer needs --mode default")
    outcome = detect_into(
        args.out,
        {"requests": args.inputs, **others},
        config=settings.load(args.config, verbose=args.verbose, intake=intake)
        if args.mode == "default"
        else settings.unchecked(args.config),
        catalogue=settings.catalogue(args.config) if args.mode == "default" else None,
        mode=args.mode,
        batch_size=args.batch_size,
        sort=args.sort,
        report=not args.no_report,
        history={"requests": args.history, "metrics": args.history_metrics},
        resume=args.resume,
        save=args.save,
        observer=Terminal(),
        layout=Layout(args.format, args.service, args.pattern),
        scorers=scorers,
        workers=args.workers,
    )
    models.judge(outcome, trained)
    show(outcome, as_json=args.json, verbose=args.verbose)
    _report(outcome, args)
    if outcome.document["problem"]:
        return errors.INPUT
    gate = GATES.get(args.fail_on or "", ())
    met = any(found.get("severity") in gate for found in outcome.document.get("incidents") or [])
    return errors.FAILED if met else errors.FINE


def _of_models(models: str | None) -> list[str]:
    """The methods with the rules of the models of an earlier system."""
    names = [name.strip() for name in models.split(",")] if models is not None else []
    for name in names:
        if name not in MODELS:
            raise errors.UsageError(
                f"--models {name}: mad has no such model",
                f"give {', '.join(MODELS)}, or --scorer NAME",
            )
    return [MODELS[name] for name in names]


def _check_scorers(names: list[str]) -> None:
    """Refuses a name that no method has, before anything is read."""
    try:
        _core.check_scorers(names)
    except ValueError as error:
        raise errors.UsageError(f"--scorer: {error}") from error


def _report(outcome: Outcome, args: argparse.Namespace) -> None:
    """Writes the results for continuous integration."""
    from mad.report import ci

    document = outcome.document
    incidents = document.get("incidents") or []
    if args.junit:
        services = sorted({one["service"] for one in document.get("services") or []})
        gate = GATES.get(args.fail_on or "", ci.FAILING)
        problem = document["problem"] or ""
        files.write_bytes(args.junit, ci.junit(incidents, services, gate, problem))
    if ci.is_github(args.annotations):
        ci.annotate(incidents, sys.stderr if args.json else sys.stdout)


def machine(outcome: Outcome) -> dict[str, Any]:
    """The document that `--json` prints."""
    return {
        **{key: value for key, value in outcome.document.items() if key != "incidents"},
        "incidents": without_series(outcome.document),
        "files": {path.name: str(path) for path in outcome.paths},
        "seconds": round(outcome.seconds, 3),
    }


def show(outcome: Outcome, *, as_json: bool, verbose: bool) -> None:
    """Prints the result of a run."""
    for note in outcome.notes:
        sys.stderr.write(f"mad: {note}\n")
    if as_json:
        if outcome.document["problem"]:
            sys.stderr.write(f"mad: {words.visible(outcome.document['problem'])}\n")
        print_json(machine(outcome))
        return
    from mad.report import terminal, text

    console = terminal.console()
    text.print_detection(console, outcome.document, outcome.seconds, verbose=verbose)
    text.print_files(console, outcome.paths)
