"""The time axis of a chart: long stretches without rows are left out, and nothing else is."""

from __future__ import annotations

import random

import pytest

from mad.report.time_axis import TimeAxis, stretches

MINUTE = 60.0
HOUR = 3600.0


def minutes(*found: int) -> list[float]:
    return [MINUTE * minute for minute in found]


def recorded_now_and_then(times: int) -> list[float]:
    """Three minutes each hour and a half."""
    return [5400.0 * turn + MINUTE * minute for turn in range(times) for minute in range(3)]


def test_the_whole_time_is_drawn_for_continuous_rows() -> None:
    assert stretches([], MINUTE) == []
    assert stretches(minutes(0, 1, 2, 5, 20), MINUTE) == [(0.0, 21 * MINUTE)]
    an_hour_lost = minutes(*range(100), *range(160, 300))
    assert stretches(an_hour_lost, MINUTE) == [(0.0, 300 * MINUTE)]
    lonely = minutes(*range(0, 3000, 50))
    assert stretches(lonely, MINUTE) == [(0.0, 2951 * MINUTE)], "single rows far apart"


def test_islands_stand_side_by_side() -> None:
    pieces = stretches(recorded_now_and_then(3), MINUTE)
    assert pieces == [(0.0, 180.0), (5400.0, 5580.0), (10800.0, 10980.0)]
    axis = TimeAxis(pieces, 100.0, 640.0)
    at = [axis.at(time) for time in (-1.0, 0.0, 90.0, 180.0)]
    assert at == pytest.approx([100.0, 100.0, 100.0 + 520 / 6, 100.0 + 520 / 3])
    first, second = axis.folds()
    assert axis.at(3000.0) == first
    assert axis.at(180.0) < first < axis.at(5400.0)
    assert axis.at(5580.0) < second < axis.at(10800.0)
    assert abs(axis.at(10980.0) - 640.0) < 1e-9
    assert axis.at(1e12) == 640.0


def test_positions_never_go_back() -> None:
    dice = random.Random(0)
    for _ in range(200):
        buckets = sorted({MINUTE * dice.randrange(20_000) for _ in range(dice.randrange(1, 80))})
        pieces = stretches(buckets, MINUTE)
        axis = TimeAxis(pieces, 52.0, 312.0)
        at = [axis.at(time) for time in sorted(dice.uniform(-1e5, 2e6) for _ in range(100))]
        assert at == sorted(at)
        assert 52.0 - 1e-9 <= at[0] <= at[-1] <= 312.0 + 1e-9


def test_labels_do_not_overlap_and_the_incident_has_one() -> None:
    pieces = stretches(recorded_now_and_then(20), MINUTE)
    for right, most in ((988.0, 10), (312.0, 4)):
        ticks = TimeAxis(pieces, 52.0, right).ticks(most, 5400.0 * 7)
        labels = [label for _, label, _ in ticks]
        assert "01-01 10:30" in labels, "the incident's piece"
        assert "01-01 00:00" in labels, "the first piece"
        assert 2 <= len(ticks) <= most + 1
        assert [x for x, _, _ in ticks] == sorted(x for x, _, _ in ticks)


def test_a_long_piece_beside_others_has_round_times() -> None:
    buckets = [*recorded_now_and_then(3), *(100 * HOUR + MINUTE * m for m in range(120))]
    pieces = stretches(buckets, MINUTE)
    labels = [label for _, label, _ in TimeAxis(pieces, 52.0, 988.0).ticks(10, None)]
    assert "04:30" in labels
