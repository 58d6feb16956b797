"""The options of `mad serve`: its arguments over the settings."""

from __future__ import annotations

import argparse
from dataclasses import replace

from mad import errors
from mad.config.options import read_options
from mad.config.server import HttpLimits, JournalOptions, Retention, ServerOptions


def server_options(args: argparse.Namespace, base: ServerOptions) -> ServerOptions:
    """The options of the server: those of the settings, and the arguments over them.

    Raises `UsageError`.
    """
    seconds = args.checkpoint_seconds
    if seconds is not None and not 0.1 <= seconds <= 86_400:
        raise errors.UsageError(f"--checkpoint-seconds {seconds}: expected 0.1 to 86400")
    given = {
        "host": args.host,
        "port": args.port,
        "otlp_grpc": args.otlp_grpc,
        "data": args.data,
        "token_file": args.token_file,
        "read_only": args.read_only or None,
        "ticks": False if args.no_ticks else None,
        "checkpoint_seconds": seconds,
    }
    most_body = None if args.max_body is None else args.max_body * 1024 * 1024
    return replace(
        base,
        journal=_journal_options(args, base.journal),
        retain=Retention.parse(args.retain, base.retain),
        http=HttpLimits.parse(args.http_limit, most_body, base.http),
        **{name: value for name, value in given.items() if value is not None},
    )


def _journal_options(args: argparse.Namespace, base: JournalOptions) -> JournalOptions:
    table = {"url": args.journal, "name": args.name}
    given = {name: value for name, value in table.items() if value is not None}
    if "name" in given and (args.journal or base.url) is None:
        raise errors.UsageError("--name needs --journal", "give the URL of a PostgreSQL database")
    checked, problems = read_options(JournalOptions, given, "journal")
    if checked is None:
        raise errors.UsageError("; ".join(one.message for one in problems))
    return replace(base, **given)
