//! Rankings of culprits.

use chrono::{DateTime, Utc};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::{Deserialize, Serialize};

use crate::pickle::pickled;
use crate::results::getters::{named, ranking};

/// Culprits by their flagged rows, best first.
///
/// >>> import mad
/// >>> judged = {
/// ...     "bucket_ts": [f"2026-01-06T10:{minute:02}:00Z" for minute in range(20)],
/// ...     "service": ["shop"] * 20,
/// ...     "endpoint": ["/pay"] * 20,
/// ...     "req_count": [100] * 20,
/// ...     "error_count": [40 if minute >= 10 else 0 for minute in range(20)],
/// ...     "is_anomaly": [minute >= 10 for minute in range(20)],
/// ...     "signal": ["error_rate"] * 20,
/// ...     "score": [0.8 if minute >= 10 else 0.0 for minute in range(20)],
/// ...     "severity": ["Critical" if minute >= 10 else "Info" for minute in range(20)],
/// ...     "expected": [0.01] * 20,
/// ... }
/// >>> ranking = mad.CulpritRanker().rank(judged)
/// >>> len(ranking), ranking.rows, str(ranking.at)
/// (1, 10, '2026-01-06 10:19:00+00:00')
#[pyclass(module = "mad._core", frozen)]
#[derive(Clone, Serialize, Deserialize)]
pub struct Ranking {
    pub core: mad_core::Ranking,
}

impl From<mad_core::Ranking> for Ranking {
    fn from(core: mad_core::Ranking) -> Self {
        Self { core }
    }
}

impl Ranking {
    /// The best culprit.
    pub fn first(&self) -> Option<Culprit> {
        self.core.culprits.first().map(|core| Culprit { core: core.clone() })
    }
}

#[pymethods]
impl Ranking {
    /// Start of the look-back window.
    #[getter]
    fn start(&self) -> DateTime<Utc> {
        self.core.from.into()
    }

    /// Its end.
    #[getter]
    fn at(&self) -> DateTime<Utc> {
        self.core.at.into()
    }

    /// Flagged rows within it.
    #[getter]
    fn rows(&self) -> u64 {
        self.core.rows
    }

    fn __repr__(&self) -> String {
        let names: Vec<String> = self
            .core
            .culprits
            .iter()
            .map(|culprit| format!("{} {:.2}", culprit.entity, culprit.score))
            .collect();
        format!("Ranking([{}])", names.join(", "))
    }
}

/// A culprit of a ranking: a service and endpoint with its evidence.
///
/// >>> import mad
/// >>> judged = {
/// ...     "bucket_ts": [f"2026-01-06T10:{minute:02}:00Z" for minute in range(20)],
/// ...     "service": ["shop"] * 20,
/// ...     "endpoint": ["/pay"] * 20,
/// ...     "req_count": [100] * 20,
/// ...     "error_count": [40 if minute >= 10 else 0 for minute in range(20)],
/// ...     "is_anomaly": [minute >= 10 for minute in range(20)],
/// ...     "signal": ["error_rate"] * 20,
/// ...     "score": [0.8 if minute >= 10 else 0.0 for minute in range(20)],
/// ...     "severity": ["Critical" if minute >= 10 else "Info" for minute in range(20)],
/// ...     "expected": [0.01] * 20,
/// ... }
/// >>> (culprit,) = mad.CulpritRanker().rank(judged).culprits
/// >>> culprit.service, culprit.endpoint, culprit.metric, culprit.rows
/// ('shop', '/pay', 'error_rate', 10)
#[pyclass(module = "mad._core", frozen)]
#[derive(Clone, Serialize, Deserialize)]
pub struct Culprit {
    pub core: mad_core::Culprit,
}

#[pymethods]
impl Culprit {
    /// The signal with the strongest evidence against it.
    #[getter]
    fn metric(&self) -> &str {
        self.core.metric.as_str()
    }

    /// Its share of the evidence of all culprits, 0 to 1.
    #[getter]
    fn score(&self) -> f64 {
        self.core.score
    }

    /// Start of its first flagged row in the window.
    #[getter]
    fn onset(&self) -> DateTime<Utc> {
        self.core.onset.into()
    }

    /// Flagged rows in the window.
    #[getter]
    fn rows(&self) -> u64 {
        self.core.rows
    }

    /// Its worst severity.
    #[getter]
    fn severity(&self) -> &'static str {
        self.core.severity.as_str()
    }

    /// The template of its service's log that changed most in the incident: a dict with template, level
    /// (error, other), lines from `from` to `to`, and `lines_before` since `known_since`. None without a
    /// clear change.
    #[getter]
    fn log<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(log) = &self.core.log else { return Ok(None) };
        let dict = PyDict::new(py);
        let is_error = log.level == mad_core::LogLevel::Error;
        dict.set_item("template", &log.template)?;
        dict.set_item("level", if is_error { "error" } else { "other" })?;
        dict.set_item("lines", log.lines)?;
        dict.set_item("from", DateTime::<Utc>::from(log.from))?;
        dict.set_item("to", DateTime::<Utc>::from(log.to))?;
        dict.set_item("lines_before", log.lines_before)?;
        dict.set_item("known_since", DateTime::<Utc>::from(log.known_since))?;
        Ok(Some(dict))
    }

    /// The evidence against it, a dict per signal, the strongest first.
    #[getter]
    fn evidence<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let one = |evidence: &mad_core::Evidence| {
            let dict = PyDict::new(py);
            dict.set_item("signal", evidence.signal.as_str())?;
            dict.set_item("rows", evidence.rows)?;
            dict.set_item("at", DateTime::<Utc>::from(evidence.at))?;
            dict.set_item("value", evidence.value)?;
            dict.set_item("expected", evidence.expected)?;
            dict.set_item("usual", evidence.usual)?;
            dict.set_item("expected_low", evidence.low)?;
            dict.set_item("expected_high", evidence.high)?;
            dict.set_item("z", evidence.z)?;
            dict.set_item("neg_log10_p", evidence.neg_log10_p)?;
            Ok(dict)
        };
        self.core.evidence.iter().map(one).collect()
    }

    fn __repr__(&self) -> String {
        format!(
            "Culprit({}, {}, score {:.2}, since {})",
            self.core.entity,
            self.core.metric.as_str(),
            self.core.score,
            self.core.onset,
        )
    }
}

named!(Culprit);
ranking!(Ranking, Culprit, "Signal");
pickled!(Ranking, Culprit);
