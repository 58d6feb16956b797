"""Scores of a single series."""

from __future__ import annotations

from typing import Any

from mad import _core
from mad.config import AnyConfig


def score_series(
    timestamps: Any,
    values: Any,
    config: AnyConfig = None,
    *,
    n: Any = None,
    kind: str = "gauge",
) -> _core.SeriesScores:
    """Judges one series, each value by what came before it.

    `timestamps` are int64 milliseconds or datetime64, in UTC and ascending; `values` are float64,
    NaN for a gap; `n` the observations behind each value (1 unless given); `kind` is gauge,
    latency, rate (a share of n) or count. The answer has an array per output: `score` (0 to 1; 0.5
    is one in ten thousand, for a gauge as rare for this series as an anomaly should be),
    `is_anomaly` (score at or above `score.threshold`, after `score.series_min_points` values),
    `alarm_score` and `is_alarm` (of a gauge whether a level lasts, otherwise the score; 0 in the
    pause after an alarm), `z`, `expected_low`, `expected_high`.

    An empty series gives empty arrays. Raises ValueError for lengths that differ, timestamps that
    are neither, and a kind or config that is not known.
    """
    import numpy as np

    times = np.asarray(timestamps)
    if times.dtype.kind == "M":
        nanos = times.astype("datetime64[ns]").view(np.int64)
    elif times.dtype.kind in "iu":
        nanos = times.astype(np.int64, copy=False) * 1_000_000
    elif times.size == 0:
        nanos = np.zeros(0, np.int64)
    else:
        raise ValueError(
            f"timestamps have the type {times.dtype}; give int64 milliseconds or datetime64"
        )
    weights = None if n is None else np.asarray(n).astype(np.int64, copy=False)
    floats = np.asarray(values, dtype=np.float64)
    return _core.score_series(nanos, floats, weights, kind, config)
