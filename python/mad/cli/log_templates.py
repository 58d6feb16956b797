"""`mad log-templates`: lists the kinds of lines of a log."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from mad import errors
from mad.cli import arguments, settings
from mad.cli.output import print_json

if TYPE_CHECKING:
    from mad.detection.log_lines import FileTemplates

HELP = "list the kinds of lines of a log"
DESCRIPTION = (
    "Reads a text file line by line, plain or compressed, and lists the templates of its lines, "
    "those with most lines first. <*> stands for what varies. Exits with 3 when there is no line."
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    add_file(command)
    command.add_argument(
        "--top",
        type=arguments.whole(1),
        default=50,
        metavar="N",
        help="templates to list (default: 50; --json lists all)",
    )


def add_file(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of commands that read the lines of a text file."""
    command.add_argument("file", metavar="FILE", help="a text file; - is standard input")
    settings.add_config(command)
    arguments.add_json(command)


def learn(args: argparse.Namespace) -> FileTemplates:
    """The templates of the file that the arguments name."""
    from mad.detection.log_lines import learn_file

    return learn_file(args.file, settings.load(args.config, verbose=args.verbose))


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    found = learn(args)
    listed = sorted(found.templates.templates(), key=lambda known: (-known[2], known[0]))
    if args.json:
        entries = [
            {"id": id, "count": count, "template": text, "sample": found.samples.get(id)}
            for id, text, count in listed
        ]
        print_json({"path": args.file, "lines": found.lines, "templates": entries})
    else:
        for id, text, count in listed[: args.top]:
            sys.stdout.write(f"{count:>9,}  {id:>5}  {text}\n")
        left = len(listed) - args.top
        more = f", {left:,} more with --top or --json" if left > 0 else ""
        sys.stdout.write(f"{found.lines:,} lines, {len(listed):,} templates{more}\n")
    return errors.FINE if found.lines else errors.INPUT
