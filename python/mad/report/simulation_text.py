"""A simulation and the verdict of the demo on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.text import Text

from mad import times
from mad.report import summary, words
from mad.report.text import new_table, say, say_title

Json = Mapping[str, Any]

_MOST_TRUTH = 20
"""Most incidents of a simulation that are listed."""


def print_truth(out: Console, rows: int, truth: Sequence[Json], kind: str = "request") -> None:
    """Prints the size of a simulation and its incidents."""
    out.print(f"{words.plural(rows, kind)} simulated with {words.plural(len(truth), 'incident')}.")
    if not truth:
        return
    table = new_table("Where", "When", "Kind")
    for entry in truth[:_MOST_TRUTH]:
        start, end = (times.time_or_none(entry.get(key)) for key in ("start", "end"))
        table.add_row(
            Text(words.entity(entry)),
            times.span(start, end),
            Text(words.visible(entry.get("kind") or "")),
        )
    out.print(table)
    if len(truth) > _MOST_TRUTH:
        out.print(f"{len(truth) - _MOST_TRUTH:,} more in truth.json")


def print_demo_verdict(
    out: Console, incident: Json | None, right: bool, wanted: str, delay: timedelta | None
) -> None:
    """Prints whether the demo found its incident and named the culprit."""
    say_title(out, "Verdict")
    if incident is None:
        say(out, f"The incident at {wanted} was not found.", "bold red")
        return
    culprit = words.entity(summary.culprit_of(incident))
    if not right:
        say(out, f"Wrong culprit: {culprit} was named instead of {wanted}.", "bold red")
        return
    known = f", {times.length(delay.total_seconds())} after the incident began" if delay else ""
    say(out, f"Correct: {culprit} was named as the culprit{known}.", "bold green")
