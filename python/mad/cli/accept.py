"""`mad accept`: makes the present level of anomalous signals normal."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from mad import _core, documents, errors
from mad.cli import arguments, remote
from mad.cli.output import print_json
from mad.report import words
from mad.sinks import files

HELP = "make the present level of anomalous signals normal"
DESCRIPTION = (
    "Accepts the level that anomalous signals have now, in a running server or in the "
    "state that mad detect --save wrote. An error rate, for example, never becomes normal by "
    "waiting. Patterns may contain *."
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    command.add_argument("target", metavar="TARGET", help="the URL of a server, or a saved state")
    command.add_argument(
        "--service", required=True, metavar="PATTERN", help="the services that are meant"
    )
    command.add_argument(
        "--endpoint", default="*", metavar="PATTERN", help="their endpoints (default: all)"
    )
    command.add_argument(
        "--signal",
        default="*",
        metavar="PATTERN",
        help="their signals and metrics, such as error_rate (default: all that are anomalous)",
    )
    arguments.add_json(command)


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    meant = {"service": args.service, "endpoint": args.endpoint, "signal": args.signal}
    if remote.is_url(args.target):
        answer = remote.order(args.target, documents.LEVELS, "/v1/levels/accept", meant)
        levels = answer.get("levels") or []
    else:
        levels = _accept_in_file(args.target, meant)
    if args.json:
        print_json({"levels": levels})
        return errors.FINE
    for level in levels:
        sys.stdout.write(words.visible(level["text"]) + ".\n")
    return errors.FINE


def _accept_in_file(path: str, meant: dict[str, str]) -> list[dict[str, Any]]:
    state = files.read_bytes(path)
    try:
        pipeline = _core.Pipeline.restore(None, state)
        if pipeline.watermark is None:
            raise errors.UsageError(f"{path}: nothing was judged, so no signal is anomalous")
        update = pipeline.apply({"command": "accept_level", "at": pipeline.watermark, **meant})
    except KeyError as error:
        raise errors.UsageError(str(error.args[0])) from error
    except ValueError as error:
        raise errors.UsageError(f"{path}: {error}", "give a file that --save wrote") from error
    files.write_bytes(path, pipeline.checkpoint())
    return update.levels
