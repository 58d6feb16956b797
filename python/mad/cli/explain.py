"""`mad explain`: why an incident is one, and what to do."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mad import errors
from mad.cli import files
from mad.cli.detect import print_json
from mad.report import summary

_HINT = "name a directory that mad detect wrote to"


def register(commands: Any, common: argparse.ArgumentParser) -> None:
    """Adds the command."""
    command = commands.add_parser(
        "explain",
        parents=[common],
        help="explain an incident",
        description="Explains the incident to read first, or the one that is named.",
    )
    command.add_argument("directory", metavar="DIR", help="what mad detect wrote")
    command.add_argument("--incident", metavar="ID", help="an id or its beginning; all: every one")
    command.add_argument("--json", action="store_true", help="print one JSON document")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    path = Path(args.directory)
    file = path / "incidents.json" if path.is_dir() or not path.exists() else path
    content = files.read_json(file, _HINT)
    listed = content.get("incidents") if isinstance(content, dict) else None
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise errors.InputError(f"{file} holds no incidents of mad", _HINT)
    chosen = choose(listed, args.incident)
    if args.json:
        print_json({"schema_version": content.get("schema_version", 1), "incidents": chosen})
        return errors.FINE
    from mad.report import text

    console = text.console()
    if not chosen:
        text.say(console, "No incident was found, so there is nothing to explain.")
    for incident in chosen:
        text.print_incident(console, incident, full=True)
    return errors.FINE


def choose(listed: list[dict[str, Any]], wanted: str | None) -> list[dict[str, Any]]:
    """The incidents meant by `--incident`; without it the one to read first, if any."""
    if wanted == "all":
        return listed
    if wanted is None:
        top = summary.top_incident(listed)
        return [dict(top)] if top else []
    found = [entry for entry in listed if str(entry.get("id", "")) == wanted]
    found = found or [entry for entry in listed if str(entry.get("id", "")).startswith(wanted)]
    if len(found) == 1:
        return found
    known = ", ".join(str(entry.get("id")) for entry in (found or listed)[:10])
    problem = "is not the id of an incident" if not found else "is the beginning of several ids"
    raise errors.UsageError(f"{wanted!r} {problem}", f"there are: {known or 'none'}")
