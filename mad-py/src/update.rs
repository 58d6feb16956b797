//! What came of a batch, a tick or a command.

use mad_core::IncidentChange;
use mad_core::telemetry::Rejections;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::incident::Incident;
use crate::points::Points;
use crate::rows::{Rows, split};
use crate::{report, table::Table};

/// What a batch, a tick or a command brought about.
#[pyclass(module = "mad._core", frozen)]
pub struct Update {
    rows: Rows,
    points: Points,
    changes: Vec<(&'static str, Incident)>,
    rejected: Rejections,
    repeated: bool,
}

#[pymethods]
impl Update {
    /// Rows that closed, judged.
    #[getter]
    fn rows(&self) -> PyResult<Table> {
        self.rows.to_table()
    }

    /// Points of metrics that are in order, judged.
    #[getter]
    fn points(&self) -> PyResult<Table> {
        self.points.to_table()
    }

    /// What happened to incidents, in order: (opened, updated, acknowledged or closed; incident).
    #[getter]
    fn changes(&self) -> Vec<(&'static str, Incident)> {
        self.changes.clone()
    }

    /// Records that were not taken.
    #[getter]
    fn rejected<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        report::rejected(py, &self.rejected)
    }

    /// Whether the batch id was known, so that nothing of the batch was taken.
    #[getter]
    fn repeated(&self) -> bool {
        self.repeated
    }

    fn __repr__(&self) -> String {
        format!(
            "Update({} rows, {} incident changes, {} rejected)",
            self.rows.features.len(),
            self.changes.len(),
            self.rejected.total(),
        )
    }
}

impl Update {
    /// Of a pipeline that has just done it.
    pub fn new(pipeline: &mad_core::Pipeline, update: mad_core::Update) -> Self {
        let change = |change: IncidentChange| {
            let name = match &change {
                IncidentChange::Opened(_) => "opened",
                IncidentChange::Updated(_) => "updated",
                IncidentChange::Acknowledged(_) => "acknowledged",
                IncidentChange::Closed(_) => "closed",
            };
            let core = change.incident().clone();
            let document = Some(pipeline.incident_document(&core));
            let ranking = Some(pipeline.ranking_of(&core));
            (name, Incident { core, document, ranking })
        };
        Self {
            changes: update.changes.into_iter().map(change).collect(),
            rows: split(update.rows),
            points: Points(update.points),
            rejected: update.rejected,
            repeated: update.repeated,
        }
    }
}
