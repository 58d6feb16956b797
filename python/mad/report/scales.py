"""Chart axes: from data to positions and readable ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from mad import times
from mad.report import words

LOG_RANGE = 30.0
"""A latency is drawn on a log scale when its largest value is this many times the smallest."""

WIDEST_SHARE = 0.25
"""The expected ranges of a share are not drawn where most of them end above this: with few requests
nearly every rate is possible, and a band over the whole chart would hide the line."""

HUGE = 1e15
"""Larger values are drawn at the edge; their tooltips show the true value."""
_TINY = 1e-9

_TIME_STEPS = (
    *(1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10800, 21600, 43200),
    *(86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000, 315360000, 3153600000),
)


@dataclass(frozen=True)
class Axis:
    """An axis from `bottom` to `top`, linear or logarithmic, with labelled ticks."""

    bottom: float
    top: float
    log: bool
    ticks: list[tuple[float, str]]

    def at(self, value: float) -> float:
        """The position of `value` from 0 (bottom) to 1 (top); values outside are clamped."""
        if self.log:
            low = math.log(self.bottom)
            share = (math.log(max(value, self.bottom)) - low) / (math.log(self.top) - low)
        else:
            share = (value - self.bottom) / (self.top - self.bottom)
        return min(max(share, 0.0), 1.0)


def finite(values: Iterable[object]) -> list[float]:
    """The finite numbers among `values`, clamped to the drawable range."""
    return [min(max(float(v), -HUGE), HUGE) for v in values if words.is_number(v)]


def hides_line(high: Iterable[object], signal: str) -> bool:
    """Whether the expected ranges of a share are too wide to be drawn."""
    ends = finite(high)
    wide = sum(end > WIDEST_SHARE for end in ends)
    return words.unit_of(signal) == "share" and 2 * wide > len(ends)


def value_axis(
    values: Iterable[object], low: Iterable[object], high: Iterable[object], signal: str
) -> Axis:
    """An axis that contains every value, and as much of the expected band as keeps the values
    legible."""
    seen = finite(values)
    upper, lower = finite(high), finite(low)
    if hides_line(upper, signal):
        upper = []
    top = max([*seen, 0.0])
    band = max([*upper, 0.0])
    top = max(top, min(band, 2.5 * top) if top > 0 else band)
    if words.unit_of(signal) == "share":
        top = max(top, 0.02)
    top = top if top > _TINY else 1.0
    bottom = min([*seen, *lower, 0.0])
    positive = [value for value in seen if value > _TINY]
    if words.unit_of(signal) == "ms" and positive and max(positive) / min(positive) > LOG_RANGE:
        smallest = min(positive)
        # A band that reaches far below would compress the values.
        floor = max(min([smallest, *(value for value in lower if value > 0)]), smallest / 10)
        return _log_axis(floor, top, signal)
    return _linear_axis(bottom, top, signal)


def _linear_axis(bottom: float, top: float, signal: str) -> Axis:
    scale = 100.0 if words.unit_of(signal) == "share" else 1.0
    step = _nice_step((top - bottom) * scale / 3.4)
    if words.unit_of(signal) == "count":
        step = max(step, 1.0)
    step /= scale
    first = math.floor(bottom / step + 1e-9)
    last = math.ceil(top / step - 1e-9)
    whole = words.unit_of(signal) == "share" and last * step > 1.0 >= top
    highest = 1.0 if whole else last * step
    ticks = [index * step for index in range(first, last + 1) if index * step <= highest + 1e-12]
    head = 0.04 * (highest - first * step)
    labels = [(tick, words.quantity(tick, signal)) for tick in ticks]
    return Axis(first * step, highest + head, False, labels)


def _log_axis(floor: float, top: float, signal: str) -> Axis:
    low = math.floor(math.log10(floor))
    high = math.ceil(math.log10(top) + 1e-12)
    marks = [m * 10.0**e for e in range(low, high + 1) for m in (1, 2, 5)]
    bottom = max(mark for mark in marks if mark <= floor * (1 + 1e-9))
    ceiling = min((mark for mark in marks if mark >= top * (1 - 1e-9)), default=marks[-1])
    inside = [mark for mark in marks if bottom <= mark <= ceiling]
    if len(inside) > 7:
        decades = {10.0**e for e in range(low, high + 1)}
        inside = [mark for mark in inside if mark in decades]
    if len(inside) > 7:
        inside = inside[:: math.ceil(len(inside) / 6)]
    labels = [(mark, words.quantity(mark, signal)) for mark in inside]
    return Axis(bottom, ceiling * 1.08, True, labels)


def _nice_step(raw: float) -> float:
    size = 10.0 ** math.floor(math.log10(raw))
    return next(size * m for m in (1.0, 2.0, 2.5, 5.0, 10.0) if size * m >= raw * (1 - 1e-9))


def time_ticks(start: float, end: float, most: int) -> list[tuple[float, str]]:
    """About `most` round times between two epoch seconds, with their labels."""
    length = max(end - start, 1.0)
    step = next((s for s in _TIME_STEPS if length / s <= most), _TIME_STEPS[-1])
    first = math.ceil(start / step) * step
    ticks = []
    for index in range(int((end - first) // step) + 1):
        at = first + index * step
        time = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=at)
        if step >= 86400:
            label = times.day(time) if step >= 2592000 else f"{time.month:02}-{time.day:02}"
        elif time.hour == 0 and time.minute == 0 and time.second == 0 and length > 43200:
            label = f"{time.month:02}-{time.day:02}"
        else:
            label = time.strftime("%H:%M:%S" if step < 60 else "%H:%M")
        ticks.append((float(at), label))
    return ticks
