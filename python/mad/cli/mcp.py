"""`mad mcp`: a server of the Model Context Protocol for assistants."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mad import errors
from mad.cli import remote

HELP = "answer questions of assistants about incidents (MCP)"
DESCRIPTION = (
    "Serves the Model Context Protocol on standard input and output: an assistant lists incidents, "
    "reads their evidence and explanation, the health of services, and why something is not "
    "flagged. Nothing is written. The token of a server comes from the variable MAD_TOKEN."
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    command.add_argument(
        "results", metavar="DIR|URL", help="output of mad detect, or the URL of a server"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command until its input ends."""
    from mad.cli.assistant import Directory, Remote, Results, Tools, serve

    place: str = args.results
    results: Results = Remote(place) if remote.is_url(place) else Directory(Path(place))
    serve(Tools(results), sys.stdin.buffer, sys.stdout.buffer)
    return errors.FINE
