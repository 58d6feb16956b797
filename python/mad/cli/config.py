"""`mad config`: checks a settings file and shows the settings in effect."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from mad import Config, errors
from mad.cli import arguments, settings
from mad.cli.output import print_json
from mad.config import catalogue
from mad.config.deployment import problems_of
from mad.config.explain import ExplainOptions
from mad.config.layers import parse, stages_of
from mad.config.options import read_options
from mad.config.positions import position_of
from mad.report import words
from mad.sinks import files

HELP = "check a settings file, show the settings in effect"
DESCRIPTION = "Checks a settings file, or shows the settings in effect."


def add_commands(command: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Adds the commands `check` and `show`."""
    inner = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    check = inner.add_parser(
        "check",
        parents=[common],
        help="list every problem of a file with its line",
        description="Names every problem of a TOML, YAML or JSON file with its line, exit code 2; "
        "or what differs from the defaults.",
    )
    check.add_argument("file", metavar="FILE")
    arguments.add_json(check)
    check.set_defaults(run=run_check)
    texts = inner.add_parser(
        "catalogue",
        parents=[common],
        help="print the sentences of explanations, to translate them",
        description="Prints the English sentences of explanations as TOML: the file to translate "
        "for explain.catalogue.",
    )
    texts.set_defaults(run=run_catalogue)
    show = inner.add_parser(
        "show",
        parents=[common],
        help="print the settings in effect as TOML",
        description="Prints the settings in effect as TOML, with the origin of each setting that "
        "differs from its default.",
    )
    settings.add_config(show)
    show.set_defaults(run=run_show)


def run_check(args: argparse.Namespace) -> int:
    """Runs `mad config check`."""
    try:
        text = files.read_text(Path(args.file), most=1 << 20)
    except errors.InputError as error:
        raise errors.UsageError(str(error)) from error
    found = problems(text, args.file)
    stages = {} if found else stages_of(parse(text, args.file), args.file)
    changes = Config(stages).changes()
    missing = [] if found else _untranslated(text, args.file)
    if args.json:
        differing = {path: value for path, (value, _) in changes.items()}
        report = {"file": args.file, "valid": not found, "problems": found, "changes": differing}
        if missing:
            report["untranslated"] = missing
        print_json(report)
    else:
        _print(args.file, found, changes)
        if not found:
            _print_parts(text, args.file)
            _print_untranslated(missing)
    return errors.USAGE if found else errors.FINE


def problems(text: str, path: str) -> list[dict[str, Any]]:
    """Every problem of a settings file in the order of its lines: field, message, line and
    column. Line and column are None where they are unknown."""
    try:
        wrong, known = problems_of(text, path)
    except ValueError as error:
        at = re.search(r"line (\d+),? column (\d+)", str(error))
        line, column = (int(at[1]), int(at[2])) if at else (None, None)
        message = " ".join(str(error).split())
        return [{"field": "", "message": message, "line": line, "column": column}]
    found = []
    for one in wrong:
        line, column = position_of(one.field, known) or (None, None)
        found.append({"field": one.field, "message": one.message, "line": line, "column": column})
    return sorted(found, key=lambda problem: (problem["line"] or 0, problem["column"] or 0))


def _untranslated(text: str, path: str) -> list[str]:
    """The keys of the messages that the catalogue of a valid file lacks."""
    table = parse(text, path).get("explain", {})
    options, _ = read_options(ExplainOptions, table, "explain")
    found = options.texts() if options else None
    return found.missing if found else []


def _print_untranslated(missing: list[str]) -> None:
    if missing:
        number = words.plural(len(missing), "message")
        sys.stdout.write(f"  explain.catalogue lacks {number}, in English: {', '.join(missing)}\n")


def _print_parts(text: str, path: str) -> None:
    """Prints the sources and sinks of a valid file, with their types."""
    fields = parse(text, path)
    for group in ("sources", "sinks"):
        if parts := fields.get(group):
            named = ", ".join(f"{name} ({table['type']})" for name, table in parts.items())
            sys.stdout.write(f"  {group}: {named}\n")


def _print(path: str, found: list[dict[str, Any]], changes: dict[str, tuple[Any, Any]]) -> None:
    from mad.report.words import visible

    for problem in found:
        at = f":{problem['line']}:{problem['column']}" if problem["line"] else ""
        sys.stdout.write(visible(f"{path}{at}: {problem['message']}") + "\n")
    if found:
        return
    if not changes:
        sys.stdout.write(visible(f"{path}: valid; every field has its default") + "\n")
        return
    sys.stdout.write(visible(f"{path}: valid; changes from the defaults:") + "\n")
    for field, (value, default) in changes.items():
        usual = "none" if default in (None, []) else default
        sys.stdout.write(
            visible(f"  {field} = {json.dumps(value, default=str)}  (default {usual})") + "\n"
        )


def run_catalogue(_: argparse.Namespace) -> int:
    """Runs `mad config catalogue`."""
    sys.stdout.write(catalogue.to_toml())
    return errors.FINE


def run_show(args: argparse.Namespace) -> int:
    """Runs `mad config show`."""
    settings.load(args.config)
    found = settings.layers(args.config, verbose=args.verbose)
    config = Config(found.fields)
    notes = {
        path: found.origin(path) + ("" if default in (None, []) else f", default {default}")
        for path, (_, default) in config.changes().items()
    }
    sys.stdout.write(config.to_toml(notes))
    return errors.FINE
