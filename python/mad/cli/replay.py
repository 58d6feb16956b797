"""`mad replay`: sends a recorded file at a chosen speed to a server, or to the terminal."""

from __future__ import annotations

import argparse
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mad import errors, times
from mad.cli import arguments, sending, watch

if TYPE_CHECKING:
    from mad.view import TimedLines

HELP = "replay a recorded file into a server or the terminal"
DESCRIPTION = (
    "Sends the records of FILE in the order of their times, at --speed times real time: to the "
    "server of --to, or to a detector whose state is shown in the terminal, where the space bar "
    "pauses and continues. The records keep their times."
)
_SPEED = 60.0
_TICK = 0.2
"""Seconds between two pieces."""
_MOST = 5_000
"""Most records of a piece."""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    command.add_argument("file", metavar="FILE", help="CSV or JSON Lines, plain or compressed")
    command.add_argument(
        "--speed",
        type=float,
        default=_SPEED,
        metavar="X",
        help="times real time; 0 sends without pauses (default: 60)",
    )
    command.add_argument(
        "--from",
        dest="begin",
        metavar="TIME",
        help="send the records before without pauses, so that the detector knows the past: "
        "RFC 3339, or a time after the first record such as 45m",
    )
    command.add_argument("--to", metavar="URL", help="send to this server")
    command.add_argument(
        "--kind",
        choices=watch.KINDS,
        default="requests",
        help="records of the file (default: requests)",
    )
    watch.add_view_arguments(command)


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    from mad.view import timed_lines

    if not 0.0 <= args.speed <= 1e6:
        raise errors.UsageError(f"--speed is {args.speed:g}; give 0 to 1,000,000")
    lines = timed_lines(args.file)
    if lines.skipped:
        sys.stderr.write(f"mad: {lines.skipped:,} lines without a readable time are left out\n")
    args.begin = begin_of(args.begin, lines.times[0])
    if args.begin > lines.times[-1]:
        raise errors.UsageError("--from is later than the last record of the file")
    return _to_server(args, lines) if args.to else _to_terminal(args, lines)


def begin_of(text: str | None, first: float) -> float:
    """The time in seconds since 1970 from which a replay is paced."""
    if text is None:
        return first
    try:
        return times.parse_time(text).timestamp()
    except ValueError:
        pass
    try:
        return first + arguments.duration(text)
    except argparse.ArgumentTypeError as error:
        raise errors.UsageError(
            f"--from is {text!r}", "give RFC 3339 such as 2026-01-06T10:45:00Z, or 45m"
        ) from error


def paced(
    lines: TimedLines,
    speed: float,
    stop: threading.Event,
    begin: float | None = None,
    paused: threading.Event | None = None,
) -> Iterator[tuple[float, bytes, int]]:
    """The pieces of a file, each when it is due; those before `begin` (seconds since 1970; default
    the first record) without a wait. Waits while `paused` is set; ends early when `stop` is set."""
    began, first = None, lines.times[0] if begin is None else begin
    for at, body, records in lines.pieces(_TICK * speed if speed else 3600.0, _MOST):
        wait = 0.0
        if speed and at >= first:
            began = time.monotonic() if began is None else began
            wait = (at - first) / speed - (time.monotonic() - began)
        if stop.wait(max(wait, 0.0)):
            return
        held = time.monotonic()
        while paused is not None and paused.is_set():
            if stop.wait(_TICK):
                return
        if began is not None:
            began += time.monotonic() - held
        yield at, body, records


def _to_server(args: argparse.Namespace, lines: TimedLines) -> int:
    from mad.adapters.post import DeliveryError, Post
    from mad.cli.progress import Progress

    try:
        post = Post(args.to, sending.token(args.token_file))
    except ValueError as error:
        raise errors.UsageError(str(error)) from error
    sending.reach(post, args.to)
    name, sent, accepted, rejected = uuid.uuid4().hex, 0, 0, 0
    total = len(lines.lines)
    with Progress("replaying", total, worth=True, unit="records") as bar:
        try:
            pieces = paced(lines, args.speed, threading.Event(), args.begin)
            for place, (_, body, records) in enumerate(pieces):
                key = f"{name}-{place}"
                answer = post.send(args.kind, body, key, records, media_type=lines.media_type)
                sent += records
                accepted += answer.accepted
                rejected += answer.rejected
                bar.reached(sent)
        except DeliveryError as error:
            raise errors.ServiceError(
                f"{args.to} did not accept {error}", f"{sent:,} of {total:,} records were sent"
            ) from error
        finally:
            post.close()
    sys.stdout.write(f"{sent:,} sent, {accepted:,} accepted, {rejected:,} rejected\n")
    return errors.FINE


def _to_terminal(args: argparse.Namespace, lines: TimedLines) -> int:
    from mad.view import LocalFeed

    feed, stop, paused = LocalFeed(Path(args.file).name), threading.Event(), threading.Event()
    problem: list[ValueError] = []
    length = lines.times[-1] - lines.times[0]

    def replay() -> None:
        try:
            for at, body, records in paced(lines, args.speed, stop, args.begin, paused):
                feed.take(body, args.kind, records)
                share = (at - lines.times[0]) / length if length else 1.0
                feed.note = f"{args.speed:g}x, {share:.0%}" if args.speed else f"{share:.0%}"
            if not stop.is_set():
                feed.finish()
                feed.note = f"ended after {times.length(length)}"
        except ValueError as error:
            problem.append(error)
            stop.set()

    if args.once or not sys.stdout.isatty():
        replay()
        watch.shown(args, feed)
    else:
        thread = threading.Thread(target=replay, daemon=True)
        thread.start()
        try:
            watch.shown(args, feed, stop, paused)
        finally:
            stop.set()
            thread.join(10.0)
    if problem:
        raise errors.InputError(f"{args.file}: {problem[0]}")
    return errors.FINE
