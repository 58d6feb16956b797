"""Charts of one signal over time as inline SVG: expected band, observed line, flagged steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from html import escape
from itertools import pairwise
from typing import Any

from mad import times
from mad.report import words
from mad.report.scales import Axis, hides_line, value_axis
from mad.report.time_axis import TimeAxis, stretches

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Series:
    """One signal of one incident with one value a step; None where nothing was measured."""

    name: str
    buckets: Sequence[float]
    step: float
    values: Sequence[float | None]
    low: Sequence[float | None]
    high: Sequence[float | None]
    flagged: Sequence[bool]
    responsible: bool
    """Whether the incident was flagged for this signal."""
    counts: Sequence[Any] = ()


@dataclass(frozen=True)
class Size:
    """Outer size in CSS pixels at scale 1, and the largest number of time ticks."""

    width: int
    height: int
    ticks: int
    left: int = 52
    right: int = 12
    top: int = 8
    bottom: int = 22


WIDE = Size(1000, 250, 10)
NARROW = Size(324, 184, 4)


class _Frame:
    """Pixel positions inside one chart."""

    def __init__(self, series: Series, size: Size, axis: Axis) -> None:
        self.size = size
        self.axis = axis
        pieces = stretches(series.buckets, series.step)
        self.time = TimeAxis(pieces, size.left, size.width - size.right)
        self.half = series.step / 2
        self.base = size.height - size.bottom

    def x(self, time: float) -> float:
        return self.time.at(time)

    def y(self, value: float) -> float:
        return self.base - (self.base - self.size.top) * self.axis.at(value)


def chart(
    series: Series,
    size: Size,
    incident: tuple[float, float] | None,
    label: str,
    *,
    every_title: bool = True,
) -> str:
    """The chart as SVG text with all names escaped.

    `incident` is the shaded range in epoch seconds; `label` is for screen readers. With
    `every_title` each step shows its value under the pointer, otherwise only flagged steps do.
    """
    if not series.buckets:
        return ""
    axis = value_axis(series.values, series.low, series.high, series.name)
    frame = _Frame(series, size, axis)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" '
        f'viewBox="0 0 {size.width} {size.height}" aria-label="{escape(label)}">'
    ]
    if incident is not None:
        left, right = frame.x(incident[0]), frame.x(incident[1])
        parts.append(
            f'<rect class="range" x="{left:.1f}" y="{size.top}" '
            f'width="{max(right - left, 1.0):.1f}" height="{frame.base - size.top}"/>'
        )
    parts.extend(_grid(frame, incident[0] if incident else None))
    parts.extend(f'<path class="band" d="{path}"/>' for path in _bands(series, frame))
    line = _line(series, frame)
    if line:
        parts.append(f'<path class="line" d="{line}"/>')
    parts.extend(_dots(series, frame))
    parts.extend(_titles(series, frame, every_title))
    parts.append("</svg>")
    return "".join(parts)


def alone(series: Series) -> Series:
    """The series with only its own times and step. Metrics of one incident may have different
    steps; gaps of the series remain gaps."""
    places = [i for i, value in enumerate(series.values) if value is not None]
    buckets = [series.buckets[i] for i in places]
    steps = sorted(later - earlier for earlier, later in pairwise(buckets))
    if not steps:
        return series
    return replace(
        series,
        buckets=buckets,
        step=steps[len(steps) // 2],
        values=[series.values[i] for i in places],
        low=[series.low[i] for i in places],
        high=[series.high[i] for i in places],
        flagged=[series.flagged[i] for i in places],
        counts=[],
    )


def is_folded(series: Series) -> bool:
    """Whether the chart leaves out stretches of time without rows."""
    return len(stretches(series.buckets, series.step)) > 1


def _grid(frame: _Frame, mark: float | None) -> list[str]:
    size, parts = frame.size, []
    right = size.width - size.right
    for value, label in frame.axis.ticks:
        y = frame.y(value)
        parts.append(f'<path class="grid" d="M{size.left} {y:.1f}H{right}"/>')
        parts.append(
            f'<text class="tick end" x="{size.left - 7}" y="{y + 3.5:.1f}">{escape(label)}</text>'
        )
    parts.append(f'<path class="axis" d="M{size.left} {frame.base}H{right}"/>')
    for x in frame.time.folds():
        parts.append(f'<path class="fold" d="M{x:.1f} {size.top}V{frame.base + 4}"/>')
    for x, label, anchor in frame.time.ticks(size.ticks, mark):
        if anchor != "end":
            parts.append(f'<path class="axis" d="M{x:.1f} {frame.base}v4"/>')
        if anchor or size.left - 1 <= x <= right - 12:
            kind = f"tick {anchor or ('' if x > size.left + 14 else 'start')}".strip()
            parts.append(
                f'<text class="{kind}" x="{x:.1f}" y="{frame.base + 16}">{escape(label)}</text>'
            )
    return parts


def runs(series: Series, present: Sequence[bool]) -> list[list[int]]:
    """Indices of neighbouring steps that are present; a missing step ends a run."""
    found: list[list[int]] = []
    for index, here in enumerate(present):
        if not here:
            continue
        joined = (
            found
            and found[-1][-1] == index - 1
            and series.buckets[index] - series.buckets[index - 1] <= 1.5 * series.step
        )
        if joined:
            found[-1].append(index)
        else:
            found.append([index])
    return found


def _line(series: Series, frame: _Frame) -> str:
    path = []
    for run in runs(series, [value is not None for value in series.values]):
        points = [
            f"{frame.x(series.buckets[i] + frame.half):.1f} {frame.y(series.values[i] or 0.0):.1f}"
            for i in run
        ]
        path.append(f"M{points[0]}h0" if len(points) == 1 else "M" + "L".join(points))
    return "".join(path)


def _bands(series: Series, frame: _Frame) -> list[str]:
    paths: list[str] = []
    if hides_line(series.high, series.name):
        return paths
    pairs = zip(series.low, series.high, strict=True)
    sides = [low is not None or high is not None for low, high in pairs]
    for run in runs(series, sides):
        upper, lower = [], []
        for i in run:
            low, high = series.low[i], series.high[i]
            x = f"{frame.x(series.buckets[i] + frame.half):.1f}"
            upper.append((x, frame.y(high) if high is not None else float(frame.size.top)))
            lower.append((x, frame.y(low) if low is not None else float(frame.base)))
        first = f"{frame.x(series.buckets[run[0]]):.1f}"
        last = f"{frame.x(series.buckets[run[-1]] + series.step):.1f}"
        edge = [(first, upper[0][1]), *upper, (last, upper[-1][1])]
        edge += [(last, lower[-1][1]), *reversed(lower), (first, lower[0][1])]
        paths.append("M" + "L".join(f"{x} {y:.1f}" for x, y in edge) + "Z")
    return paths


def outside(value: float, low: float | None, high: float | None) -> bool:
    """Whether a value lies outside the expected range."""
    return (low is not None and value < low) or (high is not None and value > high)


def _dots(series: Series, frame: _Frame) -> list[str]:
    parts = []
    for i, value in enumerate(series.values):
        if value is None or not series.flagged[i]:
            continue
        own = series.responsible and outside(value, series.low[i], series.high[i])
        kind, radius = ("dot", 3.4) if own else ("dot other", 2.4)
        x, y = frame.x(series.buckets[i] + frame.half), frame.y(value)
        parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>')
    return parts


def _titles(series: Series, frame: _Frame, every: bool) -> list[str]:
    parts = []
    for i, value in enumerate(series.values):
        if value is None or not (every or series.flagged[i]):
            continue
        begin = series.buckets[i]
        left, right = frame.x(begin), frame.x(begin + series.step)
        text = f"{times.moment(_EPOCH + timedelta(seconds=begin))}: "
        text += words.quantity(value, series.name)
        expected = words.quantity_range(series.low[i], series.high[i], series.name)
        if expected != words.DASH:
            text += f", expected {expected}"
        counted = i < len(series.counts) and words.is_number(series.counts[i])
        if counted and words.unit_of(series.name) != "count":
            text += f", {words.plural(series.counts[i], 'request')}"
        if series.flagged[i]:
            text += ", flagged"
        parts.append(
            f'<rect class="hit" x="{left:.1f}" y="{frame.size.top}" width="{right - left:.1f}" '
            f'height="{frame.base - frame.size.top}"><title>{escape(text)}</title></rect>'
        )
    return parts
