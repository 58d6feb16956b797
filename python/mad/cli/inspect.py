"""`mad inspect`: says what a file or folder holds and what would be read from it."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from mad import errors
from mad.cli import arguments, settings
from mad.cli.output import print_json
from mad.detection.formats import Layout
from mad.detection.inspection import inspect_path

HELP = "say what a file holds and what would be read"
DESCRIPTION = (
    "Detects the format of a file and reads it without judging it: records, rejected records by "
    "reason, services, time range, errors, latency and edges. The files of a folder are read as "
    "one input. Exits with 3 when no record can be read."
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    command.add_argument("path", metavar="PATH", help="a file or a folder")
    arguments.add_format(command)
    arguments.add_intake(command)
    settings.add_config(command)
    arguments.add_json(command)


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    config = settings.load(args.config, verbose=args.verbose, intake=arguments.intake_of(args))
    layout = Layout(args.format, args.service, args.pattern)
    try:
        document = inspect_path(args.path, layout, config)
    except errors.InputError as error:
        if not args.json:
            raise
        document = {"path": args.path, "records": 0, "rejected": {}, "problem": str(error)}
        sys.stderr.write(f"mad: {error}\n")
    if args.json:
        print_json(document)
    else:
        show(document)
    return errors.FINE if document["records"] else errors.INPUT


def show(document: dict[str, Any]) -> None:
    """Prints the document for people."""
    from mad.report import inspection, terminal

    inspection.print_inspection(terminal.console(), document)
