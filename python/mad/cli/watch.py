"""`mad watch`: the state of a fleet in the terminal."""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from mad import errors
from mad.cli import remote, sending

if TYPE_CHECKING:
    from rich.console import Console

    from mad.view import Feed

HELP = "show a server or a file live in the terminal"
DESCRIPTION = (
    "Shows endpoints with their state, traffic, errors and latency, and the incidents. q or Ctrl-C "
    "ends it, the arrow keys select an incident and Enter opens it. A file is followed while it "
    "grows, through rotation and truncation. While a server does not answer its last state stays "
    "on the screen. Without a terminal one snapshot is printed."
)
KINDS = ("requests", "metrics", "spans", "logs")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    command.add_argument(
        "source", metavar="URL|FILE", help="mad server, or a file of CSV or JSON Lines"
    )
    command.add_argument(
        "--kind", choices=KINDS, default="requests", help="records of the file (default: requests)"
    )
    add_view_arguments(command)


def add_view_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of every live view."""
    command.add_argument(
        "--every",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="seconds between two updates (default: 1)",
    )
    command.add_argument("--once", action="store_true", help="print one snapshot and exit")
    command.add_argument(
        "--token-file",
        metavar="FILE",
        help="file with the token of the server (default: the variable MAD_TOKEN)",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    from mad.view import ServerFeed

    if remote.is_url(args.source):
        try:
            feed: Feed = ServerFeed(args.source, sending.token(args.token_file))
        except ValueError as error:
            raise errors.UsageError(str(error)) from error
    else:
        feed = _of_file(args)
    shown(args, feed)
    return errors.FINE


def _of_file(args: argparse.Namespace) -> Feed:
    """A file: followed in a terminal, else read to its end once."""
    from mad.sources.files import InputFile
    from mad.view import FollowedFile, LocalFeed, timed_lines

    with errors.input_of(args.source):
        if _is_live(args) and InputFile(args.source).can_grow():
            followed = FollowedFile(args.source, args.kind)
            followed.start()
            return followed
        lines = timed_lines(args.source)
        feed = LocalFeed(Path(args.source).name)
        for _, body, records in lines.pieces(3600.0, 100_000):
            feed.take(body, args.kind, records)
        feed.finish()
    return feed


def _is_live(args: argparse.Namespace) -> bool:
    """Whether the view stays on a terminal."""
    return not args.once and sys.stdout.isatty()


def shown(
    args: argparse.Namespace,
    feed: Feed,
    stop: threading.Event | None = None,
    paused: threading.Event | None = None,
) -> None:
    """Shows a feed until a key ends it; prints it once where there is no terminal. The space bar
    sets and clears `paused`."""
    from mad.report import terminal
    from mad.view import terminal as view

    if not 0.1 <= args.every <= 3600.0:
        raise errors.UsageError(f"--every is {args.every:g}; give 0.1 to 3600 seconds")
    console: Console = terminal.console()
    try:
        if not _is_live(args):
            view.print_once(feed, console)
        else:
            view.show(feed, console, args.every, stop or threading.Event(), paused)
    except KeyboardInterrupt:
        pass  # Ctrl-C is a way to end it
    finally:
        feed.close()
