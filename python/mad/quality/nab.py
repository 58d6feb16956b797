"""The score of the Numenta Anomaly Benchmark (Lavin and Ahmad, 2015), which rewards early
detection."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from mad.quality.sets import Flags, Floats, Labelled

PROFILES = {"standard": (1.0, 0.11), "low FP": (1.0, 0.22), "low FN": (2.0, 0.11)}
"""Cost of a missed window and of a false row; a window found at its first row gives 1."""
PROBATION = 0.15
MOST_PROBATION = 750


def _sigmoid(x: Floats) -> Floats:
    return np.where(x > 3.0, -1.0, 2 / (1 + np.exp(np.minimum(5 * x, 700))) - 1)


def _worth(one: Labelled) -> tuple[Floats, Floats]:
    """For each row in file order its reward and the number of its window, -1 outside windows."""
    count = len(one.times)
    times = np.empty(count, np.int64)
    times[one.order] = one.times
    reward, window, rows = np.full(count, -1.0), np.full(count, -1.0), np.arange(count)
    edges = [(int((times == a).argmax()), int((times == b).argmax())) for a, b in one.windows]
    ends = [first for first, _ in edges[1:]] + [count]
    for number, ((first, last), end) in enumerate(zip(edges, ends, strict=False)):
        width = last - first + 1
        inside = slice(first, last + 1)
        reward[inside] = _sigmoid(-(last - rows[inside] + 1) / width)
        reward[last + 1 : end] = _sigmoid((rows[last + 1 : end] - last) / (width - 1))
        window[inside] = number
    skipped = math.ceil(min(math.floor(PROBATION * count), MOST_PROBATION))
    return reward[skipped:], window[skipped:]


def nab_score(
    series: Iterable[tuple[Labelled, Floats]], profile: str, *, threshold: float | None = None
) -> float:
    """The score of all series together, from 0 (no alarm) to 100 (perfect), for rows at or above
    `threshold`, or at the best threshold for these labels."""
    missed_cost, false_cost = PROFILES[profile]
    scores, rewards, windows, count = [], [], [], 0
    for one, score in series:
        reward, window = _worth(one)
        in_file = np.empty(len(score))
        in_file[one.order] = score
        scores.append(in_file[-len(reward) :])
        rewards.append(reward)
        windows.append(np.where(window >= 0, window + count, -1))
        count += len(one.windows)
    score, reward, window = map(np.concatenate, (scores, rewards, windows))
    inside = window >= 0
    best_reward = float(_sigmoid(np.array(-1.0)))
    gain = np.where(inside, reward / best_reward, reward * false_cost)
    scored = len(np.unique(window[inside]))
    above_nothing = _swept(score, gain, window, missed_cost, threshold)
    return 100 * above_nothing / (count + missed_cost * scored)


def _swept(
    score: Floats, gain: Floats, window: Floats, missed_cost: float, threshold: float | None
) -> float:
    """The gain over missing every window of the rows above a threshold, or of the best
    threshold."""
    order = np.argsort(-score, kind="stable")
    falling, gain, window = score[order], gain[order], window[order]
    step = np.where(window < 0, gain, 0.0)
    have: dict[float, float] = {}
    for row in np.flatnonzero(window >= 0):
        before = have.get(window[row], -missed_cost)
        if gain[row] > before:
            step[row], have[window[row]] = gain[row] - before, gain[row]
    total = np.cumsum(step)
    if threshold is not None:
        flagged = int((falling >= threshold).sum())
        return float(total[flagged - 1]) if flagged else 0.0
    last_of_level: Flags = np.append(falling[1:] != falling[:-1], True)
    return max(0.0, float(total[last_of_level].max()))
