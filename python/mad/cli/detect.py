"""`mad detect`: from request logs to incidents, culprits and a report."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mad import errors
from mad.cli import arguments, engine, files, settings
from mad.cli.progress import WORTH_BYTES, Progress
from mad.sources.files import CHUNK, Source

_T = TypeVar("_T")
REPORT = "report.html"
SCORED, SCORED_METRICS = "scored.csv", "scored_metrics.csv"
_GATES = {"warning": ("Warning", "Critical"), "critical": ("Critical",)}
_OTHERS = {
    "metrics": "metrics; scored.csv is theirs and of logs where there are no requests, else "
    "scored_metrics.csv",
    "spans": "spans: rows of their service and operation, and who calls whom",
    "logs": "logs: the error and warning lines of each service and minute",
    "edges": "the service graph: caller, callee",
    "changes": "changes: evidence against a service in the half hour after",
}
_LEARNT = ("requests", "metrics")


@dataclass
class Outcome:
    """What a detection run left behind."""

    document: dict[str, Any]
    paths: list[Path]
    seconds: float
    notes: list[str] = field(default_factory=list)


def register(commands: Any, common: argparse.ArgumentParser) -> None:
    """Adds the command."""
    command = commands.add_parser(
        "detect",
        parents=[common],
        help="find incidents in request logs and metrics",
        description="Reads requests and metrics from CSV, JSON Lines (plain, gzip or zstd) or "
        "Parquet files, and writes features.csv, scored.csv, incidents.json, culprits.json and "
        "report.html. Several inputs are merged by time. Fields of requests: timestamp, service, "
        "endpoint, status_code, latency_ms; of metrics: timestamp, service, metric, value.",
    )
    command.add_argument(
        "inputs", nargs="*", metavar="INPUT", help="a file of requests, or - for stdin"
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
            help=f"earlier {kind}: learnt first, not flagged, so that there is no warm-up",
        )
    command.add_argument(
        "--resume", metavar="STATE", help="go on from the state that an earlier run saved"
    )
    command.add_argument("--save", metavar="STATE", help="save the state at the end")
    command.add_argument("--out", default="out", metavar="DIR", help="default: out")
    command.add_argument("--config", metavar="FILE", help=settings.HELP)
    command.add_argument(
        "--mode",
        choices=("default", "reference"),
        default="default",
        help="reference: one median and MAD over the whole file, as the original did",
    )
    command.add_argument(
        "--fail-on",
        choices=tuple(_GATES),
        metavar="SEVERITY",
        help="exit with 1 when an incident is at least: warning, critical",
    )
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
        help="sort all records in memory first; done by itself when a file is not in order",
    )
    command.add_argument("--no-report", action="store_true", help="write no report.html")
    command.add_argument("--json", action="store_true", help="print one JSON document")
    command.set_defaults(run=run, refuse=command.error)


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    others = {kind: getattr(args, kind) for kind in _OTHERS}
    if not any((args.inputs, *others.values())):
        args.refuse("name an INPUT, or give --metrics FILE")
    outcome = detect(
        args.inputs,
        args.out,
        config=settings.load(args.config, verbose=args.verbose)
        if args.mode == "default"
        else settings.as_written(args.config),
        mode=args.mode,
        batch_size=args.batch_size,
        sort=args.sort,
        report=not args.no_report,
        others=others,
        history={"requests": args.history, "metrics": args.history_metrics},
        resume=args.resume,
        save=args.save,
    )
    show(outcome, as_json=args.json, verbose=args.verbose)
    gate = _GATES.get(args.fail_on or "", ())
    met = any(found.get("severity") in gate for found in outcome.document.get("incidents") or [])
    return errors.FAILED if met else errors.FINE


def detect(
    inputs: Sequence[str],
    out: str | Path,
    *,
    config: str | None = None,
    mode: str = "default",
    batch_size: int = CHUNK,
    sort: bool = False,
    report: bool = True,
    extra: dict[str, str] | None = None,
    others: Mapping[str, Sequence[str]] | None = None,
    history: Mapping[str, Sequence[str]] | None = None,
    resume: str | None = None,
    save: str | None = None,
) -> Outcome:
    """Reads all inputs in one pass and writes the files; `extra` are more files by name, `others`
    inputs of other kinds than requests. `history` is learnt before; `resume` and `save` name files
    of state."""
    started = time.perf_counter()
    sources = _sources({"requests": inputs, **(others or {})})
    past = _sources(history or {})
    if mode == "reference" and (len(sources) > len(inputs) or past or resume or save):
        raise errors.UsageError("--mode reference reads requests alone and keeps no state")
    if sum(source.standard for _, source in (*past, *sources)) > 1:
        raise errors.UsageError("standard input can be named once only")
    state = files.read_bytes(resume) if resume else None
    if past:

        def learn(sort: bool) -> bytes:
            return _learn(past, config, batch_size, sort, state)

        state = _in_order(past, learn, sort)

    def detected(sort: bool) -> Outcome:
        return _pass(sources, out, config, mode, batch_size, sort, report, extra or {}, state, save)

    outcome = _in_order(sources, detected, sort)
    outcome.seconds = time.perf_counter() - started
    for stale in (Path(out) / REPORT, Path(out) / SCORED_METRICS):
        if stale not in outcome.paths and stale.exists():
            outcome.notes.append(f"{stale} is from an earlier run")
    return outcome


def _sources(named: Mapping[str, Sequence[str]]) -> list[tuple[str, Source]]:
    return [(kind, Source(path)) for kind, paths in named.items() for path in paths]


def _in_order(
    sources: Sequence[tuple[str, Source]], attempt: Callable[[bool], _T], sort: bool
) -> _T:
    """Makes an attempt without sorting first, unless told to `sort`."""
    try:
        return attempt(sort)
    except engine.NotSorted as problem:
        if any(source.standard for _, source in sources):
            raise errors.InputError(
                f"standard input is not ordered by time: {problem}",
                "give --sort to sort it in memory, or save it to a file first",
            ) from problem
        note = f"not ordered by time ({problem}): starting again, sorting in memory"
        sys.stderr.write(f"mad: {note}\n")
        return attempt(True)


def _learn(
    sources: Sequence[tuple[str, Source]],
    config: str | None,
    batch_size: int,
    sort: bool,
    state: bytes | None,
) -> bytes:
    kinds = [kind for kind, _ in sources]
    run = engine.detection(config, kinds, mode="default", sort=sort, state=state, learn=True)
    total = sum(source.size for _, source in sources)
    with Progress("learning", total, worth=total > WORTH_BYTES) as bar:
        for _ in _read(run, sources, batch_size):
            # what is learnt is not written
            _ = (run.take_features_csv(), run.take_scored_csv(), engine.scored_metrics(run))
            bar.reached(sum(source.consumed for _, source in sources))
        engine.finish(run, [source.name for _, source in sources])
    return engine.checkpoint(run)


def _read(
    run: engine.Detection, sources: Sequence[tuple[str, Source]], batch_size: int
) -> Iterator[None]:
    """Feeds all sources piece by piece, in the order in which the run wants them."""
    readers: dict[int, Iterator[Any]] = {}
    while (wanted := run.wants()) is not None:
        kind, source = sources[wanted]
        if wanted not in readers:
            readers[wanted] = source.pieces(kind, batch_size)
        engine.feed(run, wanted, source.name, next(readers[wanted], None))
        yield


def _pass(
    sources: Sequence[tuple[str, Source]],
    out: str | Path,
    config: str | None,
    mode: str,
    batch_size: int,
    sort: bool,
    report: bool,
    extra: dict[str, str],
    state: bytes | None,
    save: str | None,
) -> Outcome:
    kinds = [kind for kind, _ in sources]
    names = [source.name for _, source in sources]
    total = sum(source.size for _, source in sources)
    detection = engine.detection(config, kinds, mode=mode, sort=sort, state=state)
    label = "sorting" if sort else "reading"
    with files.Outputs(out) as outputs, Progress(label, total, worth=total > WORTH_BYTES) as bar:
        for _ in _read(detection, sources, batch_size):
            _drain(detection, outputs, kinds)
            bar.reached(sum(source.consumed for _, source in sources))
        document = engine.finish(detection, names)
        _drain(detection, outputs, kinds)
        document["sources"] = names
        outputs.write("incidents.json", files.to_json(incidents_file(document)))
        outputs.write("culprits.json", files.to_json(culprits_file(document)))
        for name, text in extra.items():
            outputs.write(name, text)
        if report:
            from mad.report import render_html

            outputs.write(REPORT, render_html(document))
        outcome = Outcome(document, outputs.commit(), 0.0)
    if save:
        # after the files: cut off in between, the run can be made again from the old state
        files.write_bytes(save, engine.checkpoint(detection))
    return outcome


def _drain(detection: engine.Detection, outputs: files.Outputs, kinds: Sequence[str]) -> None:
    outputs.append("features.csv", detection.take_features_csv())
    metrics, requests = not {"metrics", "logs"}.isdisjoint(kinds), "requests" in kinds
    if requests or not metrics:
        outputs.append(SCORED, detection.take_scored_csv())
    if metrics:
        name = SCORED_METRICS if requests else SCORED
        outputs.append(name, engine.scored_metrics(detection))


def without_series(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The incidents without the points of their charts."""
    return [
        {key: value for key, value in incident.items() if key != "series"}
        for incident in document.get("incidents") or []
    ]


def incidents_file(document: dict[str, Any]) -> dict[str, Any]:
    """The content of incidents.json."""
    return {
        "schema_version": document.get("schema_version", 1),
        "generator": document.get("generator"),
        "step_seconds": document.get("step_seconds"),
        "incidents": without_series(document),
        "states": document.get("states") or [],
    }


def culprits_file(document: dict[str, Any]) -> dict[str, Any]:
    """The content of culprits.json: the ranking at the run's end, and each incident's own."""
    return {
        "schema_version": document.get("schema_version", 1),
        "ranking": document.get("ranking"),
        "by_incident": {
            incident["id"]: incident.get("ranking")
            for incident in document.get("incidents") or []
            if "id" in incident
        },
    }


def machine(outcome: Outcome) -> dict[str, Any]:
    """The one document `--json` prints."""
    return {
        **{key: value for key, value in outcome.document.items() if key != "incidents"},
        "incidents": without_series(outcome.document),
        "files": {path.name: str(path) for path in outcome.paths},
        "seconds": round(outcome.seconds, 3),
    }


def print_json(value: object) -> None:
    """One JSON document on standard output, ASCII so that any terminal can take it.

    Written in pieces: an unbuffered stream says nothing of the rest of a piece that a reader
    who went away did not take; the next piece then fails as it should.
    """
    text = json.dumps(value, indent=2) + "\n"
    for start in range(0, len(text), 1 << 16):
        sys.stdout.write(text[start : start + (1 << 16)])


def show(outcome: Outcome, *, as_json: bool, verbose: bool) -> None:
    """Prints what was found."""
    for note in outcome.notes:
        sys.stderr.write(f"mad: {note}\n")
    if as_json:
        print_json(machine(outcome))
        return
    from mad.report import text

    console = text.console()
    text.print_detection(console, outcome.document, outcome.seconds, verbose=verbose)
    text.print_files(console, outcome.paths)
