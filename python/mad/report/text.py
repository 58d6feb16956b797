"""Detection results on a terminal: short tables, coloured only where colours are wanted.

Text from telemetry is never parsed as markup, and control characters are shown as escapes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mad import times
from mad._core import Catalogue
from mad.config.catalogue import ENGLISH
from mad.report import summary, words

Json = Mapping[str, Any]
STYLES = {"Critical": "bold red", "Warning": "yellow", "Info": "cyan"}
_PLAIN_WIDTH = 110
_LISTED = 20
_LEVELS = 20
_LONG_NAME = 30
_SPAN = 15
"""Width of a column that shows the day above the hours."""


def say(out: Console, line: str, style: str = "") -> None:
    """Prints one line or paragraph."""
    out.print(Text(words.visible(line), style=style))


def new_table(*columns: str, right: Sequence[str] = ()) -> Table:
    """A table without a frame; columns in `right` hold numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def say_title(out: Console, line: str) -> None:
    """Prints the title of a section under an empty line."""
    out.print()
    out.print(Text(line, style="bold"))


def _mark(severity: object, catalogue: Catalogue = ENGLISH) -> Text:
    name = words.visible(severity or "Info")
    text = f"{words.MARKS.get(name, '●')} {summary.severity(name, catalogue)}"
    return Text(text, style=STYLES.get(name, ""))


def print_detection(out: Console, document: Json, seconds: float, *, verbose: bool) -> None:
    """Prints the headline, the inputs, rejected records, incidents, the top incident and
    suppressed rows."""
    title, lead = summary.headline(document)
    top = summary.top_incident(summary.incidents(document))
    style = STYLES.get(str(top.get("severity")), "bold") if top else "bold green"
    if document.get("problem"):
        style = STYLES["Critical"]
    # the first line is whole, because scripts and people read it alone
    out.print(Text(title, style=style), soft_wrap=True)
    out.print(Text(lead))
    is_partial = document.get("problem") and document.get("accepted")
    lost = (document.get("lost_services") or []) if is_partial else []
    for warning in (*lost, *(document.get("warnings") or [])):
        if warning != document.get("problem"):
            out.print(Text(f"Check: {words.visible(warning)}.", style=STYLES["Warning"]))
    for level in (document.get("levels") or [])[:_LEVELS]:
        out.print(Text(f"New level: {words.visible(level['text'])}."))
    out.print()
    _print_read(out, document, seconds)
    _print_rejected(out, document)
    found = summary.incidents(document)
    if found:
        _print_incidents(out, found, document)
    if top is not None:
        print_incident(out, top, full=False)
    _print_suppressed(out, document)
    _print_methods(out, document)
    if verbose and document.get("counters"):
        say_title(out, "Counters")
        out.print(pairs(document["counters"]))


def _print_methods(out: Console, document: Json) -> None:
    """Prints what each method flagged, beside the default."""
    found: Sequence[Json] = document.get("methods") or []
    if not found:
        return
    say_title(out, "Other methods")
    right = ["Rows", "Flagged", "Share", "Entities"]
    table = new_table(
        "Method", "Rows", "Flagged", "Share", "Entities", "First flagged", right=right
    )
    for one in found:
        first = times.time_or_none(one.get("first"))
        where = words.entity(one["first_entity"]) if one.get("first_entity") else ""
        rows, flagged = one["rows"], one["flagged"]
        table.add_row(
            one["method"],
            words.count(rows),
            words.count(flagged),
            f"{flagged / rows:.2%}" if rows else "-",
            words.count(one["entities"]),
            Text(f"{times.moment(first)} {words.visible(where)}") if first else Text("-"),
        )
    out.print(table)
    members = [one for one in found if one["weight"] > 0]
    if len(members) > 1:
        names = ", ".join(f"{one['method']} ({one['weight']:g})" for one in members)
        out.print(Text(f"Members of vote and weighted, with their weights: {names}."))
    for one in found:
        if one["drifts"]:
            drifts = words.plural(one["drifts"], "time")
            line = f"{one['method']}: the rows differed {drifts} from those of the last fit."
            out.print(Text(line))


def print_problem(out: Console, problem: object) -> None:
    """Prints why inputs were not read, if they were not, on one line."""
    if problem:
        out.print(Text(words.visible(problem), style=STYLES["Critical"]), soft_wrap=True)


def _print_read(out: Console, document: Json, seconds: float) -> None:
    first, last = (times.time_or_none(document.get(key)) for key in ("first", "last"))
    rows, flagged = summary.judged(document)
    line = Text(summary.analysed(document), style="bold")
    if document.get("errors"):
        line.append(f", {words.plural(document['errors'], 'error')}", style="not bold")
    if first and last:
        length = times.length((last - first).total_seconds())
        line.append(f", {times.span(first, last)} ({length})", style="not bold")
    line.append(f". {words.plural(rows, 'row')} judged, ", style="not bold")
    line.append(f"{words.count(flagged)} flagged, in {seconds:.2f} s.", style="not bold")
    out.print(line)


def _print_rejected(out: Console, document: Json) -> None:
    rejected = document.get("rejected") or {}
    if not rejected.get("total"):
        return
    say_title(out, summary.rejected_line(document))
    table = new_table("Records", "Problem", "First at", "Found", "What to do", right=["Records"])
    counts = sorted((rejected.get("counts") or {}).items(), key=lambda item: -item[1])
    for reason, number in counts:
        first: Json = next(
            (entry for entry in rejected.get("first") or [] if entry.get("reason") == reason), {}
        )
        where = f"{summary.rejected_source(first, document)} {first.get('position', '')}".strip()
        table.add_row(
            words.count(number),
            Text(words.rejection(reason)),
            Text(words.visible(where)),
            Text(words.short(words.visible(first.get("detail") or ""), 60)),
            Text(words.visible(first.get("hint") or "")),
        )
    out.print(table)


def _print_incidents(out: Console, found: Sequence[Json], document: Json) -> None:
    say_title(out, words.plural(len(found), "incident") + ", newest first")
    step = float(document.get("step_seconds") or 60)
    dated = not summary.same_day(document)
    # Long names need the width of the id column; ids then stand below the severities.
    crowded = any(len(words.entity(incident)) > _LONG_NAME for incident in found[:_LISTED])
    columns = ["Severity", "Where", "When", "What", "Culprit", "Id"]
    table = new_table(*columns[: -1 if crowded else None])
    table.columns[0].no_wrap = table.columns[-1].no_wrap = True
    if crowded:
        table.columns[-1].no_wrap = False
        table.columns[1].ratio, table.columns[3].ratio, table.columns[4].ratio = 7, 5, 5
        table.columns[2].max_width = _SPAN
    for incident in found[:_LISTED]:
        start, end = summary.bounds(incident, step)
        when = times.span(start, end, with_day=dated)
        mark = _mark(incident.get("severity"))
        name = Text(words.visible(incident.get("id") or ""), style="dim")
        table.add_row(
            Text("\n").join([mark, name]) if crowded else mark,
            Text(words.entity(incident)),
            Text(when + (" (open)" if summary.is_open(incident) else "")),
            Text(summary.peaks_text(incident)),
            Text(_culprit(incident)),
            *([] if crowded else [name]),
        )
    out.print(table)
    if len(found) > _LISTED:
        say(out, f"{len(found) - _LISTED} more are in incidents.json.", "dim")


def _culprit(incident: Json) -> str:
    culprit = summary.culprit_of(incident)
    if culprit is None:
        return "unclear"
    name = words.entity(culprit)
    return "same" if name == words.entity(incident) else name


def print_incident(
    out: Console, incident: Json, *, full: bool, catalogue: Catalogue = ENGLISH
) -> None:
    """Prints the explanation of one incident, with its ranking when `full`. The headings are in the
    language of `catalogue`; in other languages than English the ranking is a list of sentences."""
    explanation = incident.get("explanation") or {}
    out.print()
    name = (f"  {words.entity(incident)}", "bold")
    identity = (f"  {words.visible(incident.get('id') or '')}", "dim")
    out.print(Text.assemble(_mark(incident.get("severity"), catalogue), name, identity))
    if explanation.get("summary"):
        say(out, str(explanation["summary"]))
    _print_field(
        out, summary.label("culprit", catalogue) + ":", summary.blamed(incident, catalogue)
    )
    for heading, items in summary.parts(incident, catalogue):
        _print_list(out, heading, items)
    if explanation.get("confidence"):
        confidence = summary.confidence(explanation, catalogue)
        rule = words.visible(explanation.get("confidence_rule") or "")
        _print_field(out, f"{summary.label('confidence', catalogue)}: {confidence}.", rule)
    if not full or not (incident.get("ranking") or {}).get("culprits"):
        return
    if catalogue is ENGLISH:
        print_ranking(out, incident["ranking"])
        return
    for culprit in incident["ranking"]["culprits"]:
        texts = [words.visible(one.get("text") or "") for one in culprit.get("evidence") or ()]
        heading = f"{summary.label('evidence', catalogue)}: {words.entity(culprit)}"
        _print_list(out, heading, texts)


def _print_field(out: Console, name: str, value: str) -> None:
    out.print(Text(f"{name} ", style="bold").append(value, style="not bold"))


def _print_list(out: Console, heading: str, items: Sequence[str]) -> None:
    out.print(Text(heading, style="bold"))
    for item in items:
        out.print(Padding(Text(f"- {item}"), (0, 0, 0, 2)))


def print_ranking(out: Console, ranking: Json) -> None:
    """Prints the likely culprits with their evidence, best first."""
    from mad.report.incident_section import expected

    culprits = ranking.get("culprits") or []
    at, minutes = times.time_or_none(ranking.get("at")), ranking.get("minutes")
    if at is not None and words.is_number(minutes):
        before = times.length(minutes * 60)
        say_title(out, f"Likely culprits in the {before} before {times.moment(at)}")
    else:
        say_title(out, "Likely culprits")
    if not culprits:
        say(out, "None: no endpoint stands out in this time range.")
        return
    table = new_table("", "Culprit", "Since", "Signal", "Value", "Expected", "z", "Rows", "Score")
    for place, culprit in enumerate(culprits, start=1):
        onset = times.time_or_none(culprit.get("onset"))
        score = culprit.get("score")
        evidence: list[Json] = culprit.get("evidence") or [{"signal": culprit.get("metric") or ""}]
        for index, item in enumerate(evidence):
            signal = str(item.get("signal") or "")
            first = index == 0
            table.add_row(
                str(place) if first else "",
                Text(words.entity(culprit) if first else "", style="bold" if place == 1 else ""),
                Text(times.moment(onset) if onset and first else ""),
                Text(words.signal_name(signal)),
                words.quantity(item.get("value"), signal),
                expected(item, signal),
                words.z_score(item.get("z")),
                words.count(item.get("rows")),
                words.significant(score) if words.is_number(score) and first else "",
            )
    out.print(table)


def _print_suppressed(out: Console, document: Json) -> None:
    rows = summary.suppressed(document)
    if not rows:
        return
    say_title(out, "Suppressed: deviating rows that were not flagged")
    table = new_table("Rows", "Reason", "What it means", right=["Rows"])
    for name, sentence, count in rows:
        table.add_row(words.count(count), Text(name), Text(sentence))
    out.print(table)


def print_states(out: Console, states: Sequence[Json]) -> None:
    """Prints the state of entities, or whether their rows were flagged, with the reason."""
    dated = any("state" in state for state in states)
    table = new_table("Where", "State" if dated else "Flagged", "Why", "Since" if dated else "Row")
    table.columns[0].ratio, table.columns[2].ratio = 2, 5
    for state in states:
        status = summary.status(state)
        row = times.time_or_none(state.get("bucket"))
        table.add_row(
            Text(status["name"]),
            Text(status["state"] if dated else "yes" if state.get("is_anomaly") else "no"),
            Text(status["reason"]),
            Text(status["since"] if row is None else times.moment(row)),
        )
    out.print(table)


_LABELS = {
    "tp": "True positives",
    "fp": "False positives",
    "fn": "False negatives",
    "tn": "True negatives",
    "of": "Incidents",
    "first": "Ranked first",
    "among_three": "Among the first three",
}


def label(name: object) -> str:
    """The name of a figure."""
    return _LABELS.get(str(name)) or words.visible(name).replace("_", " ").capitalize()


def figure(name: str, value: object) -> Text:
    """The value of a figure."""
    if value is None:
        return Text(words.DASH)
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if words.is_number(value) and name.endswith("seconds"):
        return Text(times.length(float(value)))
    if words.is_number(value):
        return Text(f"{value:,}" if isinstance(value, int) else f"{value:,.3f}")
    if isinstance(value, str):
        moment = times.time_or_none(value)
        return Text(times.moment(moment) if moment else words.visible(value))
    if isinstance(value, Mapping) and "service" in value:
        return Text(words.entity(value))
    if isinstance(value, list):
        return Text(", ".join(words.visible(entry) for entry in value))
    return Text(words.visible(value))


def pairs(values: Json) -> Table:
    """Figures under each other."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name, value in values.items():
        table.add_row(Text(label(name.removesuffix("_seconds"))), figure(name, value))
    return table


def print_files(out: Console, paths: Sequence[Path]) -> None:
    """Prints the paths of all written files, the report last."""
    if not paths:
        return
    out.print()
    report = [path for path in paths if path.suffix == ".html"]
    others = [path.name for path in paths if path.suffix != ".html"]
    folder = paths[0].parent
    if others:
        out.print(Text(f"Written to {words.visible(folder)}: {', '.join(others)}"), soft_wrap=True)
    for path in report:
        line = Text("Report: ", style="bold").append(words.visible(path), style="not bold")
        out.print(line, soft_wrap=True)
