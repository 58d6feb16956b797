//! The result of a batch, a tick or a command, as records for the journal's tables.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use mad_core::export::RejectedDocument;
use mad_core::{Incident, Rejections, RowKind};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::config::json_bytes;
use crate::service::journal_records::{
    ChangeRecord, IncidentRecord, RowRecord, change_record, incident_record, level_record,
    row_record,
};
use crate::service::point_blocks::{PointBlock, point_blocks};
use crate::service::seen::{FailureRecord, SeenBatch};

/// The result of a batch, a tick or a command, as records for the journal's tables.
#[pyclass(module = "mad._core", frozen)]
pub struct EngineUpdate {
    /// Without the rows of metrics, which `points` holds.
    update: mad_core::Update,
    has_news: bool,
    accepted: u64,
    incidents: Vec<IncidentRecord>,
    points: Vec<PointBlock>,
    seen: SeenBatch,
}

#[pymethods]
impl EngineUpdate {
    /// Records taken, those that are held because they are dated ahead included.
    #[getter]
    fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Records not taken.
    #[getter]
    fn rejected(&self) -> u64 {
        self.update.rejected.total()
    }

    /// Whether the batch id was known, so that nothing of the batch was taken.
    #[getter]
    fn repeated(&self) -> bool {
        self.update.repeated
    }

    /// Whether there are rows, changes or accepted levels.
    #[getter]
    fn has_news(&self) -> bool {
        self.has_news
    }

    /// Why records were not taken: counts by reason, and the first of each with their positions.
    fn problems(&self) -> PyResult<Cow<'static, [u8]>> {
        Ok(json_bytes(&RejectedDocument::new(&self.update.rejected))?.into())
    }

    /// Counts of records not taken, by reason.
    fn rejected_counts(&self) -> Vec<(&'static str, u64)> {
        let counts = Rejections::counts(&self.update.rejected);
        counts.map(|(reason, count)| (reason.as_str(), count)).collect()
    }

    /// Judged rows as records: time, service, endpoint, requests, errors, mean, p95, z of the p95,
    /// expected median, whether it is flagged, severity, JSON.
    fn rows(&self) -> PyResult<Vec<RowRecord>> {
        self.rows_of(RowKind::Requests)
    }

    /// Judged rows of services, as the rows of endpoints; `endpoint` is empty.
    fn services(&self) -> PyResult<Vec<RowRecord>> {
        self.rows_of(RowKind::Services)
    }

    /// Judged points as blocks of one time each: time, points, flagged points, their lines of JSON
    /// in a compressed form that `stored_points` reads.
    fn points<'py>(&self, py: Python<'py>) -> Vec<(i64, u64, u64, Bound<'py, PyBytes>)> {
        let block = |(at, points, flagged, lines): &PointBlock| {
            (*at, *points, *flagged, PyBytes::new(py, lines))
        };
        self.points.iter().map(block).collect()
    }

    /// Changes of incidents in order: what happened, the id, when, JSON. Accepted levels follow; they
    /// belong to no incident and have an empty id.
    fn changes(&self) -> PyResult<Vec<ChangeRecord>> {
        let levels = self.update.levels.iter().map(level_record);
        self.update.changes.iter().map(change_record).chain(levels).collect()
    }

    /// Calls of traces that failed: when, trace, service, endpoint or operation, status,
    /// milliseconds, span and its parent.
    fn failures(&self) -> Vec<FailureRecord> {
        self.seen.failures.clone()
    }

    /// Log lines of the entry `seq` that were accepted, as records of their table: the entry, the
    /// position, when, service, level, body, trace.
    fn lines<'py>(&self, py: Python<'py>, seq: i64) -> PyResult<Bound<'py, PyList>> {
        // services and levels repeat
        let mut names: HashMap<&str, Bound<'py, PyString>> = HashMap::new();
        let lines = &self.seen.lines;
        let records = lines.iter().enumerate().map(|(i, (at, service, level, body, trace))| {
            let [service, level] = [service, level]
                .map(|name| names.entry(name).or_insert_with(|| PyString::new(py, name)).clone());
            (seq, i, at, service, level, body, trace.as_deref())
        });
        PyList::new(py, records)
    }

    /// The incidents that changed, each once, as records: id, fingerprint, service, endpoint, start,
    /// end, severity, status, JSON without and with the rows around it.
    fn incidents(&self) -> Vec<IncidentRecord> {
        self.incidents.clone()
    }
}

impl EngineUpdate {
    fn rows_of(&self, kind: RowKind) -> PyResult<Vec<RowRecord>> {
        self.update.rows.iter().filter_map(|row| row_record(row, kind)).collect()
    }

    /// Of a pipeline that has just done it.
    pub fn new(
        pipeline: &mad_core::Pipeline,
        mut update: mad_core::Update,
        accepted: u64,
        seen: SeenBatch,
    ) -> PyResult<Self> {
        let changed: BTreeMap<&str, &Incident> = update
            .changes
            .iter()
            .map(|change| (change.incident().id.as_str(), change.incident()))
            .collect();
        let records = changed.values().map(|incident| incident_record(pipeline, incident));
        let incidents = records.collect::<PyResult<_>>()?;
        let points = point_blocks(&update.rows)?;
        let has_news =
            !(update.rows.is_empty() && update.changes.is_empty() && update.levels.is_empty());
        // A body of 32 MB may close more than a million steps, each with a row of half a kilobyte.
        update.rows.retain(|row| row.requests.is_some());
        update.rows.shrink_to_fit();
        Ok(Self { update, has_news, accepted, incidents, points, seen })
    }
}
