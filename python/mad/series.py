"""Scores a single series."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from mad import _core
from mad.config import AnyConfig

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


def score_series(
    timestamps: Any,
    values: Any,
    config: AnyConfig = None,
    *,
    n: Any = None,
    kind: str = "gauge",
) -> _core.SeriesScores:
    """Scores one series; each value is judged by earlier values only.

    `timestamps` are int64 milliseconds since 1970 or datetime64, in UTC, or aware datetimes. They
    must be ascending; equal ones keep their order. `values` are float64; NaN is a gap and gets the
    score 0. `n` is the number of observations behind each value
    (default 1). `kind` is gauge, latency (ms), rate (a share of n) or count.

    The result has one array per output, as long as `values`:

    - `score`: from 0 to 1; 0.5 corresponds to a probability of one in ten thousand. The score of a
      gauge is calibrated by the series' own past.
    - `is_anomaly`: score at or above `score.threshold`, after `score.series_min_points` values.
    - `alarm_score`, `is_alarm`: the same after the alarm policy, with a cooldown after an alarm.
    - `z`, `expected_low`, `expected_high`: deviation and expected range, in the unit of `values`.

    An empty series gives empty arrays.

    Raises ValueError for arrays of different lengths, for timestamps that are of another type, have
    no time zone or are not ascending, and for an unknown `kind` or invalid `config`.

    >>> import mad
    >>> times = [60_000 * minute for minute in range(300)]
    >>> values = [100.0 + minute % 7 for minute in range(300)]
    >>> values[250] = 180.0
    >>> scores = mad.score_series(times, values)
    >>> scores.is_anomaly.nonzero()[0].tolist()
    [250]
    """
    import numpy as np

    weights = None if n is None else np.asarray(n).astype(np.int64, copy=False)
    floats = np.asarray(values, dtype=np.float64)
    return _core.score_series(_nanoseconds(timestamps), floats, weights, kind, config)


def _nanoseconds(timestamps: Any) -> npt.NDArray[np.int64]:
    """Timestamps as nanoseconds since 1970, in ascending order."""
    import numpy as np

    times = np.asarray(timestamps)
    if times.dtype.kind == "M":
        nanos = times.astype("datetime64[ns]").view(np.int64)
    elif times.dtype.kind in "iu":
        nanos = times.astype(np.int64, copy=False) * 1_000_000
    elif times.size == 0:
        nanos = np.zeros(0, np.int64)
    elif times.dtype.kind == "O" and isinstance(times.flat[0], datetime):
        try:
            nanos = ((times - _EPOCH) // _MICROSECOND).astype(np.int64) * 1000
        except TypeError:
            raise ValueError("timestamps have no time zone; give aware datetimes") from None
    else:
        raise ValueError(
            f"timestamps have the type {times.dtype}; give int64 milliseconds, datetime64 or aware "
            "datetimes"
        )
    backwards = np.flatnonzero(nanos[1:] < nanos[:-1])
    if backwards.size:
        raise ValueError(
            f"timestamps are not ascending: row {backwards[0] + 1} is before row {backwards[0]}"
        )
    return nanos
