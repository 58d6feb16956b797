"""`mad explain --llm`: the explanation of a language model, and what would be sent to it."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from mad import errors
from mad.cli import settings
from mad.explainers import LlmExplainer
from mad.report import words

_HINT = 'name one: [explain.llm] with url = "..." and model = "..." in mad.toml'


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the explanation by a language model."""
    command.add_argument(
        "--llm", action="store_true", help="explain with the language model of [explain.llm]"
    )
    command.add_argument(
        "--dry-run", action="store_true", help="with --llm: print what would be sent, send nothing"
    )
    settings.add_config(command)


def explainer(args: argparse.Namespace) -> LlmExplainer | None:
    """The explainer that the arguments ask for; None without `--llm`."""
    if args.dry_run and not args.llm:
        args.refuse("--dry-run needs --llm")
    if not args.llm:
        return None
    options = settings.deployment(args.config, verbose=args.verbose).explain.llm
    if not options.is_set:
        raise errors.UsageError("no language model is configured", _HINT)
    return LlmExplainer(options)


def print_requests(explainer: LlmExplainer, incidents: list[dict[str, Any]]) -> None:
    """Prints what would be sent about each incident."""
    for incident in incidents:
        lines = explainer.request(incident).split("\n")
        sys.stdout.write("\n".join(words.visible(line) for line in lines) + "\n")


def with_answers(explainer: LlmExplainer, incidents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The incidents with the answers of the model as the field `llm`."""
    return [{**one, "llm": explainer.explain(one).to_dict()} for one in incidents]


def lines(answer: dict[str, Any]) -> list[str]:
    """An answer as lines for people."""
    if answer["source"] == "template":
        return [f"The language model gave no explanation: {answer['problem']}."]
    found = [
        "By a language model; its claims cite the facts below, and may be wrong.",
        f"Root cause: {answer['root_cause']}",
        f"Severity: {answer['severity']}",
        f"Do first: {answer['suggested_action']}",
    ]
    return found + [f"{name}: {text}" for name, text in answer["evidence"].items()]
