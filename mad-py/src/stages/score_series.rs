//! The scores of one series.

use mad_core::score::{SeriesScore, SeriesScorer};
use mad_core::{Sample, SignalKind, Timestamp};
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::border::detached;
use crate::config::parse;
use crate::errors::{to_py, value_error};
use crate::pickle::{Reduced, reduce_with};

/// One score for each value of a series, as arrays of one length.
///
/// >>> import mad
/// >>> times = [60_000 * minute for minute in range(300)]
/// >>> scores = mad.score_series(times, [100.0 + minute % 7 for minute in range(300)])
/// >>> scores.score.shape, bool(scores.is_anomaly.any())
/// ((300,), False)
#[pyclass(module = "mad._core", frozen, get_all)]
pub struct SeriesScores {
    /// 0 to 1, how anomalous the value is; 0 for gaps.
    pub score: Py<PyArray1<f64>>,
    /// Whether the score is at least the threshold.
    pub is_anomaly: Py<PyArray1<bool>>,
    /// The score after the alarm policy: 0 within the pause after an alarm.
    pub alarm_score: Py<PyArray1<f64>>,
    /// Whether the value raises an alarm.
    pub is_alarm: Py<PyArray1<bool>>,
    /// Distance from the expected value, in scales; NaN when unknown.
    pub z: Py<PyArray1<f64>>,
    /// Lower end of the expected band; NaN when unknown.
    pub expected_low: Py<PyArray1<f64>>,
    /// Upper end of the expected band; NaN when unknown.
    pub expected_high: Py<PyArray1<f64>>,
}

#[pymethods]
impl SeriesScores {
    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.score.bind(py).len()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Reduced<'py, Bound<'py, PyTuple>> {
        let arrays: [Bound<'py, PyAny>; 7] = [
            self.score.bind(py).clone().into_any(),
            self.is_anomaly.bind(py).clone().into_any(),
            self.alarm_score.bind(py).clone().into_any(),
            self.is_alarm.bind(py).clone().into_any(),
            self.z.bind(py).clone().into_any(),
            self.expected_low.bind(py).clone().into_any(),
            self.expected_high.bind(py).clone().into_any(),
        ];
        reduce_with::<Self, _>(py, PyTuple::new(py, arrays)?)
    }

    #[staticmethod]
    fn _from_state(
        score: Py<PyArray1<f64>>,
        is_anomaly: Py<PyArray1<bool>>,
        alarm_score: Py<PyArray1<f64>>,
        is_alarm: Py<PyArray1<bool>>,
        z: Py<PyArray1<f64>>,
        expected_low: Py<PyArray1<f64>>,
        expected_high: Py<PyArray1<f64>>,
    ) -> Self {
        Self { score, is_anomaly, alarm_score, is_alarm, z, expected_low, expected_high }
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("SeriesScores({} values)", self.__len__(py)?))
    }
}

/// Scores one series, each value by the values before it; `timestamps` in nanoseconds, ascending.
#[pyfunction]
#[pyo3(signature = (timestamps, values, n=None, kind="gauge", config=None))]
pub fn score_series(
    py: Python<'_>,
    timestamps: PyReadonlyArray1<'_, i64>,
    values: PyReadonlyArray1<'_, f64>,
    n: Option<PyReadonlyArray1<'_, i64>>,
    kind: &str,
    config: Option<&Bound<'_, PyAny>>,
) -> PyResult<SeriesScores> {
    let config = parse(config)?;
    let kind = match kind {
        "gauge" => SignalKind::Gauge,
        "latency" => SignalKind::Latency,
        "rate" => SignalKind::Rate,
        "count" => SignalKind::Count,
        other => {
            let message = format!("kind = {other:?}; expected gauge, latency, rate or count");
            return Err(value_error(message));
        }
    };
    let mut scorer = SeriesScorer::new(kind, &config.score).map_err(|error| to_py(&error))?;
    let (times, values) = (timestamps.as_array(), values.as_array());
    let weights = n.as_ref().map(|n| n.as_array());
    if times.len() != values.len() || weights.is_some_and(|n| n.len() != values.len()) {
        return Err(value_error(format!(
            "timestamps, values and n have {}, {} and {} rows; give one of each a row",
            times.len(),
            values.len(),
            weights.map_or(values.len(), |n| n.len()),
        )));
    }
    let columns = detached(py, || {
        let mut columns = Columns::default();
        let mut weights = weights.as_ref().map(|n| n.iter());
        for (at, value) in times.iter().zip(values) {
            let n = match &mut weights {
                Some(weights) => weights.next().map_or(1, |n| u64::try_from(*n).unwrap_or(0)),
                None => 1,
            };
            let sample = Sample { value: *value, n };
            columns.push(&scorer.observe(Timestamp::from_nanos(*at), sample));
        }
        columns
    })?;
    Ok(columns.into_arrays(py))
}

/// A column an output; numpy takes over their memory.
#[derive(Default)]
pub struct Columns {
    score: Vec<f64>,
    is_anomaly: Vec<bool>,
    alarm_score: Vec<f64>,
    is_alarm: Vec<bool>,
    z: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
}

impl Columns {
    pub fn push(&mut self, row: &SeriesScore) {
        self.score.push(row.score.value());
        self.is_anomaly.push(row.is_anomaly);
        self.alarm_score.push(row.alarm_score);
        self.is_alarm.push(row.is_alarm);
        self.z.push(row.score.z);
        self.low.push(row.score.low);
        self.high.push(row.score.high);
    }

    pub fn into_arrays(self, py: Python<'_>) -> SeriesScores {
        SeriesScores {
            score: PyArray1::from_vec(py, self.score).unbind(),
            is_anomaly: PyArray1::from_vec(py, self.is_anomaly).unbind(),
            alarm_score: PyArray1::from_vec(py, self.alarm_score).unbind(),
            is_alarm: PyArray1::from_vec(py, self.is_alarm).unbind(),
            z: PyArray1::from_vec(py, self.z).unbind(),
            expected_low: PyArray1::from_vec(py, self.low).unbind(),
            expected_high: PyArray1::from_vec(py, self.high).unbind(),
        }
    }
}
