"""Accuracy measures of a detector on labelled rows; higher is better for all of them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from mad.quality.sets import Flags, Floats, Times

Places = npt.NDArray[np.intp]

BLOCK = 24
"""Rows of a block; false flags of different blocks are different false events."""


def runs(flags: Flags) -> tuple[Places, Places]:
    """First index of each run of flags, and the index after its last."""
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)


def false_events(flags: Flags, labels: Flags, delay: int) -> int:
    """Number of false events: flags outside all labelled runs and more than `delay` rows after
    one. Flags at most `delay` rows apart within a block of 24 rows are one event."""
    free = flags.copy()
    for first, end in zip(*runs(labels), strict=True):
        free[first : end + delay] = False
    places = np.flatnonzero(free)
    if not len(places):
        return 0
    joined = (np.diff(places) <= delay) & (np.diff(places // BLOCK) == 0)
    return len(places) - int(joined.sum())


def f1(found: float, false: float, missed: float) -> float:
    """The harmonic mean of precision and recall; 0 without any event."""
    return 2 * found / max(2 * found + false + missed, 1)


def event_f1(series: Iterable[tuple[Flags, Flags]], delay: int) -> float:
    """F1 of events over (flags, labels) of all series: a labelled run is found when a row from
    its first to `delay` rows later is flagged."""
    found = false = missed = 0
    for flags, labels in series:
        hits = [bool(flags[first : first + delay + 1].any()) for first in runs(labels)[0]]
        found += sum(hits)
        missed += len(hits) - sum(hits)
        false += false_events(flags, labels, delay)
    return f1(found, false, missed)


def on_grid(times: Times, flags: Flags) -> Flags:
    """Flags on a regular grid from the first time to the last; missing steps are not flagged."""
    places = (times - times[0]) // np.diff(times).min()
    grid = np.zeros(int(places[-1]) + 1, np.bool_)
    grid[places] = flags
    return grid


def delay_f1(series: Iterable[tuple[Flags, Flags]], delay: int) -> float:
    """F1 of rows over (flags, labels) of all series by the rule of the AIOps challenge: a run
    that is flagged at most `delay` rows after its first row counts as found as a whole,
    otherwise as missed as a whole."""
    found = false = missed = 0
    for flags, labels in series:
        for first, end in zip(*runs(labels), strict=True):
            if flags[first : min(first + delay + 1, end)].any():
                found += int(end - first)
            else:
                missed += int(end - first)
        false += int((flags & ~labels).sum())
    return f1(found, false, missed)


def vus_pr(labels: Flags, score: Floats, window: int = 24, thresholds: int = 250) -> float:
    """Volume under the precision-recall surface of ranges (Paparrizos et al., 2022) as in TSB-AD.

    Labels extend beyond their run with a weight that decreases over half of each width from 0 to
    `window`; recall counts the runs that are touched.
    """
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    levels = falling[np.linspace(0, len(score) - 1, thresholds).astype(np.intp)]
    flagged = np.searchsorted(-falling, -levels, "right")

    def above(weights: Floats) -> Floats:
        """The weight of the rows at or above each level."""
        total = np.concatenate([[0.0], np.cumsum(weights[order])])
        return np.asarray(total[flagged], np.float64)

    hard = labels.astype(np.float64)
    inside = above(hard)
    volume = 0.0
    for width in range(window + 1):
        soft, zones = _reaching_out(labels, width)
        touched = above(soft)
        peaks = np.sort([score[first : last + 1].max() for first, last in zones])
        seen = len(peaks) - np.searchsorted(peaks, levels, "left")
        mass = (2 * hard.sum() + touched - inside) / 2
        recall = np.minimum(touched / mass, 1.0) * seen / len(peaks)
        steps = np.diff(np.concatenate([[0.0], recall]))
        volume += float((steps * touched / flagged).sum())
    return volume / (window + 1)


def _reaching_out(labels: Flags, width: int) -> tuple[Floats, list[tuple[int, int]]]:
    """Labels with decreasing weights on both sides, and the resulting zones as (first, last)
    rows."""
    soft, half, rows = labels.astype(np.float64), width // 2, len(labels)
    zones: list[tuple[int, int]] = []
    for first, end in zip(*runs(labels), strict=True):
        last = end - 1
        if half:
            fall = np.sqrt(1 - np.arange(1, half + 1) / width)
            after = soft[last + 1 : last + 1 + half]
            after += fall[: len(after)]
            before = soft[max(first - half, 0) : first]
            before += fall[: len(before)][::-1]
        low, high = max(int(first) - half, 0), min(int(last) + half, rows - 1)
        if zones and low <= zones[-1][1]:
            low = zones.pop()[0]
        zones.append((low, high))
    return np.minimum(soft, 1.0), zones
