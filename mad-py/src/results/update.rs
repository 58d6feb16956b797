//! The result of a batch, a tick or a command.

use std::collections::HashMap;

use mad_core::IncidentChange;
use mad_core::export::LevelDocument;
use mad_core::telemetry::Rejections;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::{Deserialize, Serialize};

use crate::config::to_json;
use crate::pickle::pickled;
use crate::records::rejected;
use crate::results::incident::Incident;
use crate::results::points::Points;
use crate::results::rows::{Rows, split};
use crate::tables::table::Table;

/// The result of a batch, a tick or a command: rows that closed, and changes of incidents.
///
/// >>> import mad
/// >>> requests = {
/// ...     "timestamp": [f"2026-01-06T10:{minute:02}:00Z" for minute in range(5)],
/// ...     "service": ["shop"] * 5,
/// ...     "endpoint": ["/pay"] * 5,
/// ...     "status_code": [200, 200, 500, 200, 200],
/// ...     "latency_ms": [40.0, 42.0, 41.0, 39.0, 40.0],
/// ... }
/// >>> pipeline = mad.Pipeline()
/// >>> len(pipeline.ingest(requests).rows["req_count"])
/// 0
/// >>> update = pipeline.finish()
/// >>> update.rows["error_count"].tolist(), update.changes
/// ([0, 0, 1, 0, 0], [])
#[pyclass(module = "mad._core", frozen)]
#[derive(Serialize, Deserialize)]
pub struct Update {
    rows: Rows,
    services: Rows,
    points: Points,
    changes: Vec<(String, Incident)>,
    levels: Vec<LevelDocument>,
    rejected: Rejections,
    repeated: bool,
}

#[pymethods]
impl Update {
    /// Rows that closed, judged.
    #[getter]
    fn rows(&self) -> PyResult<Table> {
        self.rows.to_table(false)
    }

    /// Rows of services that closed, across their endpoints, judged.
    #[getter]
    fn services(&self) -> PyResult<Table> {
        self.services.to_table(false)
    }

    /// Points of metrics that are in order, judged.
    #[getter]
    fn points(&self) -> PyResult<Table> {
        self.points.to_table()
    }

    /// What happened to incidents, in order: (opened, updated, reopened,
    /// acknowledged or closed; incident); of several updates of one incident the last.
    #[getter]
    fn changes(&self) -> Vec<(String, Incident)> {
        self.changes.clone()
    }

    /// New levels that became the baseline of their signals, in order, as dicts: service, endpoint,
    /// signal, at, since, before, level, by_command, text. Values like these are normal from then on.
    #[getter]
    fn levels<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("json")?.call_method1("loads", (to_json(&self.levels)?,))
    }

    /// Records that were not taken.
    #[getter]
    fn rejected<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        rejected::rejected(py, &self.rejected)
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
        let named = |change: IncidentChange| {
            let core = change.incident().clone();
            (name(&change).to_owned(), Incident::of(pipeline, core))
        };
        // of what an incident grew by in one go, the last says it all
        let mut changes: Vec<IncidentChange> = Vec::new();
        let mut grown: HashMap<String, usize> = HashMap::new();
        for change in update.changes {
            let id = change.incident().id.clone();
            let place = match (&change, grown.get(&id)) {
                (IncidentChange::Updated(_), Some(place)) => changes.get_mut(*place),
                _ => None,
            };
            if let Some(place) = place {
                *place = change;
                continue;
            }
            match change {
                IncidentChange::Updated(_) => drop(grown.insert(id, changes.len())),
                _ => drop(grown.remove(&id)),
            }
            changes.push(change);
        }
        let (rows, services, points) = split(update.rows);
        Self {
            changes: changes.into_iter().map(named).collect(),
            rows,
            services,
            points,
            levels: update.levels.iter().map(LevelDocument::new).collect(),
            rejected: update.rejected,
            repeated: update.repeated,
        }
    }
}

fn name(change: &IncidentChange) -> &'static str {
    match change {
        IncidentChange::Opened(_) => "opened",
        IncidentChange::Updated(_) => "updated",
        IncidentChange::Reopened(_) => "reopened",
        IncidentChange::Acknowledged(_) => "acknowledged",
        IncidentChange::Closed(_) => "closed",
    }
}

pickled!(Update);
