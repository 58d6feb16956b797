//! Incidents.

use chrono::{DateTime, Utc};
use mad_core::export::SloDocument;
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::config::to_json;
use crate::pickle::pickled;
use crate::results::getters::named;
use crate::results::incident_document::DocumentText;
use crate::results::ranking::Ranking;
use crate::tables::html;

/// A stretch of anomalous rows of one service and endpoint.
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
/// >>> (incident,) = mad.IncidentGrouper().group(judged)
/// >>> incident.service, incident.severity, incident.rows, incident.errors
/// ('shop', 'Critical', 10, 400)
/// >>> str(incident.start), incident.status
/// ('2026-01-06 10:10:00+00:00', 'open')
#[pyclass(module = "mad._core", frozen)]
#[derive(Clone, Serialize, Deserialize)]
pub struct Incident {
    pub core: mad_core::Incident,
    /// The document of an incident of a pipeline; none for one of a grouper alone.
    pub document: Option<DocumentText>,
    pub ranking: Option<mad_core::Ranking>,
}

#[pymethods]
impl Incident {
    /// Stable: the same in every run over the same data.
    #[getter]
    fn id(&self) -> &str {
        &self.core.id
    }

    /// Stable over recurrences of the same kind of fault, at the same service and endpoint, with the same
    /// culprit.
    #[getter]
    fn fingerprint(&self) -> &str {
        &self.core.fingerprint
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

    /// When it opened.
    #[getter]
    fn opened_at(&self) -> DateTime<Utc> {
        self.core.opened_at.into()
    }

    /// When it closed; None while it is open.
    #[getter]
    fn closed_at(&self) -> Option<DateTime<Utc>> {
        self.core.closed_at.map(Into::into)
    }

    /// The id of the incident that it was merged into, if it was.
    #[getter]
    fn merged_into(&self) -> Option<&str> {
        self.core.merged_into.as_deref()
    }

    /// Why it closed: quiet, expired (its services sent nothing), command or merged; None while it
    /// is open.
    #[getter]
    fn close_reason(&self) -> Option<&'static str> {
        self.core.close_reason.map(mad_core::incident::CloseReason::as_str)
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
            Some(document) => document.affected().to_vec(),
            None => vec![self.core.entity.to_string()],
        }
    }

    /// The likeliest culprit at its end.
    #[getter]
    fn culprit(&self) -> Option<crate::results::ranking::Culprit> {
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

    /// Whether the same fault came and went three times or more.
    #[getter]
    fn flapping(&self) -> bool {
        self.core.is_flapping()
    }

    /// Whether services without known calls between them share it, because the same kind of fault
    /// began in them at the same time.
    #[getter]
    fn grouped_by_time(&self) -> bool {
        self.core.by_time
    }

    /// How often it reopened after it had closed.
    #[getter]
    fn reopened(&self) -> u64 {
        self.core.reopened
    }

    /// The share of the error budgets that its rows used up; None without requests.
    #[getter]
    fn slo<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(impact) = &self.core.slo else { return Ok(None) };
        let json = to_json(&SloDocument::from(impact))?;
        Ok(Some(py.import("json")?.call_method1("loads", (json,))?))
    }

    /// The whole incident as JSON, as in incidents.json.
    fn to_json(&self) -> PyResult<String> {
        match &self.document {
            Some(document) => document.json(),
            None => to_json(&self.core),
        }
    }

    fn _repr_html_(&self) -> String {
        html::table(&self.__repr__(), &Self::CELLS, [self.cells()], 1)
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

impl Incident {
    /// The columns that a notebook shows of an incident.
    pub const CELLS: [&str; 6] = ["Severity", "Where", "Start", "End", "Signals", "Status"];

    /// Of a pipeline.
    pub fn of(pipeline: &mad_core::Pipeline, core: mad_core::Incident) -> Self {
        let document = Some(DocumentText::new(mad_core::IncidentDocument::new(pipeline, &core)));
        Self { document, ranking: Some(pipeline.ranking_of(&core)), core }
    }

    /// Its row of [`Self::CELLS`].
    pub fn cells(&self) -> Vec<String> {
        vec![
            self.core.severity.as_str().to_owned(),
            self.core.entity.to_string(),
            self.core.start.to_string(),
            self.core.end.to_string(),
            self.signals().join(", "),
            self.core.status.as_str().to_owned(),
        ]
    }
}

named!(Incident);
pickled!(Incident);
