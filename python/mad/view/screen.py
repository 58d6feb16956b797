"""Draws a snapshot: the fleet, the incidents, and the selected incident."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from mad import times
from mad.report import summary, words
from mad.view.snapshot import EntityView, Json, Snapshot

_BARS, _PLAIN_BARS = " ▁▂▃▄▅▆▇█", " .:-=+*#@"
_STYLES = {"Critical": "bold red", "Warning": "yellow", "Info": "cyan"}
_STATE_STYLES = {"anomalous": "bold red", "silent": "bold red", "suppressed": "yellow"}
_WIDE = 118
"""Columns from which more sparklines are shown."""
_NARROW = 60
"""Columns below which no sparkline is shown."""
_LEAST = 14
"""Rows below which only the fleet is shown."""


@dataclass(frozen=True)
class Choice:
    """What the keys have selected."""

    incident: int = 0
    """Place of the selected incident."""
    first: int = 0
    """Place of the first endpoint that is shown."""
    is_open: bool = False
    """Whether the selected incident fills the screen."""


def sparkline(values: Sequence[float | None], width: int, *, plain: bool = False) -> str:
    """The last `width` values as bars from 0 to their maximum; a blank is a missing value."""
    bars = _PLAIN_BARS if plain else _BARS
    shown = list(values)[-width:]
    top = max((one for one in shown if one is not None), default=0.0)
    drawn = [
        bars[0]
        if one is None
        else bars[1 + round(max(one, 0.0) / top * (len(bars) - 2))]
        if top > 0
        else bars[1]
        for one in shown
    ]
    return "".join(drawn).rjust(width)


def draw(snapshot: Snapshot, choice: Choice, console: Console, *, keys: bool) -> RenderableType:
    """The whole screen, as high as the console when `keys` are read."""
    width, height = console.width, console.height if keys else 60
    plain = not (console.encoding or "").lower().startswith("utf")
    head = _head(snapshot, width)
    foot = Text("q quit  up/down select  Enter open  PgUp/PgDn endpoints", style="dim")
    parts: list[RenderableType] = [head]
    room = height - len(head.plain.split("\n")) - (2 if keys else 0)
    incidents = list(snapshot.incidents)
    if choice.is_open and incidents:
        chosen = incidents[min(choice.incident, len(incidents) - 1)]
        parts.append(_opened(chosen, width, room))
    else:
        lines = min(len(incidents), max(room // 3, 3)) if room >= _LEAST else 0
        detail = 5 if lines and room >= 20 else 0
        rows = room - (lines + 3 if lines else 2) - detail - 2
        parts.append(_fleet(snapshot, choice.first, max(rows, 2), width, plain))
        if lines:
            parts.append(_incidents(snapshot, incidents, choice.incident, lines, width))
        elif not incidents:
            judged = "No incident." if snapshot.entities else "No row was judged yet."
            parts.append(Text(judged, style="green" if snapshot.entities else "dim"))
        if detail:
            parts.append(_detail(incidents[min(choice.incident, len(incidents) - 1)], width))
    if keys:
        parts.append(foot)
    return Group(*parts)


def _head(snapshot: Snapshot, width: int) -> Text:
    """One line about the source, and one about its problem."""
    active = [one for one in snapshot.incidents if summary.is_open(one)]
    state = words.plural(len(active), "open incident") if active else "no open incident"
    at = times.moment(snapshot.time) if snapshot.time else "no data yet"
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append("mad ", style="bold")
    line.append(words.short(words.visible(snapshot.name), max(width // 3, 12)), style="bold")
    line.append(f"  {at}  ")
    line.append(state, style="bold red" if active else "green")
    line.append(f"  {words.count(snapshot.accepted)} records")
    if snapshot.rejected:
        line.append(f", {words.count(snapshot.rejected)} rejected", style="yellow")
    if snapshot.note:
        line.append(f"  {snapshot.note}", style="dim")
    line.truncate(width, overflow="ellipsis")
    if snapshot.problem:
        problem = Text(f"! {words.visible(snapshot.problem)}", style="bold yellow")
        problem.truncate(width, overflow="ellipsis")
        line = Text("\n").join([line, problem])
    return line


def _fleet(snapshot: Snapshot, first: int, rows: int, width: int, plain: bool) -> Table:
    """The endpoints, the worst first."""
    wide = width >= _WIDE
    longest = max((len(one.service) + len(one.endpoint) for one in snapshot.entities), default=0)
    room = width - (42 if wide else 40) - min(max(longest + 1, 16), 40 if wide else 28)
    spark = max(min(room // 3 - 2 if wide else room - 2, 30), 6)
    table = Table(box=None, pad_edge=False, padding=(0, 2 if width >= _NARROW else 1, 0, 0))
    table.expand = True
    table.add_column("State", no_wrap=True, min_width=9, max_width=11)
    table.add_column("Where", no_wrap=True, ratio=1, overflow="ellipsis")
    per = "Requests" if wide else "Req"
    for name in (per, "Errors", "p95"):
        table.add_column(
            name, justify="right", no_wrap=True, min_width=6 if width >= _NARROW else 4
        )
    if wide:
        table.add_column("requests by step", no_wrap=True, width=spark)
        table.add_column("errors by step", no_wrap=True, width=spark)
    if width >= _NARROW:
        table.add_column("p95 by step" if spark > 10 else "p95", no_wrap=True, width=spark)
    entities = snapshot.entities
    first = max(min(first, len(entities) - rows), 0)
    for one in entities[first : first + rows]:
        table.add_row(*_row(one, wide, spark, plain)[: len(table.columns)])
    left = len(entities) - first - rows
    if left > 0:
        table.add_row("", Text(f"{left} more below", style="dim"))
    return table


def _row(one: EntityView, wide: bool, spark: int, plain: bool) -> list[Text]:
    style = _STATE_STYLES.get(one.state, "")
    name = f"{words.visible(one.service)} {words.visible(one.endpoint)}".strip()
    latency = next((x for x in reversed(one.latencies) if x is not None), None)
    cells = [
        Text(words.state(one.state), style=style),
        Text(name, style=style),
        Text(words.count(one.requests[-1]) if one.requests else words.DASH),
        Text(words.quantity(one.errors[-1], words.SHARE) if one.errors else words.DASH),
        Text(words.quantity(latency, words.LATENCY)),
    ]
    if wide:
        cells.append(Text(sparkline(list(one.requests), spark, plain=plain), style="blue"))
        cells.append(Text(sparkline(list(one.errors), spark, plain=plain), style="magenta"))
    line = Text(sparkline(list(one.latencies), spark, plain=plain), style="cyan")
    flagged = list(one.flagged)[-spark:]
    for place, is_flagged in enumerate(flagged, spark - len(flagged)):
        if is_flagged:
            line.stylize("bold red", place, place + 1)
    return [*cells, line]


def _incidents(
    snapshot: Snapshot, incidents: list[Json], chosen: int, lines: int, width: int
) -> Table:
    """The incidents around the selected one, newest first."""
    chosen = min(chosen, len(incidents) - 1)
    first = max(min(chosen - lines // 2, len(incidents) - lines), 0)
    title = Text(f"\nIncidents ({len(incidents)})", style="bold")
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, expand=True)
    table.show_header = False
    table.padding = (0, 2, 0, 0)
    table.add_column(no_wrap=True, width=12)
    table.add_column(no_wrap=True, ratio=2, overflow="ellipsis")
    table.add_column(no_wrap=True, ratio=3, overflow="ellipsis")
    table.add_column(no_wrap=True, width=16)
    for place, one in enumerate(incidents[first : first + lines], first):
        severity = str(one.get("severity"))
        mark = words.MARKS.get(severity, "●")
        is_open = summary.is_open(one)
        when = "open" if is_open else words.visible(one.get("status") or "")
        start, end = summary.bounds(one, snapshot.step_seconds)
        if is_open and start is not None:
            last = snapshot.time or end or start
            minutes = max((last - start) // timedelta(minutes=1), 1)
            when = f"open {times.length(minutes * 60.0)}"
        cursor = "> " if place == chosen else "  "
        table.add_row(
            Text(f"{cursor}{mark} {words.visible(severity)}", style=_STYLES.get(severity, "")),
            Text(words.entity(one), style="bold" if place == chosen else ""),
            Text(summary.peaks_text(one, 1)),
            Text(when, style="bold" if is_open else "dim"),
        )
    return table


def _detail(incident: Json, width: int) -> Text:
    """The selected incident in at most four lines."""
    explanation = incident.get("explanation") or {}
    culprit = summary.culprit_of(incident)
    said = words.visible(explanation.get("summary") or summary.peaks_text(incident))
    text = Text(f"\nCulprit: {words.entity(culprit) if culprit else 'unclear'}. ", style="bold")
    text.append(words.short(said, 3 * width - len(text)), style="not bold")
    return text


def _opened(incident: Json, width: int, room: int) -> Text:
    """The whole explanation of an incident, cut at the end of the screen."""
    explanation = incident.get("explanation") or {}
    severity = str(incident.get("severity"))
    mark = words.MARKS.get(severity, "●")
    text = Text(f"\n{mark} {severity}  ", style=_STYLES.get(severity, ""))
    text.append(words.entity(incident), style="bold")
    text.append(f"  {words.visible(incident.get('id') or '')}\n", style="dim")
    text.append(f"{words.visible(explanation.get('summary') or '')}\n", style="not bold")
    for heading, items in [*summary.findings(explanation), *summary.reasons(explanation)]:
        text.append(f"\n{heading}\n", style="bold")
        for item in items:
            text.append(f"- {item}\n", style="not bold")
    return text
