"""Small charts of many endpoints: latency and errors of each one over the whole run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import TYPE_CHECKING, Any

from mad import times
from mad.report import scales, words

if TYPE_CHECKING:
    from markupsafe import Markup

Json = Mapping[str, Any]

SHOWN = 48
"""Most endpoints that are drawn."""
_WIDTH, _TALL, _LOW, _GAP = 240, 44, 26, 6
"""Size of a chart: its width, the heights of latency and errors, and the space between them."""
_LATENCY, _ERRORS = "p95_latency_ms", "error_rate"
_LEAST_RATE = 0.1
"""Top of the axis of an error rate at least, so that single failures stay small."""


def section(overview: object) -> dict[str, Any] | None:
    """The charts of the overview of a document; None without endpoints or times."""
    if not isinstance(overview, Mapping):
        return None
    endpoints = overview.get("endpoints") or []
    first, step = times.time_or_none(overview.get("first")), overview.get("step_seconds")
    if not endpoints or first is None or not words.is_number(step):
        return None
    shown = endpoints[:SHOWN]
    bins = max(len(one.get(_LATENCY) or []) for one in shown)
    left = len(endpoints) - len(shown) + int(overview.get("left") or 0)
    end = first + timedelta(seconds=float(step) * bins)
    return {
        "charts": [_chart(one, first, float(step)) for one in shown],
        "span": times.span(first, end),
        "step": times.length(float(step)),
        "left": _left(left, shown),
    }


def _left(left: int, shown: Sequence[Json]) -> str:
    """The sentence about endpoints without a chart."""
    if not left:
        return ""
    are = "more endpoint is" if left == 1 else "more endpoints are"
    last = shown[-1]
    if last.get("incidents"):
        rest = "opened more incidents than those above"
    elif last.get("flagged"):
        rest = f"has an incident or more than {words.plural(int(last['flagged']), 'flagged row')}"
    else:
        rest = "has a flagged row"
    return f"{left:,} {are} not drawn; none of them {rest}."


def _chart(one: Json, first: datetime, step: float) -> dict[str, Any]:
    """One endpoint: its name, its figures in words, and its picture."""
    latency, errors = _numbers(one.get(_LATENCY)), _numbers(one.get(_ERRORS))
    flagged = [bool(rows) for rows in one.get("flagged_rows") or []]
    rows, incidents = int(one.get("flagged") or 0), int(one.get("incidents") or 0)
    facts = [words.plural(int(one.get("requests") or 0), "request")]
    if rows:
        facts.append(words.plural(rows, "flagged row"))
    if incidents:
        facts.append(words.plural(incidents, "incident"))
    known = [value for value in latency if value is not None]
    figures = [f"p95 up to {words.quantity(max(known), _LATENCY)}"] if known else []
    if one.get("requests"):
        share = int(one.get("errors") or 0) / int(one["requests"])
        figures.append(f"{words.quantity(share, _ERRORS)} failed")
    name = words.entity(one)
    at = [index for index, flag in enumerate(flagged) if flag]
    when = f", flagged from {times.moment(first + timedelta(seconds=at[0] * step))}" if at else ""
    return {
        "name": name,
        "facts": [*facts, *figures],
        "is_flagged": bool(rows),
        "svg": _svg(f"{name}: {', '.join([*facts, *figures])}{when}", latency, errors, flagged),
    }


def _numbers(values: object) -> list[float | None]:
    listed = values if isinstance(values, Sequence) else []
    return [float(value) if words.is_number(value) else None for value in listed]


def _svg(
    label: str,
    latency: Sequence[float | None],
    errors: Sequence[float | None],
    flagged: Sequence[bool],
) -> Markup:
    """Latency above errors on one axis of time; flagged bins are marked in both."""
    from markupsafe import Markup

    height = _TALL + _GAP + _LOW
    each = _WIDTH / max(len(latency), len(errors), 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart small" role="img" '
        f'viewBox="0 0 {_WIDTH} {height}" aria-label="{escape(label)}">'
    ]
    for begin, end in _runs(flagged):
        parts.append(
            f'<rect class="range" x="{begin * each:.1f}" y="0" '
            f'width="{max((end - begin) * each, 1.5):.1f}" height="{height}"/>'
        )
    top = max((value for value in latency if value is not None), default=0.0)
    parts.append(f'<path class="grid" d="M0 {_TALL}H{_WIDTH}M0 {height}H{_WIDTH}"/>')
    parts.extend(_line(latency, each, top))
    rate = max([_LEAST_RATE, *(value for value in errors if value is not None)])
    parts.extend(_bars(errors, flagged, each, height, rate))
    parts.extend(_dots(latency, flagged, each, top))
    parts.append("</svg>")
    return Markup("".join(parts))


def _runs(present: Sequence[bool]) -> list[tuple[int, int]]:
    """The stretches of neighbours that are present, each with its end."""
    found: list[tuple[int, int]] = []
    for index, here in enumerate(present):
        if here and found and found[-1][1] == index:
            found[-1] = (found[-1][0], index + 1)
        elif here:
            found.append((index, index + 1))
    return found


def _height(value: float, top: float) -> float:
    return min(value, scales.HUGE) / min(top, scales.HUGE) if top > 0 else 0.0


def _y(latency: float, top: float) -> float:
    """The place of a latency; the line keeps 3 pixels from the upper edge."""
    return _TALL - (_TALL - 3) * _height(latency, top)


def _line(values: Sequence[float | None], each: float, top: float) -> list[str]:
    path = []
    for begin, end in _runs([value is not None for value in values]):
        points = [
            f"{(index + 0.5) * each:.1f} {_y(value or 0.0, top):.1f}"
            for index, value in enumerate(values[begin:end], begin)
        ]
        path.append(f"M{points[0]}h0" if len(points) == 1 else "M" + "L".join(points))
    return [f'<path class="line" d="{"".join(path)}"/>'] if path else []


def _bars(
    values: Sequence[float | None], flagged: Sequence[bool], each: float, base: float, top: float
) -> list[str]:
    """Bars of the error rate; those of flagged bins have another colour."""
    bars: dict[bool, list[str]] = {False: [], True: []}
    for index, (value, flag) in enumerate(zip(values, flagged, strict=False)):
        if value:
            height = max(_LOW * _height(value, top), 1.0)
            bars[flag].append(f"M{index * each:.1f} {base}v{-height:.1f}h{each:.1f}V{base}z")
    return [
        f'<path class="failed{" in" if flag else ""}" d="{"".join(path)}"/>'
        for flag, path in bars.items()
        if path
    ]


def _dots(
    values: Sequence[float | None], flagged: Sequence[bool], each: float, top: float
) -> list[str]:
    return [
        f'<circle class="dot" cx="{(index + 0.5) * each:.1f}" cy="{_y(value, top):.1f}" r="2"/>'
        for index, (value, flag) in enumerate(zip(values, flagged, strict=False))
        if flag and value is not None
    ]
