//! What a batch, a tick or a command brought about, as records for tables.

use std::collections::BTreeMap;

use mad_core::feature::Signal;
use mad_core::pipeline::{JudgedPoint, JudgedRow, RejectedDocument};
use mad_core::{FeatureRow, Incident, IncidentChange, Rejections, Severity};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::Serialize;
use serde_json::json;

use crate::errors::value_error;

/// A row: start of its step (nanoseconds), service, endpoint, requests, errors, mean and p95 latency,
/// z of the p95, the middle of what was expected of the median, whether it is flagged, severity (0 to 2), all of it as JSON.
type RowRecord =
    (i64, String, String, u64, u64, Option<f64>, Option<f64>, f64, Option<f64>, bool, u8, String);
/// A point: time, service, resource, metric, value, whether it is flagged, severity, as JSON.
type PointRecord = (i64, String, String, String, Option<f64>, bool, u8, String);
/// An incident: id, fingerprint, service, endpoint, start, end, severity, status, as JSON without and
/// with the rows around it.
type IncidentRecord = (String, String, String, String, i64, i64, String, String, String, String);
/// A change of an incident: what, its id, when (the end of its newest row), as JSON.
type ChangeRecord = (&'static str, String, i64, String);

/// What a batch, a tick or a command brought about.
#[pyclass(module = "mad._core", frozen)]
pub struct LiveUpdate {
    update: mad_core::Update,
    accepted: u64,
    incidents: Vec<IncidentRecord>,
}

#[pymethods]
impl LiveUpdate {
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

    /// Whether there are rows, points or changes.
    #[getter]
    fn has_news(&self) -> bool {
        let update = &self.update;
        !(update.rows.is_empty() && update.points.is_empty() && update.changes.is_empty())
    }

    /// Why records were not taken: counts by reason, and the first of each with their positions.
    fn problems<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        crate::live::json(py, &RejectedDocument::new(&self.update.rejected))
    }

    /// Counts of records not taken, by reason.
    fn rejected_counts(&self) -> Vec<(&'static str, u64)> {
        let counts = Rejections::counts(&self.update.rejected);
        counts.map(|(reason, count)| (reason.as_str(), count)).collect()
    }

    /// Judged rows as records: time, service, endpoint, requests, errors, mean, p95, z of the p95,
    /// expected median, whether it is flagged, severity, JSON.
    fn rows(&self) -> PyResult<Vec<RowRecord>> {
        self.update.rows.iter().map(row_record).collect()
    }

    /// Judged points as records: time, service, resource, metric, value, whether it is flagged,
    /// severity, JSON.
    fn points(&self) -> PyResult<Vec<PointRecord>> {
        self.update.points.iter().map(point_record).collect()
    }

    /// Changes of incidents in order: what happened, the id, when, JSON.
    fn changes(&self) -> PyResult<Vec<ChangeRecord>> {
        self.update.changes.iter().map(change_record).collect()
    }

    /// The incidents that changed, each once, as records: id, fingerprint, service, endpoint, start,
    /// end, severity, status, JSON without and with the rows around it.
    fn incidents(&self) -> Vec<IncidentRecord> {
        self.incidents.clone()
    }
}

impl LiveUpdate {
    /// Of a pipeline that has just done it.
    pub fn new(
        pipeline: &mad_core::Pipeline,
        update: mad_core::Update,
        accepted: u64,
    ) -> PyResult<Self> {
        let changed: BTreeMap<&str, &Incident> = update
            .changes
            .iter()
            .map(|change| (change.incident().id.as_str(), change.incident()))
            .collect();
        let records = changed.values().map(|incident| incident_record(pipeline, incident));
        let incidents = records.collect::<PyResult<_>>()?;
        Ok(Self { update, accepted, incidents })
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn incident_record(pipeline: &mad_core::Pipeline, incident: &Incident) -> PyResult<IncidentRecord> {
    let mut document = pipeline.incident_document(incident);
    let whole = text(&document)?;
    document.series = None;
    Ok((
        incident.id.clone(),
        incident.fingerprint.clone(),
        incident.entity.service.to_string(),
        incident.entity.endpoint.to_string(),
        incident.start.nanos(),
        incident.end.nanos(),
        incident.severity.as_str().to_owned(),
        incident.status.as_str().to_owned(),
        text(&document)?,
        whole,
    ))
}

fn text(value: &impl Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| value_error(error.to_string()))
}

fn rank(severity: Severity) -> u8 {
    match severity {
        Severity::Critical => 2,
        Severity::Warning => 1,
        Severity::Info => 0,
    }
}

fn row_record(judged: &JudgedRow) -> PyResult<RowRecord> {
    let JudgedRow { entity, row, scores, verdict } = judged;
    let leading = scores.of(verdict.signal);
    let (z, baseline) = (scores.of(Signal::P95Latency).z, scores.of(Signal::P50Latency).expected);
    let json = json!({
        "bucket_ts": row.bucket.to_string(),
        "service": &*entity.service,
        "endpoint": &*entity.endpoint,
        "req_count": row.count,
        "error_count": row.errors,
        "error_rate": finite(FeatureRow::error_rate(row)),
        "avg_latency_ms": finite(row.mean),
        "p50_latency_ms": finite(row.p50),
        "p95_latency_ms": finite(row.p95),
        "p99_latency_ms": finite(row.p99),
        "mad_z": finite(z),
        "is_anomaly": verdict.is_anomaly,
        "severity": verdict.severity.as_str(),
        "score": verdict.score(),
        "signal": verdict.signal.as_str(),
        "reason": verdict.reason.as_str(),
        "value": finite(row.sample(verdict.signal).value),
        "expected": finite(leading.expected),
        "expected_low": finite(leading.low),
        "expected_high": finite(leading.high),
        "z": finite(leading.z),
    });
    Ok((
        row.bucket.nanos(),
        entity.service.to_string(),
        entity.endpoint.to_string(),
        row.count,
        row.errors,
        finite(row.mean),
        finite(row.p95),
        finite(z).unwrap_or(0.0),
        finite(baseline),
        verdict.is_anomaly,
        rank(verdict.severity),
        text(&json)?,
    ))
}

fn point_record(judged: &JudgedPoint) -> PyResult<PointRecord> {
    let JudgedPoint { entity, metric, point, score, verdict, .. } = judged;
    let json = json!({
        "bucket_ts": point.bucket.to_string(),
        "service": &*entity.service,
        "resource": &*entity.endpoint,
        "metric": &**metric,
        "value": finite(point.sample.value),
        "z": finite(score.z),
        "is_anomaly": verdict.is_anomaly,
        "severity": verdict.severity.as_str(),
        "score": score.value(),
        "reason": verdict.reason.as_str(),
        "expected_low": finite(score.low),
        "expected_high": finite(score.high),
    });
    Ok((
        point.bucket.nanos(),
        entity.service.to_string(),
        entity.endpoint.to_string(),
        metric.to_string(),
        finite(point.sample.value),
        verdict.is_anomaly,
        rank(verdict.severity),
        text(&json)?,
    ))
}

fn change_record(change: &IncidentChange) -> PyResult<ChangeRecord> {
    let told = match change {
        IncidentChange::Opened(_) => "opened",
        IncidentChange::Updated(_) => "updated",
        IncidentChange::Acknowledged(_) => "acknowledged",
        IncidentChange::Closed(_) => "closed",
    };
    let incident = change.incident();
    let json = json!({
        "change": told,
        "id": incident.id,
        "fingerprint": incident.fingerprint,
        "service": &*incident.entity.service,
        "endpoint": &*incident.entity.endpoint,
        "start": incident.start.to_string(),
        "end": incident.end.to_string(),
        "severity": incident.severity.as_str(),
        "status": incident.status.as_str(),
        "rows": incident.rows,
        "reached": incident.reached,
    });
    Ok((told, incident.id.clone(), incident.end.nanos(), text(&json)?))
}
