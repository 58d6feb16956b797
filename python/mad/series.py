"""Scores a single series."""

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
    """Scores one series; each value is judged by earlier values only.

    `timestamps` are int64 milliseconds since 1970 or datetime64, in UTC and ascending. `values` are
    float64; NaN is a gap and gets the score 0. `n` is the number of observations behind each value
    (default 1). `kind` is gauge, latency (ms), rate (a share of n) or count.

    The result has one array per output, as long as `values`:

    - `score`: from 0 to 1; 0.5 corresponds to a probability of one in ten thousand. The score of a
      gauge is calibrated by the series' own past.
    - `is_anomaly`: score at or above `score.threshold`, after `score.series_min_points` values.
    - `alarm_score`, `is_alarm`: the same after the alarm policy, with a cooldown after an alarm.
    - `z`, `expected_low`, `expected_high`: deviation and expected range, in the unit of `values`.

    An empty series gives empty arrays.

    Raises ValueError for arrays of different lengths, for timestamps of another type, and for an
    unknown `kind` or invalid `config`.

    >>> import mad
    >>> times = [60_000 * minute for minute in range(300)]
    >>> values = [100.0 + minute % 7 for minute in range(300)]
    >>> values[250] = 180.0
    >>> scores = mad.score_series(times, values)
    >>> scores.is_anomaly.nonzero()[0].tolist()
    [250]
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
