//! Rankings of culprits.

use chrono::{DateTime, Utc};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::{Deserialize, Serialize};

use crate::pickle::pickled;
use crate::tables::html;

/// Culprits by their flagged rows, best first.
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
    /// The culprits.
    #[getter]
    fn culprits(&self) -> Vec<Culprit> {
        self.core.culprits.iter().map(|core| Culprit { core: core.clone() }).collect()
    }

    /// Whether no culprit is named because nothing stands out.
    #[getter]
    fn abstained(&self) -> bool {
        self.core.abstained
    }

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

    fn __len__(&self) -> usize {
        self.core.culprits.len()
    }

    fn _repr_html_(&self) -> String {
        let row = |one: &mad_core::Culprit| {
            let metric = one.metric.as_str().to_owned();
            vec![one.entity.to_string(), metric, html::number(one.score), one.onset.to_string()]
        };
        let rows = self.core.culprits.iter().map(row);
        let line = if self.core.abstained { "No service stands out." } else { "Likely culprits" };
        html::table(line, &["Culprit", "Signal", "Score", "Since"], rows, self.core.culprits.len())
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
#[pyclass(module = "mad._core", frozen)]
#[derive(Clone, Serialize, Deserialize)]
pub struct Culprit {
    pub core: mad_core::Culprit,
}

#[pymethods]
impl Culprit {
    #[getter]
    fn service(&self) -> &str {
        &self.core.entity.service
    }

    #[getter]
    fn endpoint(&self) -> &str {
        &self.core.entity.endpoint
    }

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

pickled!(Ranking, Culprit);
