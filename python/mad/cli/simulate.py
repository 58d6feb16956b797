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
TRACES = 900
SERVICES = 4
DURATION = 7200.0
_SYSTEMS = ("shop", "melt", "api", "radar", "aiops")
_OWN = {
    "shop": ("--rows", "--services", "--incident"),
    "melt": ("--services", "--interval", "--missing"),
    "api": ("--pattern", "--anomalies", "--rate", "--warm-up"),
    "radar": ("--scenario", "--interval", "--warm-up"),
    "aiops": ("--rows", "--scenario", "--depth", "--missing", "--skew", "--delay", "--error-rate"),
}
"""The arguments of each system beside those of all systems, for files."""
_BATCH_ROWS = 20_000
_WORTH_ROWS = 500_000


HELP = "write traffic with known incidents, or send it to a server"
DESCRIPTION = (
    "Writes the telemetry of a system, one file a kind (requests.csv, metrics.csv, logs.csv, "
    "changes.csv, spans.csv), and truth.json. The same arguments give the same bytes. With --live "
    "the traffic is sent to a server in real time."
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    place = command.add_mutually_exclusive_group(required=True)
    place.add_argument("--out", metavar="DIR", help="directory for the files")
    place.add_argument("--live", metavar="URL", help="server to send to, instead of writing files")
    command.add_argument(
        "--system", metavar="NAME", help="shop (default), melt, api, radar or aiops"
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
        help="number of services, for shop (default: 4) and melt (default: 3)",
    )
    command.add_argument(
        "--duration",
        type=arguments.duration,
        metavar="TIME",
        help="90s, 15m, 2h, 1d (default: shop and radar 2h, melt 12h, api 4h, aiops 30m; with "
        "--live: 1h of event time)",
    )
    command.add_argument(
        "--interval",
        type=arguments.duration,
        metavar="TIME",
        help="time between two records of a kind and service, for melt (default: 1m) and radar "
        "(default: 1s)",
    )
    command.add_argument(
        "--anomalies",
        type=arguments.whole(0),
        metavar="N",
        help="anomalous requests, for api (default: 20; 0 with --pattern)",
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
        help="slow-payment (default), failing-inventory, silent-inventory, cascade, slow-network, "
        "quiet: a checkout; errors, delays: a chain; for radar: drift (default), saturation, calm",
    )
    traces.add_argument(
        "--delay", type=float, metavar="MS", help="delay of the faulty service (default: 2000)"
    )
    traces.add_argument(
        "--error-rate",
        type=float,
        metavar="SHARE",
        help="share of calls of the faulty service that fail (default: 0.9 for errors)",
    )
    traces.add_argument(
        "--depth",
        type=arguments.whole(2, 6),
        metavar="N",
        help="services in the chain (default: 4)",
    )
    traces.add_argument(
        "--missing", type=float, metavar="SHARE", help="share of lost spans (melt: 0.2)"
    )
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
    args.system = args.system or ("api" if args.pattern else "shop")
    if args.system not in _SYSTEMS:
        raise errors.UsageError(
            f"the system {args.system!r} is not known", f"use {', '.join(_SYSTEMS)}"
        )
    own, live = _OWN[args.system], sending.only(args)
    for name in sorted(set().union(*_OWN.values(), live) - set(own)):
        if getattr(args, name[2:].replace("-", "_")) is None:
            continue
        if name in live and name != "--pattern":
            raise errors.UsageError(f"{name} needs --live URL")
        raise errors.UsageError(f"{name} is not for --system {args.system}")
    return _shop(args) if args.system == "shop" else _world(args)


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


def _world(args: argparse.Namespace) -> int:
    from mad.simulate.systems import world

    settings = {
        "services": args.services,
        "duration": args.duration,
        "interval": args.interval,
        "scenario": args.scenario,
        "pattern": args.pattern,
        "anomalies": args.anomalies,
        "calls_per_minute": None if args.rate is None else args.rate * 30.0,
        "warm_up": args.warm_up,
        "traces": args.rows,
        "depth": args.depth,
        "missing": args.missing,
        "skew_ms": args.skew,
        "delay_ms": args.delay,
        "error_rate": args.error_rate,
    }
    with errors.usage():
        made = world(
            args.system, seed=args.seed, start=args.start, labels=not args.no_labels, **settings
        )
    rows = args.rows or TRACES if args.system == "aiops" else made.records
    return _finish(args, rows, made.truth_json, made.write(args.out))


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
    from mad.report import simulation_text, terminal, text

    console = terminal.console()
    unit = {"shop": "request", "api": "request", "aiops": "trace"}.get(args.system, "record")
    simulation_text.print_truth(console, rows, listed, unit)
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
