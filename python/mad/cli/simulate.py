"""`mad simulate`: traffic of a known system with known incidents."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from mad import _core, errors
from mad.cli import arguments, sending
from mad.cli.output import print_json
from mad.cli.progress import Progress
from mad.sinks import files

SEED = 42
ROWS = 10_000
SERVICES = 4
DURATION = 7200.0
TRACES = 900
TRACES_DURATION = 1800.0
_BUILT = ("shop", "aiops")
_SYSTEMS = ("shop", "melt", "api", "radar", "aiops")
_BATCH_ROWS = 20_000
_WORTH_ROWS = 500_000


HELP = "write traffic with known incidents, or send it to a server"
DESCRIPTION = (
    "Writes requests.csv and truth.json; for aiops also spans.csv, in which one "
    "service fails. The same arguments give the same bytes. With --live the traffic is "
    "sent to a server in real time."
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    place = command.add_mutually_exclusive_group(required=True)
    place.add_argument("--out", metavar="DIR", help="directory for the files")
    place.add_argument("--live", metavar="URL", help="server to send to, instead of writing files")
    command.add_argument(
        "--system", metavar="NAME", help="shop (default), aiops; with --live also api, radar"
    )
    command.add_argument(
        "--rows",
        type=arguments.whole(1),
        metavar="N",
        help="requests (default: 10,000), for aiops traces (default: 900); not with --live",
    )
    command.add_argument(
        "--services",
        type=arguments.whole(1, 10_000),
        metavar="N",
        help="number of services, for shop (default: 4)",
    )
    command.add_argument(
        "--duration",
        type=arguments.duration,
        metavar="TIME",
        help="90s, 15m, 2h, 1d (default: 2h; aiops: 30m; with --live: 1h of event time)",
    )
    command.add_argument(
        "--start", type=arguments.time, metavar="TIME", help="RFC 3339 (default with --live: now)"
    )
    add_seed(command)
    command.add_argument(
        "--incident",
        action="append",
        metavar="SPEC",
        help="repeatable; none for normal traffic only (default: payments /pay, minute 45 to 53; "
        "with --live eight minutes after the warm-up)",
    )
    traces = command.add_argument_group("aiops")
    traces.add_argument(
        "--scenario",
        metavar="NAME",
        help="slow-payment (default), failing-inventory, cascade, slow-network, quiet: a checkout; "
        "errors, delays: a chain; for radar: drift (default), saturation, calm",
    )
    traces.add_argument(
        "--depth",
        type=arguments.whole(2, 6),
        metavar="N",
        help="services in the chain (default: 4)",
    )
    traces.add_argument("--missing", type=float, metavar="SHARE", help="share of lost spans")
    traces.add_argument("--skew", type=float, metavar="MS", help="clock skew of the services")
    sending.add_arguments(command)
    command.add_argument("--no-labels", action="store_true", help="omit the label column")
    arguments.add_json(command)


def add_seed(command: argparse.ArgumentParser) -> None:
    """Adds the argument --seed."""
    command.add_argument(
        "--seed",
        type=arguments.whole(0, 2**64 - 1),
        default=SEED,
        metavar="N",
        help=f"seed of the simulation (default: {SEED})",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    if args.live is not None:
        return sending.run(args)
    for name, value in sending.only(args).items():
        if value is not None:
            raise errors.UsageError(f"{name} needs --live URL")
    args.system = args.system or "shop"
    if args.system not in _BUILT:
        known = "is not supported yet" if args.system in _SYSTEMS else "is not known"
        raise errors.UsageError(
            f"the system {args.system!r} {known}", "use --system shop or --system aiops"
        )
    foreign = (
        {"--scenario": args.scenario, "--depth": args.depth}
        | {"--missing": args.missing, "--skew": args.skew}
        if args.system == "shop"
        else {"--services": args.services, "--incident": args.incident}
    )
    for name, value in foreign.items():
        if value is not None:
            raise errors.UsageError(f"{name} is not for --system {args.system}")
    return _traces(args) if args.system == "aiops" else _shop(args)


def _shop(args: argparse.Namespace) -> int:
    with errors.usage():
        simulation = _core.ShopSimulation(
            args.rows or ROWS,
            args.services or SERVICES,
            args.duration or DURATION,
            args.start,
            args.seed,
            arguments.incidents(args.incident),
            not args.no_labels,
        )
    with files.Outputs(args.out) as outputs:
        truth = write_requests(simulation, outputs)
        outputs.write("truth.json", truth)
        paths = outputs.commit()
    return _finish(args, simulation.rows, truth, paths)


def _traces(args: argparse.Namespace) -> int:
    rows = args.rows or TRACES
    with errors.usage():
        simulation = _core.TraceSimulation(
            args.scenario or "slow-payment",
            rows,
            args.duration or TRACES_DURATION,
            args.start,
            args.seed,
            args.depth or 4,
            args.missing or 0.0,
            args.skew or 0.0,
        )
    truth = simulation.truth_json()
    with files.Outputs(args.out) as outputs:
        outputs.append("spans.csv", simulation.spans_csv())
        outputs.append("requests.csv", simulation.requests_csv(not args.no_labels))
        outputs.write("truth.json", truth)
        paths = outputs.commit()
    return _finish(args, rows, truth, paths)


def _finish(args: argparse.Namespace, rows: int, truth: str, paths: list[Path]) -> int:
    listed = truth_list(json.loads(truth))
    if args.json:
        print_json(
            {
                "system": args.system,
                "rows": rows,
                "seed": args.seed,
                "incidents": listed,
                "files": {path.name: str(path) for path in paths},
            }
        )
        return errors.FINE
    from mad.report import terminal, text

    console = terminal.console()
    text.print_truth(console, rows, listed, "trace" if args.system == "aiops" else "request")
    text.print_files(console, paths)
    return errors.FINE


def write_requests(simulation: _core.ShopSimulation, outputs: files.Outputs) -> str:
    """Writes requests.csv piece by piece; returns the truth as JSON text."""
    rows, written = simulation.rows, 0
    with Progress("simulating", rows, worth=rows > _WORTH_ROWS, unit="rows") as bar:
        while chunk := simulation.take_csv(_BATCH_ROWS):
            outputs.append("requests.csv", chunk)
            written += _BATCH_ROWS
            bar.reached(min(written, rows))
    truth = simulation.truth_json()
    return truth if truth.endswith("\n") else truth + "\n"


def truth_list(truth: Any) -> list[dict[str, Any]]:
    """The incidents of a truth file, which is a list or an object with `incidents`."""
    listed = truth.get("incidents") if isinstance(truth, dict) else truth
    return [entry for entry in listed or [] if isinstance(entry, dict)]
