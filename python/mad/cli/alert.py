"""`mad alert`: sends test messages, lists notifications, and sends dead letters again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from time import monotonic
from typing import Any

from mad import documents, errors
from mad.cli import arguments, remote, settings
from mad.cli.output import print_json
from mad.config.deployment import Part
from mad.report.words import visible

HELP = "test the sinks, list notifications, send dead letters again"
DESCRIPTION = "Tests the sinks of a settings file, and shows the notifications of a server."
EPILOG = """\
examples:
  mad alert test                 send a test message to every sink of mad.toml
  mad alert test ops             only to [sinks.ops]
  mad alert list                 the newest notifications of the server
  mad alert dead                 those that were given up, with the reason
  mad alert retry --sink ops     send the dead letters of a sink again
"""


def add_commands(command: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Adds the commands `test`, `list`, `dead` and `retry`."""
    inner = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    test = inner.add_parser(
        "test",
        parents=[common],
        help="send a message that is marked as a test",
        description="Sends a message that is marked as a test to one sink or to all, without a "
        "server, and says what happened. Exit code 4 when a sink did not take it.",
    )
    test.add_argument("sink", nargs="?", metavar="SINK", help="name of the sink (default: all)")
    settings.add_config(test)
    arguments.add_json(test)
    test.set_defaults(run=run_test)
    for name, about in (
        ("list", "list the notifications of a server, newest first"),
        ("dead", "list the notifications that were given up, with the reason"),
    ):
        listing = inner.add_parser(name, parents=[common], help=about, description=about + ".")
        _add_server(listing)
        listing.add_argument("--sink", metavar="NAME", help="only those to one sink")
        listing.add_argument(
            "--limit",
            type=arguments.whole(1, 1_000),
            default=50,
            metavar="N",
            help="most notifications (default: 50)",
        )
        arguments.add_json(listing)
        listing.set_defaults(run=run_list, status="dead" if name == "dead" else None)
    retry = inner.add_parser(
        "retry",
        parents=[common],
        help="send dead letters again",
        description="Makes the dead letters of a sink pending again, all or those with the ids.",
    )
    _add_server(retry)
    retry.add_argument("--sink", required=True, metavar="NAME", help="name of the sink")
    retry.add_argument(
        "--id", action="append", default=[], type=arguments.whole(1), metavar="N", help="only this"
    )
    retry.set_defaults(run=run_retry)


def _add_server(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "url",
        nargs="?",
        default=remote.LOCAL,
        metavar="URL",
        help=f"the server (default: {remote.LOCAL})",
    )


def run_test(args: argparse.Namespace) -> int:
    """Runs `mad alert test`."""
    parts = settings.deployment(args.config, verbose=args.verbose).sinks
    if not parts:
        raise errors.UsageError(
            "the settings name no sink",
            'add a table [sinks.NAME] with type = "...": docs/alerts.md',
        )
    if args.sink is not None and args.sink not in parts:
        raise errors.UsageError(
            f"there is no sink {args.sink!r}", f"the settings name {', '.join(parts)}"
        )
    chosen = [part for name, part in parts.items() if args.sink in (None, name)]
    found = [_tested(part) for part in chosen]
    if args.json:
        print_json({"ok": all(one["ok"] for one in found), "sinks": found})
    else:
        for one in found:
            mark = "ok   " if one["ok"] else "FAIL "
            line = f"{mark}{one['sink']} ({one['type']}): {one['detail']}"
            sys.stdout.write(visible(line) + "\n")
    return errors.FINE if all(one["ok"] for one in found) else errors.SERVICE


def _tested(part: Part) -> dict[str, Any]:
    from mad.sinks.protocol import Notification, Refused, Retry, example_document

    at = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    began = monotonic()
    try:
        part.build().send(Notification([example_document(at)]))
    except Retry as error:
        wait = f"; it asks to wait {error.after:.0f} s" if error.after else ""
        detail, is_sent = f"not sent: {error}{wait}", False
    except (Refused, ValueError) as error:
        detail, is_sent = f"not sent: {error}", False
    except Exception as error:  # the class may be another package's
        detail, is_sent = f"not sent: {type(error).__name__}", False
    else:
        detail, is_sent = f"sent in {monotonic() - began:.1f} s", True
    return {"sink": part.name, "type": part.type, "ok": is_sent, "detail": detail}


def run_list(args: argparse.Namespace) -> int:
    """Runs `mad alert list` and `mad alert dead`."""
    given = {"sink": args.sink, "status": args.status, "limit": args.limit}
    rows = remote.ask(args.url, documents.listed(documents.ALERT), "alerts", **given)["data"]
    if args.json:
        print_json(rows)
    elif not rows:
        sys.stdout.write("no notifications\n")
    else:
        sys.stdout.write("".join(f"{visible(_line(row))}\n" for row in rows))
    return errors.FINE


def _line(row: dict[str, Any]) -> str:
    times = f"{row['created_at']}  {row['id']:>6}  {row['sink']:<16} {row['status']:<8}"
    tries = f"{row['attempts']} attempts" if row["attempts"] != 1 else "1 attempt"
    reason = f": {row['reason']}" if row.get("reason") else ""
    return f"{times} {row['event']:<16} {row['incident']}  {tries}{reason}"


def run_retry(args: argparse.Namespace) -> int:
    """Runs `mad alert retry`."""
    ids: Sequence[int] = args.id
    command = {"sink": args.sink, "ids": list(ids)}
    answer = remote.order(args.url, documents.RETRIED, "/v1/alerts/retry", command)
    count = answer["retried"]
    sys.stdout.write(f"{count} {'message is' if count == 1 else 'messages are'} sent again\n")
    return errors.FINE
