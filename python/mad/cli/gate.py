"""`mad gate`: fails a pipeline when an incident opens after a deployment."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import datetime, timezone
from typing import Any

from mad import documents, errors
from mad.cli import arguments, remote
from mad.cli.detect import GATES
from mad.cli.output import print_json
from mad.report import ci
from mad.sinks import files
from mad.times import time_or_none

HELP = "fail a pipeline when an incident opens after a deployment"
DESCRIPTION = (
    "Watches a running server for a time. Exits with 1 as soon as an incident opens that has at "
    "least the severity of --fail-on, with 0 when none does, with 4 when the server cannot be "
    "reached. The token comes from the variable MAD_TOKEN."
)
_PAUSE_SECONDS = 5.0


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    command.add_argument("url", metavar="URL", help="mad server, such as http://127.0.0.1:8000")
    command.add_argument(
        "--for",
        dest="duration",
        type=arguments.duration,
        default=600.0,
        metavar="DURATION",
        help="how long to watch, such as 90s or 10m (default: 10m)",
    )
    command.add_argument(
        "--since",
        type=arguments.time,
        metavar="TIME",
        help="incidents that open after this time, RFC 3339 (default: now)",
    )
    command.add_argument("--service", metavar="NAME", help="only incidents of this service")
    command.add_argument(
        "--fail-on",
        choices=tuple(GATES),
        default="critical",
        metavar="SEVERITY",
        help="least severity that fails: warning, critical (default: critical)",
    )
    arguments.add_ci(command)
    command.add_argument("--json", action="store_true", help="print the incidents as JSON")


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    since = time_or_none(args.since) if args.since else datetime.now(timezone.utc)
    until, severities = time.monotonic() + args.duration, GATES[args.fail_on]
    while True:
        opened = [one for one in _incidents(args, since) if one.get("severity") in severities]
        left = until - time.monotonic()
        if opened or left <= 0:
            break
        time.sleep(min(_PAUSE_SECONDS, left))
    _show(args, opened, severities)
    return errors.FAILED if opened else errors.FINE


def _incidents(args: argparse.Namespace, since: datetime | None) -> list[dict[str, Any]]:
    """The incidents that opened since a time."""
    start, shape = since.isoformat() if since else None, documents.listed(documents.INCIDENT)
    answer = remote.ask(args.url, shape, "incidents", start=start, limit=200)
    found = []
    for one in answer["data"]:
        opened = time_or_none(one.get("opened_at"))
        named = [
            one.get("service"),
            *(str(name).split(" ")[0] for name in one.get("affected") or ()),
        ]
        if opened is None or since is None or opened < since:
            continue
        if args.service is None or args.service in named:
            found.append(one)
    return found


def _show(args: argparse.Namespace, opened: list[dict[str, Any]], severities: Any) -> None:
    if args.junit:
        services = [args.service or "all services"]
        files.write_bytes(args.junit, ci.junit(opened, services, severities))
    if ci.is_github(args.annotations):
        ci.annotate(opened, sys.stderr if args.json else sys.stdout)
    if args.json:
        print_json({"incidents": opened})
        return
    for one in opened:
        sys.stdout.write(f"{(one.get('explanation') or {}).get('line', one.get('id'))}\n")
        sys.stdout.write(f"  mad explain {args.url} --incident {one.get('id')}\n")
    if not opened:
        sys.stdout.write("no incident opened\n")
