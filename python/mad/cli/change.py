"""`mad change`: records a change of a service, such as a deployment, in a server or in a file."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime, timezone
from pathlib import Path

from mad import documents, errors
from mad.cli import arguments, remote
from mad.report.words import visible

HELP = "record a deployment, a feature flag or another change of a service"
DESCRIPTION = (
    "Records a change of a service in a running server, or appends it to a file for mad detect. "
    "A change is evidence for the culprit of incidents that start after it."
)
EPILOG = """\
examples:
  mad change payments --version 2.14.0
  mad change payments --kind feature_flag --name new-checkout --version on
  mad change payments --kind config --name pool_size --version 20 --to https://mad.example.com
  mad change payments --version 2.14.0 --to changes.jsonl
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    command.add_argument("service", metavar="SERVICE", help="the service that changed")
    command.add_argument(
        "--kind",
        default="deploy",
        metavar="KIND",
        help="deploy (default), config, feature_flag, restart, scale, or any other name",
    )
    command.add_argument("--version", metavar="V", help="the version or value after the change")
    command.add_argument("--name", metavar="NAME", help="the name of the flag or setting, a note")
    command.add_argument(
        "--at", type=arguments.time, metavar="TIME", help="when (default: the present)"
    )
    command.add_argument(
        "--to",
        default=remote.LOCAL,
        metavar="URL|FILE",
        help=f"a server (default: {remote.LOCAL}), or a file of JSON Lines; a token comes from "
        "MAD_TOKEN",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    given = {
        "timestamp": args.at,
        "service": args.service,
        "kind": args.kind,
        "name": args.name,
        "version": args.version,
    }
    change = {name: value for name, value in given.items() if value is not None}
    if remote.is_url(args.to):
        remote.order(args.to, documents.ANY, "/v1/changes", change)
    else:
        _append(Path(args.to), change)
    what = " ".join(filter(None, (args.kind, args.name, args.version)))
    sys.stdout.write(visible(f"recorded for {args.service}: {what}") + "\n")
    return errors.FINE


def _append(path: Path, change: dict[str, str]) -> None:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"timestamp": now, **change}, ensure_ascii=False) + "\n")
    except OSError as error:
        raise errors.UsageError(f"cannot write {path}: {errors.reason(error)}") from error
