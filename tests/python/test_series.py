"""mad.score_series: causal, total, and the same scorer as elsewhere."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

import mad

MINUTE_MS = 60_000


def times(n: int) -> np.ndarray:
    return 1_767_690_000_000 + MINUTE_MS * np.arange(n, dtype=np.int64)


def test_finds_a_spike_once_and_pauses() -> None:
    values = np.random.default_rng(1).normal(100.0, 2.0, 400)
    values[300:305] = 160.0
    answer = mad.score_series(times(400), values)
    assert answer.is_anomaly.nonzero()[0].tolist() == [300, 301, 302, 303, 304]
    assert answer.is_alarm.nonzero()[0].tolist() == [300]
    assert (answer.alarm_score[301:305] == 0.0).all()
    assert (answer.is_anomaly == (answer.score >= 0.5))[20:].all()
    assert values[300] > answer.expected_high[300]
    assert len(answer) == 400


@pytest.mark.parametrize("kind", ["gauge", "latency", "rate", "count"])
def test_a_prefix_scores_the_same(kind: str) -> None:
    rng = np.random.default_rng(2)
    values = {
        "gauge": rng.normal(0.0, 1.0, 500),
        "latency": rng.lognormal(3.0, 0.4, 500),
        "rate": rng.binomial(40, 0.02, 500) / 40,
        "count": rng.poisson(30, 500).astype(float),
    }[kind]
    values[rng.integers(0, 500, 20)] = np.nan
    values[400] = 1e300
    n = np.full(500, 40)
    whole = mad.score_series(times(500), values, n=n, kind=kind)
    part = mad.score_series(times(300), values[:300], n=n[:300], kind=kind)
    for name in ("score", "alarm_score", "z", "expected_low", "expected_high"):
        left, right = getattr(whole, name)[:300], getattr(part, name)
        assert left.tobytes() == right.tobytes(), name
    assert (whole.is_alarm[:300] == part.is_alarm).all()
    assert ((whole.score >= 0) & (whole.score <= 1)).all()
    assert (whole.score[np.isnan(values)] == 0).all()


def test_the_forms_of_time_agree() -> None:
    values = np.random.default_rng(3).normal(size=50)
    ints = mad.score_series(times(50), values)
    for unit in ("s", "ms", "us", "ns"):
        stamps = times(50).astype("datetime64[ms]").astype(f"datetime64[{unit}]")
        assert mad.score_series(stamps, values).score.tobytes() == ints.score.tobytes()
    assert mad.score_series(times(50), values.tolist()).score.tobytes() == ints.score.tobytes()
    for zone in (timezone.utc, timezone(timedelta(hours=2))):
        aware = [datetime.fromtimestamp(ms / 1000, zone) for ms in times(50).tolist()]
        assert mad.score_series(aware, values).score.tobytes() == ints.score.tobytes()


@pytest.mark.parametrize(
    "values", [[], [1.0], [5.0] * 300, [0.0, 1.0] * 150, [np.nan] * 40, [1e300, -1e300] * 60]
)
def test_degenerate_series_are_defined(values: list[float]) -> None:
    answer = mad.score_series(times(len(values)), np.array(values, dtype=float))
    assert len(answer) == len(values)
    assert not answer.is_anomaly.any()
    assert np.isfinite(answer.score).all()


def test_invalid_calls_are_explained() -> None:
    with pytest.raises(ValueError, match="expected gauge, latency, rate or count"):
        mad.score_series(times(3), np.zeros(3), kind="level")
    with pytest.raises(ValueError, match="3, 4 and 4 rows"):
        mad.score_series(times(3), np.zeros(4))
    with pytest.raises(ValueError, match="int64 milliseconds, datetime64 or aware"):
        mad.score_series(np.array(["a", "b"]), np.zeros(2))
    with pytest.raises(ValueError, match="no time zone"):
        mad.score_series([datetime(2026, 1, 6)], np.zeros(1))
    with pytest.raises(ValueError, match="row 2 is before row 1"):
        mad.score_series(times(3)[[0, 2, 1]], np.zeros(3))
    with pytest.raises(ValueError, match=r"score\.alarm_cooldown|alarm_cooldown"):
        mad.score_series(times(2), np.zeros(2), {"score": {"alarm_cooldown": -1}})


def test_a_latency_scores_as_a_scorer_does() -> None:
    values = np.random.default_rng(4).lognormal(3.0, 0.3, 300)
    answer = mad.score_series(times(300), values, kind="latency")
    scorer = mad.MadScorer(direction="up", logarithm=True, absolute_floor=0.05, relative_floor=0.0)
    alone = [scorer.observe(x) for x in values]
    assert [row.z for row in alone][1:] == answer.z[1:].tolist()
    scores = np.array([row.score for row in alone])
    # what the rows before add is never less, and little where nothing lasts
    assert (answer.score >= scores).all() and (answer.score[scores < 0.2] < 0.2).all()
    assert (answer.score == scores).mean() > 0.9 and not answer.is_anomaly.any()


def test_quiet_noise_raises_nothing_and_the_same_hour_is_no_surprise() -> None:
    rng = np.random.default_rng(5)
    noise = mad.score_series(times(20_000), rng.normal(size=20_000))
    assert noise.is_anomaly.sum() <= 2
    hour = np.arange(24 * 28) % 24
    values = 100.0 + 40.0 * (hour == 9) + rng.normal(size=hour.size)
    stamps = times(1)[0] + 60 * MINUTE_MS * np.arange(hour.size, dtype=np.int64)
    nine = mad.score_series(stamps, values).score[hour == 9][-7:]
    moved = values.copy()
    moved[-8] = 140.0  # at another hour
    assert hour[-8] != 9
    assert mad.score_series(stamps, moved).score[-8] > nine.max()
