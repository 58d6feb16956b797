"""The causal modified z-score as an anomaly detector of River (install river for it)."""

from __future__ import annotations

import numbers
from collections.abc import Iterator, Mapping
from typing import Any

from river.base import AnomalyDetector

from mad._core import MadScorer


class MadDetector(AnomalyDetector):
    """Scores one row at a time by the rows before it, with a `mad.MadScorer` for each feature.

    The score of a row is the largest of its features' scores, from 0 to 1; 0.5 corresponds to one
    normal value in ten thousand. A feature that was not seen before scores 0, and so do NaN and the
    first values. Features that are no numbers are left out.

    `window`, `direction` and `logarithm` are those of `MadScorer`: the number of values behind the
    median, the side that counts (up, down or both), and whether logarithms are compared, as for
    latencies. ValueError for a setting outside its range.

    >>> from mad.adapters.river import MadDetector
    >>> detector = MadDetector(window=60)
    >>> for value in [10.0, 11.0, 10.5, 9.5, 10.2] * 12:
    ...     detector.learn_one({"latency_ms": value})
    >>> detector.score_one({"latency_ms": 10.4}) < 0.5 < detector.score_one({"latency_ms": 25.0})
    True
    """

    def __init__(self, window: int = 240, direction: str = "both", logarithm: bool = False) -> None:
        self.window = window
        self.direction = direction
        self.logarithm = logarithm
        self._scorers: dict[Any, MadScorer] = {}
        self._scorer()

    def _scorer(self) -> MadScorer:
        return MadScorer(self.window, direction=self.direction, logarithm=self.logarithm)

    def score_one(self, x: Mapping[Any, Any]) -> float:
        """Scores a row without learning it."""
        known = ((self._scorers.get(name), value) for name, value in _numbers(x))
        return max((scorer.score(value).score for scorer, value in known if scorer), default=0.0)

    def learn_one(self, x: Mapping[Any, Any]) -> None:
        """Learns a row; anomalous values are learnt clipped."""
        for name, value in _numbers(x):
            scorer = self._scorers.get(name)
            if scorer is None:
                scorer = self._scorers[name] = self._scorer()
            scorer.observe(value)


def _numbers(x: Mapping[Any, Any]) -> Iterator[tuple[Any, float]]:
    """The features that are numbers."""
    for name, value in x.items():
        if isinstance(value, numbers.Real) and not isinstance(value, bool):
            yield name, float(value)
