"""Results of an evaluation on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from mad.report.text import figure, label, new_table, pairs, say, say_title

Json = Mapping[str, Any]

_MOST_RECORDS = 20
"""Most records of a section that are listed."""


def print_evaluation(out: Console, evaluation: Json) -> None:
    """Prints all results of an evaluation, by section."""
    say_title(out, "Compared with the truth")
    plain = {key: value for key, value in evaluation.items() if value and not _nested(value)}
    if plain:
        out.print(pairs(plain))
    for name, value in evaluation.items():
        if isinstance(value, Mapping):
            say(out, label(name), "bold")
            out.print(Padding(pairs(value), (0, 0, 0, 2)))
        elif name == "methods":
            say(out, label(name), "bold")
            # the counts are in the document for machines
            out.print(_records(value, _METHOD_FIGURES))
        elif _nested(value) and value:
            say(out, label(name), "bold")
            out.print(_records(value[:_MOST_RECORDS]))
            if len(value) > _MOST_RECORDS:
                out.print(f"{len(value) - _MOST_RECORDS:,} more with --json")


#: The printed fields of each method and kind.
_METHOD_FIGURES = ("method", "kind", "tp", "fp", "accuracy", "precision", "recall", "f1")


def _nested(value: object) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value)
    )


def _records(values: Sequence[Any], names: Sequence[str] = ()) -> Table:
    """A table of records with some of their fields, or all."""
    names = names or list(dict.fromkeys(name for entry in values for name in entry))
    table = new_table(*(label(name.removesuffix("_seconds")) for name in names))
    for entry in values:
        table.add_row(*(figure(name, entry.get(name)) for name in names))
    return table
