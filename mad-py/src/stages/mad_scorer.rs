//! The MAD scorer alone.

use mad_core::Sample;
use mad_core::score::{Learn, MadConfig, Scorer};
use mad_core::series::Direction;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::{Deserialize, Serialize};

use crate::errors::{to_py, value_error};
use crate::moment::At;
use crate::pickle::pickled;
use crate::shared::Shared;
use crate::tables::arrays::Floats;

/// Scores single values by the median and the MAD (median absolute deviation) of the values
/// before them: a causal modified z-score (Iglewicz and Hoaglin, 1993).
///
/// `z = (x - median) / scale`, where the scale is the MAD of the last `window` values over 0.6745,
/// or the floor `absolute_floor + relative_floor * |median|` where that is larger. The score is
/// `-log10` of the tail probability under Student's t, whose degrees of freedom follow the number
/// of values, on a scale from 0 to 1 on which one in ten thousand is 0.5. `direction` (up, down or
/// both) says which side counts; with `logarithm`, values are compared by their logarithm, as for
/// latencies. Values and band have the unit of the series.
///
/// NaN scores 0 and is not learnt. The first values score 0. A scorer can be pickled and copied
/// with all that it has learnt, and threads can share it. Raises ValueError for a setting outside its range.
///
/// >>> import mad
/// >>> scorer = mad.MadScorer(window=60)
/// >>> for value in [10.0, 11.0, 10.5, 9.5, 10.2] * 12:
/// ...     _ = scorer.observe(value)
/// >>> scorer.score(10.4).score < 0.5 < scorer.score(25.0).score
/// True
/// >>> scorer.score(25.0).expected
/// 10.2
#[pyclass(module = "mad._core", frozen)]
pub struct MadScorer {
    state: Shared<State>,
}

#[derive(Serialize, Deserialize)]
struct State {
    core: mad_core::MadScorer,
    threshold: f64,
}

/// The score of one value.
///
/// >>> import mad
/// >>> scorer = mad.MadScorer(window=60)
/// >>> for value in [10.0, 11.0, 10.5, 9.5, 10.2] * 12:
/// ...     _ = scorer.observe(value)
/// >>> score = scorer.score(25.0)
/// >>> score.expected, score.score > 0.5, score.expected_low < 10.2 < score.expected_high
/// (10.2, True, True)
#[pyclass(module = "mad._core", frozen, get_all)]
#[derive(Serialize, Deserialize)]
pub struct Score {
    /// Distance from the expected value, in scales; NaN when nothing was learnt.
    pub z: f64,
    /// 0 to 1; 0.5 is one in ten thousand.
    pub score: f64,
    /// Minus log10 of the tail probability.
    pub neg_log10_p: f64,
    /// The center.
    pub expected: f64,
    /// Lower end of the expected band.
    pub expected_low: f64,
    /// Upper end of the expected band.
    pub expected_high: f64,
    /// Earlier values behind the score.
    pub points: u32,
}

#[pymethods]
impl Score {
    fn __repr__(&self) -> String {
        format!("Score({:.3}, z {:.2}, expected {})", self.score, self.z, self.expected)
    }
}

impl From<mad_core::Score> for Score {
    fn from(core: mad_core::Score) -> Self {
        Self {
            z: core.z,
            score: core.value(),
            neg_log10_p: core.neg_log10_p,
            expected: core.expected,
            expected_low: core.low,
            expected_high: core.high,
            points: core.points,
        }
    }
}

#[pymethods]
impl MadScorer {
    #[new]
    #[pyo3(signature = (
        window=240, *, direction="both", logarithm=false, absolute_floor=1e-9, relative_floor=0.01,
        tail_weight=1.0, band=3.5, threshold=0.5,
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of a Python constructor")]
    fn new(
        window: usize,
        direction: &str,
        logarithm: bool,
        absolute_floor: f64,
        relative_floor: f64,
        tail_weight: f64,
        band: f64,
        threshold: f64,
    ) -> PyResult<Self> {
        let direction = direction_of(direction)?;
        let threshold = threshold_neg_log10_p(threshold)?;
        let config = MadConfig {
            window,
            direction,
            logarithm,
            absolute_floor,
            relative_floor,
            tail_weight,
            band,
        };
        let core = mad_core::MadScorer::new(config).map_err(|error| to_py(&error))?;
        Ok(Self { state: Shared::new(State { core, threshold }) })
    }

    /// Scores a value without learning it. `at` is an aware datetime or nanoseconds since 1970, `n`
    /// the number of observations behind the value.
    #[pyo3(signature = (x, at=None, n=1))]
    fn score(&self, py: Python<'_>, x: f64, at: Option<At>, n: u64) -> PyResult<Score> {
        let (at, sample) = (At::or_epoch(at), Sample { value: x, n });
        Ok(self.state.with(py, |state| state.core.score(at, sample))?.into())
    }

    /// Learns a value: "full", "clipped" to the ordinary range, or "skip".
    #[pyo3(signature = (x, at=None, n=1, how="full"))]
    fn learn(&self, py: Python<'_>, x: f64, at: Option<At>, n: u64, how: &str) -> PyResult<()> {
        let (at, sample, how) = (At::or_epoch(at), Sample { value: x, n }, learn_of(how)?);
        self.state.with(py, |state| state.core.learn(at, sample, how))
    }

    /// Scores a value, then learns it; an anomalous value is learnt clipped.
    #[pyo3(signature = (x, at=None, n=1))]
    fn observe(&self, py: Python<'_>, x: f64, at: Option<At>, n: u64) -> PyResult<Score> {
        let (at, sample) = (At::or_epoch(at), Sample { value: x, n });
        let observe = |state: &mut State| state.core.observe(at, sample, state.threshold);
        Ok(self.state.with(py, observe)?.into())
    }

    /// Scores and learns a whole array: a dict of the arrays z, score, expected, expected_low and
    /// expected_high, each as long as `values`.
    fn observe_many<'py>(
        &self,
        py: Python<'py>,
        values: Floats<'py>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let view = values.0.as_array();
        let observe = |state: &mut State| state.core.observe_many(view, state.threshold);
        let scores = self.state.with(py, observe)?;
        let out = PyDict::new(py);
        let column =
            |f: fn(&mad_core::Score) -> f64| PyArray1::from_vec(py, scores.iter().map(f).collect());
        out.set_item("z", column(|score| score.z))?;
        out.set_item("score", column(mad_core::Score::value))?;
        out.set_item("expected", column(|score| score.expected))?;
        out.set_item("expected_low", column(|score| score.low))?;
        out.set_item("expected_high", column(|score| score.high))?;
        Ok(out)
    }

    /// Number of values in the window.
    #[getter]
    fn points(&self, py: Python<'_>) -> PyResult<usize> {
        self.state.with(py, |state| state.core.points())
    }
}

pub fn direction_of(name: &str) -> PyResult<Direction> {
    match name {
        "up" => Ok(Direction::Up),
        "down" => Ok(Direction::Down),
        "both" => Ok(Direction::Both),
        other => Err(value_error(format!("direction = {other:?}; expected up, down or both"))),
    }
}

/// The evidence at which a score reaches `threshold`.
pub fn threshold_neg_log10_p(threshold: f64) -> PyResult<f64> {
    if !(threshold > 0.0 && threshold < 1.0) {
        return Err(value_error(format!("threshold = {threshold}; expected above 0, below 1")));
    }
    Ok(mad_core::score::neg_log10_p_of(threshold))
}

pub fn learn_of(name: &str) -> PyResult<Learn> {
    match name {
        "full" => Ok(Learn::Full),
        "clipped" => Ok(Learn::Clipped),
        "skip" => Ok(Learn::Skip),
        other => Err(value_error(format!("how = {other:?}; expected full, clipped or skip"))),
    }
}

pickled!(Score);
pickled!(shared MadScorer);
