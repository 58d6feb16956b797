//! Incidents and their explanations.

use chrono::{DateTime, Utc};
use mad_core::pipeline::IncidentDocument;
use pyo3::prelude::*;

use crate::config::to_json;
use crate::ranking::Ranking;

/// A stretch of anomalous rows of one service and endpoint.
#[pyclass(module = "mad._core", frozen)]
#[derive(Clone)]
pub struct Incident {
    pub core: mad_core::Incident,
    /// Known where a pipeline stands behind it.
    pub document: Option<IncidentDocument>,
    pub ranking: Option<mad_core::Ranking>,
}

#[pymethods]
impl Incident {
    /// Stable: the same in every run over the same data.
    #[getter]
    fn id(&self) -> &str {
        &self.core.id
    }

    /// Stable over recurrences at the same service and endpoint.
    #[getter]
    fn fingerprint(&self) -> &str {
        &self.core.fingerprint
    }

    #[getter]
    fn service(&self) -> &str {
        &self.core.entity.service
    }

    #[getter]
    fn endpoint(&self) -> &str {
        &self.core.entity.endpoint
    }

    /// Start of the first flagged row.
    #[getter]
    fn start(&self) -> DateTime<Utc> {
        self.core.start.into()
    }

    /// End of the last flagged row.
    #[getter]
    fn end(&self) -> DateTime<Utc> {
        self.core.end.into()
    }

    /// When it was known.
    #[getter]
    fn opened_at(&self) -> DateTime<Utc> {
        self.core.opened_at.into()
    }

    /// When it was over; None while it goes on.
    #[getter]
    fn closed_at(&self) -> Option<DateTime<Utc>> {
        self.core.closed_at.map(Into::into)
    }

    /// Info, Warning or Critical.
    #[getter]
    fn severity(&self) -> &'static str {
        self.core.severity.as_str()
    }

    /// open, acknowledged or resolved.
    #[getter]
    fn status(&self) -> &'static str {
        self.core.status.as_str()
    }

    /// The flagged signals, strongest evidence first.
    #[getter]
    fn signals(&self) -> Vec<&str> {
        self.core.signals().map(mad_core::SignalName::as_str).collect()
    }

    /// Services and endpoints with flagged rows in its time, its own first.
    #[getter]
    fn affected(&self) -> Vec<String> {
        match &self.document {
            Some(document) => document.affected.clone(),
            None => vec![self.core.entity.to_string()],
        }
    }

    /// The likeliest culprit at its end.
    #[getter]
    fn culprit(&self) -> Option<crate::ranking::Culprit> {
        self.ranking.clone().and_then(|ranking| Ranking::from(ranking).first())
    }

    /// Flagged rows.
    #[getter]
    fn rows(&self) -> u64 {
        self.core.rows
    }

    /// Requests in its flagged rows.
    #[getter]
    fn requests(&self) -> u64 {
        self.core.requests
    }

    /// Failed requests in its flagged rows.
    #[getter]
    fn errors(&self) -> u64 {
        self.core.errors
    }

    /// All of it as JSON, as in incidents.json.
    fn to_json(&self) -> PyResult<String> {
        match &self.document {
            Some(document) => to_json(document),
            None => to_json(&self.core),
        }
    }

    fn __repr__(&self) -> String {
        format!(
            "Incident({} {} {} to {}, {})",
            self.core.severity.as_str(),
            self.core.entity,
            self.core.start,
            self.core.end,
            self.core.status.as_str(),
        )
    }
}

/// What is said about an incident; every sentence holds numbers of its evidence.
#[pyclass(module = "mad._core", frozen, get_all)]
pub struct Explanation {
    /// What happened, where, when.
    pub summary: String,
    /// One sentence per flagged signal.
    pub why_flagged: Vec<String>,
    /// What users felt.
    pub impact: Vec<String>,
    /// What it could be.
    pub likely_causes: Vec<String>,
    /// What to look at first.
    pub recommended_actions: Vec<String>,
    /// High, Medium or Low.
    pub confidence: String,
    /// The rule behind the confidence.
    pub confidence_rule: String,
    /// All of it in one line.
    pub line: String,
}

#[pymethods]
impl Explanation {
    fn __str__(&self) -> &str {
        &self.summary
    }

    fn __repr__(&self) -> String {
        format!("Explanation({:?})", self.line)
    }
}

impl From<mad_core::Explanation> for Explanation {
    fn from(core: mad_core::Explanation) -> Self {
        Self {
            summary: core.summary,
            why_flagged: core.why_flagged,
            impact: core.impact,
            likely_causes: core.likely_causes,
            recommended_actions: core.recommended_actions,
            confidence: core.confidence.as_str().to_owned(),
            confidence_rule: core.confidence_rule,
            line: core.line,
        }
    }
}
