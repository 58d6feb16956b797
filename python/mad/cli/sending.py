"""`mad simulate --live URL`: sends simulated telemetry with known incidents to a server in real
time."""

from __future__ import annotations

import argparse
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mad import errors
from mad.cli import arguments

if TYPE_CHECKING:
    from mad.adapters.post import Post
    from mad.simulate import FeedStats, Stream

DURATION, WARM_UP = 3600.0, 1500.0
"""Seconds of event time."""
_OWN = {
    "shop": ("--services", "--incident"),
    "aiops": ("--scenario", "--depth", "--missing", "--skew"),
    "api": ("--pattern",),
    "radar": ("--scenario",),
}


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments that need --live."""
    group = command.add_argument_group("sending to a server")
    group.add_argument(
        "--accelerate", type=float, metavar="X", help="speed of event time (default: 1)"
    )
    group.add_argument(
        "--rate",
        type=float,
        metavar="N",
        help="requests a second of event time (default: 5; files of api: 0.67)",
    )
    group.add_argument(
        "--warm-up",
        type=arguments.duration,
        metavar="TIME",
        help="time before the first incident (default: 25m; files of radar: 1h; aiops: 60 %% "
        "of the duration)",
    )
    group.add_argument(
        "--pattern",
        metavar="NAME",
        help="for api: normal (default), high_traffic, high_latency, high_error, degrading, burst",
    )
    group.add_argument(
        "--batch-size",
        type=arguments.whole(1, 100_000),
        metavar="N",
        help="records of a batch (default: 1,000)",
    )
    group.add_argument(
        "--token-file",
        metavar="FILE",
        help="file with the token of the server (default: the variable MAD_TOKEN)",
    )


def only(args: argparse.Namespace) -> dict[str, Any]:
    """The arguments of which most need --live."""
    return {
        "--accelerate": args.accelerate,
        "--rate": args.rate,
        "--warm-up": args.warm_up,
        "--pattern": args.pattern,
        "--batch-size": args.batch_size,
        "--token-file": args.token_file,
    }


def run(args: argparse.Namespace) -> int:
    """Sends a stream to the server and prints the number of records by outcome."""
    from mad.adapters.clock import Clock
    from mad.adapters.post import DeliveryError, Post, after_newest
    from mad.cli.progress import Progress
    from mad.simulate import FeedStats, feed
    from mad.times import parse_time

    if args.rows is not None:
        raise errors.UsageError("--rows does not go with --live", "use --rate and --duration")
    try:
        post = Post(args.live, token(args.token_file))
    except ValueError as error:
        raise errors.UsageError(str(error)) from error
    reach(post, args.live)
    try:
        start = after_newest(post) if args.start is None else parse_time(args.start).timestamp()
        clock = Clock(start, 1.0 if args.accelerate is None else args.accelerate)
    except ValueError as error:
        raise errors.UsageError(f"--accelerate: {error}") from error
    with errors.usage():
        stream = _stream(args, datetime.fromtimestamp(clock.start, timezone.utc))
    fed = FeedStats()
    with Progress("sending", stream.records, worth=True, unit="records") as bar:

        def progress(so_far: FeedStats) -> None:
            nonlocal fed
            fed = so_far
            bar.reached(min(fed.sent, stream.records))

        try:
            feed(post, stream, clock, batch=args.batch_size or 1_000, progress=progress)
        except DeliveryError as error:
            raise errors.ServiceError(
                f"{args.live} did not accept {error}", f"{fed.sent:,} records were sent before"
            ) from error
        finally:
            post.close()
    _print_result(args, fed, stream)
    return errors.FINE


def token(path: str | None) -> str | None:
    """The token from a file or from the environment."""
    if path is None:
        return os.environ.get("MAD_TOKEN") or None
    try:
        return Path(path).read_text(encoding="utf-8").strip() or None
    except OSError as error:
        raise errors.UsageError(f"{path}: {errors.reason(error)}") from error


def reach(post: Post, url: str) -> None:
    """Raises `ServiceError` when the server does not respond."""
    from mad.adapters.post import DeliveryError

    try:
        post.get("/health")
    except DeliveryError as error:
        if error.status == 0:
            raise errors.ServiceError(
                f"{url} cannot be reached: {error}", "mad serve starts a server"
            ) from error


def _stream(args: argparse.Namespace, start: datetime) -> Stream:
    """The stream that the arguments select."""
    from mad import simulate
    from mad.simulate import worlds

    args.system = args.system or ("api" if args.pattern else "shop")
    if args.system not in _OWN:
        raise errors.UsageError(
            f"the system {args.system!r} does not support --live", f"use --system {', '.join(_OWN)}"
        )
    given = {
        "--services": args.services,
        "--incident": args.incident,
        "--scenario": args.scenario,
        "--depth": args.depth,
        "--missing": args.missing,
        "--skew": args.skew,
        "--pattern": args.pattern,
        "--interval": args.interval,
        "--anomalies": args.anomalies,
        "--delay": args.delay,
        "--error-rate": args.error_rate,
    }
    for name, value in given.items():
        if value is not None and name not in _OWN[args.system]:
            raise errors.UsageError(f"{name} is not for --system {args.system}")
    rate = 5.0 if args.rate is None else args.rate
    if not 0.0 < rate <= 100_000.0:
        raise errors.UsageError(f"--rate is {rate:g}; expected above 0 up to 100,000")
    warm_up = WARM_UP if args.warm_up is None else args.warm_up
    run = simulate.Run(start, args.duration or DURATION, warm_up, rate, args.seed)
    if args.system == "shop":
        return simulate.shop(run, arguments.incidents(args.incident), args.services or 4)
    if args.system == "aiops":
        scenario = args.scenario or "slow-payment"
        return simulate.traces(
            run, scenario, args.depth or 4, args.missing or 0.0, args.skew or 0.0
        )
    if args.system == "api":
        return simulate.api(run, _one_of("--pattern", args.pattern or "normal", worlds.PATTERNS))
    named = _one_of("--scenario", args.scenario or "drift", worlds.RADAR_SCENARIOS)
    return simulate.radar(run, named)


def _one_of(option: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise errors.UsageError(f"{option} is {value!r}", f"use {', '.join(known)}")
    return value


def _print_result(args: argparse.Namespace, fed: FeedStats, stream: Stream) -> None:
    figures = {
        "sent": fed.sent,
        "accepted": fed.accepted,
        "rejected": fed.rejected,
        "batches": fed.batches,
        "retried": fed.retried,
    }
    if args.json:
        from mad.cli.output import print_json

        print_json(
            {
                "system": args.system,
                "url": args.live,
                "seed": args.seed,
                **figures,
                "incidents": stream.incidents,
            }
        )
        return
    from mad.report import simulation_text, terminal

    console = terminal.console()
    console.print(", ".join(f"{value:,} {name}" for name, value in figures.items()))
    simulation_text.print_truth(console, fed.sent, stream.incidents, "record")
