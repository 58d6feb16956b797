//! Rankings of culprits over metrics.

use chrono::{DateTime, Utc};
use mad_core::Rejections;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::{Deserialize, Serialize};

use crate::pickle::pickled;
use crate::records::rejected::rejected;
use crate::results::getters::{named, ranking};

/// Culprits by their metrics, best first.
///
/// >>> import mad
/// >>> metrics = {
/// ...     "timestamp": [f"2026-01-06T{10 + m // 60}:{m % 60:02}:00Z" for m in range(120)],
/// ...     "service": ["db"] * 120,
/// ...     "metric": ["cpu"] * 120,
/// ...     "value": [80.0 if minute >= 90 else 20.0 + minute % 5 for minute in range(120)],
/// ... }
/// >>> ranking = mad.rank_culprits(metrics)
/// >>> len(ranking.culprits), ranking.abstained
/// (1, False)
#[pyclass(module = "mad._core", frozen)]
#[derive(Serialize, Deserialize)]
pub struct MetricRanking {
    core: mad_core::MetricRanking,
    rejected: Rejections,
}

impl MetricRanking {
    pub fn new(core: mad_core::MetricRanking, rejected: Rejections) -> Self {
        Self { core, rejected }
    }
}

#[pymethods]
impl MetricRanking {
    /// The onset of the incident, given or found.
    #[getter]
    fn start(&self) -> Option<DateTime<Utc>> {
        self.core.start.map(Into::into)
    }

    /// The anomaly of the target as a dict, if a target was declared and changed for the worse.
    #[getter]
    fn target<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.core.target.as_ref().map(|target| evidence_dict(py, target)).transpose()
    }

    /// Whether no service stands out in the anomalous rows of the target, so that the services that
    /// it calls were ranked by their own changes.
    #[getter]
    fn calm_target(&self) -> bool {
        self.core.calm_target
    }

    /// If no culprit is named: a dict for the strongest anomaly of each of the three services that
    /// would be named first.
    #[getter]
    fn unnamed<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.core.unnamed.iter().map(|one| evidence_dict(py, one)).collect()
    }

    /// The result as sentences: the first culprit, or the anomaly of the target, the best-supported
    /// candidate and the next largest changes, which are too small to name a cause.
    #[getter]
    fn summary(&self) -> String {
        self.core.summary()
    }

    /// Rows that were not taken: counts by reason, and the first positions.
    #[getter]
    fn rejected<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        rejected(py, &self.rejected)
    }

    fn __repr__(&self) -> String {
        let name =
            |one: &mad_core::MetricCulprit| format!("{} {:.2}", one.entity.service, one.score);
        let names: Vec<String> = self.core.culprits.iter().map(name).collect();
        format!("MetricRanking([{}])", names.join(", "))
    }
}

/// The anomaly of a series as a dict.
fn evidence_dict<'py>(
    py: Python<'py>,
    evidence: &mad_core::MetricEvidence,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("service", &evidence.service)?;
    dict.set_item("resource", &evidence.resource)?;
    dict.set_item("metric", &evidence.metric)?;
    dict.set_item("kind", evidence.kind.as_str())?;
    dict.set_item("value", evidence.value)?;
    dict.set_item("expected", evidence.expected)?;
    dict.set_item("effect", evidence.effect)?;
    dict.set_item("onset", DateTime::<Utc>::from(evidence.onset))?;
    dict.set_item("sentence", evidence.sentence())?;
    Ok(dict)
}

/// A culprit of a ranking over metrics.
///
/// >>> import mad
/// >>> metrics = {
/// ...     "timestamp": [f"2026-01-06T{10 + m // 60}:{m % 60:02}:00Z" for m in range(120)],
/// ...     "service": ["db"] * 120,
/// ...     "metric": ["cpu"] * 120,
/// ...     "value": [80.0 if minute >= 90 else 20.0 + minute % 5 for minute in range(120)],
/// ... }
/// >>> (culprit,) = mad.rank_culprits(metrics).culprits
/// >>> culprit.service, culprit.metric, culprit.score > 0.5, str(culprit.onset)
/// ('db', 'cpu', True, '2026-01-06 11:30:00+00:00')
#[pyclass(module = "mad._core", frozen)]
#[derive(Serialize, Deserialize)]
pub struct MetricCulprit {
    core: mad_core::MetricCulprit,
}

#[pymethods]
impl MetricCulprit {
    /// The metric with the strongest evidence.
    #[getter]
    fn metric(&self) -> &str {
        &self.core.metric
    }

    /// 0 to 1; 0.5 is the evidence of the least effect that names a culprit.
    #[getter]
    fn score(&self) -> f64 {
        self.core.score
    }

    /// Start of the first row in which that metric is bad.
    #[getter]
    fn onset(&self) -> DateTime<Utc> {
        self.core.onset.into()
    }

    /// The evidence against it: a dict per series, the strongest first, then the changes before it with `lead_seconds`:
    /// deploys, feature flags, others.
    #[getter]
    fn evidence<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let one = |evidence| evidence_dict(py, evidence);
        let mut all: Vec<_> = self.core.evidence.iter().map(one).collect::<PyResult<_>>()?;
        for change in &self.core.changes {
            let dict = PyDict::new(py);
            dict.set_item("service", &*change.service)?;
            dict.set_item("kind", "change")?;
            dict.set_item("change", &change.kind)?;
            dict.set_item("name", &change.name)?;
            dict.set_item("version", &change.version)?;
            dict.set_item("onset", DateTime::<Utc>::from(change.at))?;
            let lead = self.core.onset.nanos().saturating_sub(change.at.nanos());
            dict.set_item("lead_seconds", lead as f64 / 1e9)?;
            all.push(dict);
        }
        for (dict, sentence) in all.iter().zip(self.core.sentences()) {
            dict.set_item("sentence", sentence)?;
        }
        Ok(all)
    }

    /// Services from the target to this one, each calling the next.
    #[getter]
    fn chain(&self) -> Vec<String> {
        self.core.chain.clone()
    }

    /// Of the first culprit: a dict for each other series that moved like its strongest metric.
    #[getter]
    fn correlated<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let one = |other: &mad_core::Correlated| {
            let dict = PyDict::new(py);
            dict.set_item("service", &other.service)?;
            dict.set_item("resource", &other.resource)?;
            dict.set_item("metric", &other.metric)?;
            dict.set_item("correlation_score", other.correlation_score)?;
            Ok(dict)
        };
        self.core.correlated.iter().map(one).collect()
    }

    fn __repr__(&self) -> String {
        format!(
            "MetricCulprit({}, {}, score {:.2}, since {})",
            self.core.entity.service, self.core.metric, self.core.score, self.core.onset,
        )
    }
}

named!(MetricCulprit);
ranking!(MetricRanking, MetricCulprit, "Metric");
pickled!(MetricRanking, MetricCulprit);
