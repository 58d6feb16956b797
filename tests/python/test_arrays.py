"""Robust statistics of arrays, against numpy, scipy, pandas and duckdb."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

import mad

Floats = npt.NDArray[np.float64]

SIGMA_OF_MEAN_AD = 1.253314
ANY_FLOATS = hnp.arrays(np.float64, st.integers(0, 60))
TIES = hnp.arrays(np.float64, st.integers(0, 60), elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0]))


def series() -> Iterator[tuple[str, Floats]]:
    """Arrays of every shape that has made a rolling median wrong somewhere."""
    rng = np.random.default_rng(7)
    yield "uniform", rng.uniform(0.0, 100.0, 2000)
    yield "lognormal", rng.lognormal(4.0, 1.0, 2000)
    yield "ties", rng.integers(0, 4, 2000).astype(np.float64)
    yield "constant", np.full(500, 3.25)
    yield "two values", np.where(rng.random(500) < 0.5, 1.0, 2.0)
    yield "rising", np.arange(500, dtype=np.float64)
    yield "falling", np.arange(500, dtype=np.float64)[::-1].copy()
    yield "sawtooth", np.arange(1000, dtype=np.float64) % 13
    yield "outliers", np.where(rng.random(1000) < 0.02, 1e9, rng.normal(0.0, 1.0, 1000))
    yield "signed zeros", np.where(rng.random(400) < 0.5, 0.0, -0.0)
    yield "tiny and huge", rng.choice([5e-324, -5e-324, 1e-300, 1e300, -1e300, 0.0, 1.0], 600)
    gaps = rng.normal(10.0, 2.0, 2000)
    gaps[rng.random(2000) < 0.01] = np.nan
    yield "gaps", gaps
    infinite = rng.normal(10.0, 2.0, 1000)
    infinite[rng.random(1000) < 0.005] = np.inf
    infinite[rng.random(1000) < 0.005] = -np.inf
    yield "infinities", infinite


SERIES = dict(series())


def modified_z(values: Floats) -> Floats:
    """The definition: 0.6745 (x - median) / MAD over the finite values."""
    finite = values[np.isfinite(values)]
    out = np.full(len(values), np.nan)
    if len(finite) == 0:
        return out
    center = np.median(finite)
    spread = stats.median_abs_deviation(finite)
    mean_ad = np.mean(np.abs(finite - center))
    known = np.isfinite(values)
    out[known] = 0.0
    if spread > 0.0:
        out[known] = 0.6745 * ((values[known] - center) / spread)
    elif mean_ad > 0.0:
        out[known] = (values[known] - center) / mean_ad / SIGMA_OF_MEAN_AD
    return out


def rolling_mad(values: Floats, window: int) -> tuple[Floats, Floats]:
    """The definition, window by window."""
    center, spread = np.full((2, len(values)), np.nan)
    if len(values) >= window:
        inside = np.lib.stride_tricks.sliding_window_view(values, window)
        full = np.isfinite(inside).all(axis=1)
        center[window - 1 :][full] = np.median(inside[full], axis=1)
        spread[window - 1 :][full] = stats.median_abs_deviation(inside[full], axis=1)
    return center, spread


def rolling_z(values: Floats, window: int, min_points: int) -> Floats:
    """The definition: each value against the finite values before it."""
    out = np.full(len(values), np.nan)
    before: list[float] = []
    for at, x in enumerate(values):
        if np.isfinite(x):
            if len(before) >= min_points:
                center = np.median(before)
                spread = stats.median_abs_deviation(before)
                mean_ad = np.mean(np.abs(np.array(before) - center))
                if spread > 0.0:
                    out[at] = 0.6745 * ((x - center) / spread)
                elif mean_ad > 0.0:
                    out[at] = (x - center) / mean_ad / SIGMA_OF_MEAN_AD
                else:
                    out[at] = (x - center) / max(1e-3 * abs(center), 1e-9)
            before = [*before, float(x)][-window:]
    return out


@pytest.mark.parametrize("name", SERIES)
def test_modified_z_is_the_formula(name: str) -> None:
    values = SERIES[name]
    with np.errstate(over="ignore"):
        expected = modified_z(values)
    np.testing.assert_allclose(mad.modified_z(values), expected, rtol=1e-12)


@pytest.mark.parametrize("window", [1, 2, 3, 10, 61, 240])
@pytest.mark.parametrize("name", SERIES)
def test_rolling_mad_is_the_formula(name: str, window: int) -> None:
    values = SERIES[name][:700]
    center, spread = mad.rolling_mad(values, window)
    expected_center, expected_spread = rolling_mad(values, window)
    np.testing.assert_array_equal(center, expected_center)
    np.testing.assert_array_equal(spread, expected_spread)


@pytest.mark.parametrize(("window", "min_points"), [(1, 1), (5, 3), (20, 20), (60, 10)])
@pytest.mark.parametrize("name", SERIES)
def test_rolling_z_is_the_formula(name: str, window: int, min_points: int) -> None:
    values = SERIES[name][:200]
    with np.errstate(over="ignore"):
        expected = rolling_z(values, window, min_points)
    found = mad.rolling_z(values, window, min_points)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("window", [3, 60, 240])
@pytest.mark.parametrize("name", ["uniform", "ties", "sawtooth", "outliers", "gaps"])
def test_rolling_median_is_that_of_pandas(name: str, window: int) -> None:
    values = SERIES[name]
    expected = pd.Series(values).rolling(window, min_periods=window).median().to_numpy()
    np.testing.assert_array_equal(mad.rolling_mad(values, window)[0], expected)


def test_rolling_mad_is_that_of_pandas() -> None:
    values = SERIES["gaps"]
    rolling = pd.Series(values).rolling(60, min_periods=60)
    expected = rolling.apply(stats.median_abs_deviation, raw=True).to_numpy()
    np.testing.assert_array_equal(mad.rolling_mad(values, 60)[1], expected)


@pytest.mark.parametrize("window", [3, 60, 240])
@pytest.mark.parametrize("name", ["uniform", "lognormal", "ties", "outliers"])
def test_rolling_mad_is_that_of_duckdb(name: str, window: int) -> None:
    values = SERIES[name]
    table = pd.DataFrame({"place": np.arange(len(values)), "x": values})
    with duckdb.connect() as connection:
        connection.register("given", table)
        frame = f"(order by place rows between {window - 1} preceding and current row)"
        answer = connection.sql(
            f"select median(x) over {frame} m, mad(x) over {frame} d from given order by place"
        ).fetchnumpy()
    center, spread = mad.rolling_mad(values, window)
    np.testing.assert_array_equal(center[window - 1 :], answer["m"][window - 1 :])
    np.testing.assert_array_equal(spread[window - 1 :], answer["d"][window - 1 :])


def test_percentiles_of_features_are_those_of_numpy() -> None:
    rng = np.random.default_rng(3)
    seconds, latencies, expected = [], [], []
    for minute in range(80):
        inside = rng.choice([rng.lognormal(4.0, 1.0, minute + 1), rng.integers(0, 3, minute + 1)])
        seconds += [1_767_693_600 + 60 * minute] * len(inside)
        latencies += list(map(float, inside))
        expected.append(
            [*np.percentile(inside, [50, 95, 99], method="linear"), inside.mean(), inside.max()]
        )
    found = mad.detect(
        {
            "timestamp": seconds,
            "service": ["a"] * len(seconds),
            "endpoint": ["/x"] * len(seconds),
            "status_code": [200] * len(seconds),
            "latency_ms": latencies,
        }
    ).features
    columns = ["p50_latency_ms", "p95_latency_ms", "p99_latency_ms", "avg_latency_ms"]
    rows = np.column_stack([found[name] for name in [*columns, "max_latency_ms"]])
    np.testing.assert_allclose(rows, expected, rtol=1e-14)


@given(ANY_FLOATS | TIES)
def test_only_non_finite_values_give_nan(values: Floats) -> None:
    z = mad.modified_z(values)
    assert z.dtype == np.float64
    np.testing.assert_array_equal(np.isnan(z), ~np.isfinite(values))


@given(ANY_FLOATS | TIES, st.integers(1, 12), st.integers(1, 12))
def test_rolling_z_is_causal(values: Floats, window: int, points: int) -> None:
    min_points = min(points, window)
    whole = mad.rolling_z(values, window, min_points)
    for end in range(len(values)):
        np.testing.assert_array_equal(mad.rolling_z(values[:end], window, min_points), whole[:end])


@given(TIES, st.integers(1, 12))
def test_rolling_mad_of_ties(values: Floats, window: int) -> None:
    for found, expected in zip(
        mad.rolling_mad(values, window), rolling_mad(values, window), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


@given(ANY_FLOATS, st.integers(1, 12))
def test_rolling_mad_of_anything(values: Floats, window: int) -> None:
    finite = np.isfinite(values)
    full = np.full(len(values), False)
    for end in range(window, len(values) + 1):
        full[end - 1] = finite[end - window : end].all()
    for found in mad.rolling_mad(values, window):
        np.testing.assert_array_equal(np.isfinite(found), full)


def packed(values: list[float]) -> Floats:
    """The same as a field of a packed record: nine bytes from one to the next."""
    records = np.zeros(len(values), dtype=[("flag", "i1"), ("x", "<f8")])
    records["x"] = values
    column: Floats = records["x"]
    return column


def read_only(values: list[float]) -> Floats:
    array = np.array(values)
    array.setflags(write=False)
    return array


WHOLE = [1.0, 2.0, 4.0, 9.0, 3.0, 3.0, 100.0]
WAYS: dict[str, Any] = {
    "list": WHOLE,
    "tuple": tuple(WHOLE),
    "list of int": [int(x) for x in WHOLE],
    "int64": np.array(WHOLE, dtype=np.int64),
    "uint8": np.array(WHOLE, dtype=np.uint8),
    "float32": np.array(WHOLE, dtype=np.float32),
    "big-endian": np.array(WHOLE, dtype=">f8"),
    "object": np.array(WHOLE, dtype=object),
    "strided": np.repeat(WHOLE, 3)[::3],
    "negative stride": np.array(WHOLE[::-1])[::-1],
    "column": np.column_stack([np.zeros(7), WHOLE])[:, 1],
    "packed": packed(WHOLE),
    "read-only": read_only(WHOLE),
    "pandas": pd.Series(WHOLE, index=list("gfedcba")),
}


@pytest.mark.parametrize("way", WAYS)
def test_numbers_of_any_numeric_type(way: str) -> None:
    plain, given_ = np.array(WHOLE), WAYS[way]
    np.testing.assert_array_equal(mad.modified_z(given_), mad.modified_z(plain))
    np.testing.assert_array_equal(mad.rolling_z(given_, 4, 2), mad.rolling_z(plain, 4, 2))
    np.testing.assert_array_equal(mad.rolling_mad(given_, 3), mad.rolling_mad(plain, 3))
    scores = mad.MadScorer(window=5).observe_many(plain)
    for name, column in mad.MadScorer(window=5).observe_many(given_).items():
        np.testing.assert_array_equal(column, scores[name])


def test_a_gap_may_be_none() -> None:
    np.testing.assert_array_equal(mad.modified_z([1, None, 3]), [-0.6745, np.nan, 0.6745])


def test_the_input_is_not_changed() -> None:
    values = np.array(WHOLE)
    mad.modified_z(values)
    mad.rolling_mad(values, 3)
    mad.rolling_z(values, 3, 2)
    np.testing.assert_array_equal(values, WHOLE)


def test_empty_in_empty_out() -> None:
    for empty in ([], np.array([]), np.array([], dtype=np.int64)):
        assert mad.modified_z(empty).shape == (0,)
        assert mad.rolling_z(empty, 3, 2).shape == (0,)
        assert [part.shape for part in mad.rolling_mad(empty, 3)] == [(0,), (0,)]


def test_shorter_than_the_window() -> None:
    assert np.isnan(mad.rolling_mad([1.0, 2.0], 3)).all()
    assert np.isnan(mad.rolling_z([1.0, 2.0], 3, 3)).all()


@pytest.mark.parametrize(
    "wrong",
    [
        ["a"],
        np.array(["1", "2"]),
        np.array([1j, 2.0]),
        np.array(["2026-01-06"], dtype="datetime64[s]"),
        [object()],
        "123",
        None,
        3.0,
        np.zeros((2, 2)),
        [[1.0], [2.0]],
    ],
)
def test_input_that_is_not_a_vector_of_numbers_is_refused(wrong: Any) -> None:
    for call in (mad.modified_z, lambda x: mad.rolling_mad(x, 3), lambda x: mad.rolling_z(x, 3, 2)):
        with pytest.raises((TypeError, ValueError)) as caught:
            call(wrong)
        assert "expected" in str(caught.value) or "float" in str(caught.value)


@pytest.mark.parametrize("window", [0, -1, 100_001])
def test_a_window_outside_its_range(window: int) -> None:
    for call in (mad.rolling_mad, lambda x, w: mad.rolling_z(x, w, 1)):
        with pytest.raises(ValueError, match="`window` is"):
            call([1.0], window)


@pytest.mark.parametrize("min_points", [0, -1, 6])
def test_min_points_outside_its_range(min_points: int) -> None:
    with pytest.raises(ValueError, match="`min_points` is"):
        mad.rolling_z([1.0], 5, min_points)
