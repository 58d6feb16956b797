"""`mad explain`: explains an incident, or why an endpoint is flagged or not."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mad import _core, documents, errors
from mad._core import Catalogue
from mad.cli import arguments, explain_llm, remote, settings
from mad.cli.output import print_json
from mad.config.catalogue import ENGLISH, in_language
from mad.config.catalogue import chosen as chosen_catalogue
from mad.detection.directory import SCORED, SCORED_METRICS
from mad.report import summary
from mad.sources.files import InputFile

_HINT = "give a directory that mad detect wrote"
_READ = ("accepted", "rejected", "problem")
_LISTED = 200
"""Most states that a document lists."""
_NAMES = "give names as in scored.csv; --at may be before the first row"


HELP = "explain an incident, or why an endpoint is flagged or not"
DESCRIPTION = (
    "Explains the most important incident, or the one of --incident. With "
    "--service: shows the state of each endpoint and metric at the end of the run and its "
    "reason; with --at: why their rows at that time were flagged or not."
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    command.add_argument(
        "directory", metavar="DIR|URL", help="output of mad detect, or the URL of a server"
    )
    command.add_argument("--incident", metavar="ID", help="an id or its prefix, or all")
    command.add_argument(
        "--service", metavar="NAME", help="explain why this service is flagged or not"
    )
    command.add_argument(
        "--endpoint", metavar="NAME", help="one endpoint or resource of the service"
    )
    command.add_argument("--metric", metavar="NAME", help="one metric of the service")
    command.add_argument(
        "--at", type=arguments.time, metavar="TIME", help="explain the rows at this time, RFC 3339"
    )
    command.add_argument(
        "--language",
        metavar="NAME",
        help="language of the sentences: en, de, or that of --catalogue (default: of [explain])",
    )
    command.add_argument(
        "--catalogue", metavar="FILE", help="file with the sentences in another language"
    )
    explain_llm.add_arguments(command)
    command.add_argument(
        "--markdown", action="store_true", help="print incidents as Markdown, for tickets and chats"
    )
    arguments.add_json(command)


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    path = Path(args.directory)
    if args.service is None and (args.endpoint or args.metric or args.at):
        args.refuse("--endpoint, --metric and --at need --service NAME")
    if args.json and args.markdown:
        args.refuse("give --json or --markdown, not both")
    if args.service is not None and args.markdown:
        args.refuse("--markdown prints incidents; leave --service out")
    if args.service is not None and args.llm:
        args.refuse("--llm explains incidents; leave --service out")
    if args.service is not None and (args.language or args.catalogue):
        args.refuse("--language and --catalogue are for incidents; leave --service out")
    if remote.is_url(args.directory):
        return _of_server(args)
    if args.service is not None:
        return explain_service(args, path)
    content = documents.read_run(path, _HINT)
    read = {name: content[name] for name in _READ if name in content}
    chosen = choose(content["incidents"], args.incident)
    return _print_incidents(chosen, content.get("schema_version", 1), args, read)


def _of_server(args: argparse.Namespace) -> int:
    if args.at is not None:
        args.refuse("--at needs DIR; a server only knows the present state")
    if args.service is None:
        shape = documents.listed(documents.INCIDENT)
        listed = remote.ask(args.directory, shape, "incidents", limit=1000)["data"]
        chosen = choose(listed, args.incident)
        if _asked_language(args):
            # the list has the sentences in the language of the server alone
            chosen = [
                remote.ask(args.directory, documents.INCIDENT, "incidents", str(one["id"]))
                for one in chosen
            ]
        return _print_incidents(chosen, 1, args)
    given = {"service": args.service, "endpoint": args.endpoint}
    shape = documents.listed(documents.STATE)
    states = remote.ask(args.directory, shape, "entities", **given)["data"]
    found = [state for state in states if _is_asked(state, args)]
    if not found:
        raise errors.UsageError(f"{args.service!r} is unknown to {args.directory}")
    return _print_states(found, args)


def _print_incidents(
    chosen: list[dict[str, Any]],
    version: int,
    args: argparse.Namespace,
    read: dict[str, Any] | None = None,
) -> int:
    """Prints incidents under what the run accepted. Returns the exit code."""
    problem = (read or {}).get("problem")
    code = errors.INPUT if problem else errors.FINE
    catalogue = _catalogue(args)
    if _asked_language(args):
        chosen = [in_language(one, catalogue) for one in chosen]
    explainer = explain_llm.explainer(args)
    if explainer is not None and args.dry_run:
        explain_llm.print_requests(explainer, chosen)
        return code
    if explainer is not None:
        chosen = explain_llm.with_answers(explainer, chosen)
    if args.json:
        print_json({"schema_version": version, **(read or {}), "incidents": chosen})
        return code
    from mad.report import markdown, terminal, text

    console = terminal.console()
    nothing = catalogue.text("label.nothing")
    if args.markdown:
        if problem:
            sys.stderr.write(f"mad: {problem}\n")
        for incident in chosen:
            asked = explain_llm.lines(incident["llm"]) if explainer is not None else ()
            sys.stdout.write(markdown.incident(incident, asked, catalogue) + "\n")
        if not chosen:
            sys.stdout.write(nothing + "\n")
        return code
    text.print_problem(console, problem)
    if not chosen:
        text.say(console, nothing)
    for incident in chosen:
        text.print_incident(console, incident, full=True, catalogue=catalogue)
        for line in explain_llm.lines(incident["llm"]) if explainer is not None else ():
            text.say(console, line)
    return code


def _asked_language(args: argparse.Namespace) -> bool:
    """Whether an argument names a language; incidents are in that of the settings already."""
    return bool(args.language or args.catalogue)


def _catalogue(args: argparse.Namespace) -> Catalogue:
    """The language of the arguments, else of the settings."""
    if not _asked_language(args):
        return settings.catalogue(args.config) or ENGLISH
    try:
        return chosen_catalogue(args.language or "", args.catalogue) or ENGLISH
    except ValueError as error:
        raise errors.UsageError(str(error)) from error


def explain_service(args: argparse.Namespace, path: Path) -> int:
    """Explains why a service is flagged or not: by its states at the end of the run, or by its
    scored rows."""
    found: list[dict[str, Any]] = []
    listed: list[dict[str, Any]] = []
    content = {}
    if args.at is None or (path / "incidents.json").exists():
        content = documents.read_run(path, _HINT)
    problem = content.get("problem")
    if args.at is None:
        listed = content.get("states") or []
        found = [state for state in listed if _is_asked(state, args)]
    for name in () if found else (SCORED, SCORED_METRICS):
        file = path / name
        if name == SCORED or file.exists():
            asked = (args.service, args.endpoint, args.metric, args.at)
            found += newest_rows(str(file), InputFile(str(file)).chunks(), *asked)
    if not found:
        raise errors.InputError(
            f"{path} has no matching rows of {args.service!r}", problem or _NAMES
        )
    if not args.json and args.at is None and args.endpoint is None and len(listed) >= _LISTED:
        sys.stderr.write(f"mad: of all, the worst {_LISTED} are listed; name others: --endpoint\n")
    return _print_states(found, args, problem)


def _print_states(
    found: list[dict[str, Any]], args: argparse.Namespace, problem: str | None = None
) -> int:
    code = errors.INPUT if problem else errors.FINE
    if args.json:
        print_json({"schema_version": 1, "problem": problem, "states": found})
        return code
    from mad.report import terminal, text

    console = terminal.console()
    text.print_problem(console, problem)
    text.print_states(console, found)
    return code


def _is_asked(state: dict[str, Any], args: argparse.Namespace) -> bool:
    wanted = {"service": args.service, "endpoint": args.endpoint, "metric": args.metric}
    return all(name is None or state.get(key) == name for key, name in wanted.items())


def choose(listed: list[dict[str, Any]], wanted: str | None) -> list[dict[str, Any]]:
    """The incidents that `--incident` selects; without the option the one to read first, if any."""
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
    problem = "is not the id of an incident" if not found else "is a prefix of several ids"
    raise errors.UsageError(f"{wanted!r} {problem}", f"known ids: {known or 'none'}")


def newest_rows(
    name: str,
    scored: Iterator[bytes],
    service: str,
    endpoint: str | None,
    metric: str | None,
    at: str | None,
) -> list[dict[str, Any]]:
    """The newest row at `at` of each endpoint of a service, and why it was flagged or not."""
    with errors.input_of(name):
        return list(json.loads(_core.why_from_scored(scored, service, endpoint, metric, at)))
