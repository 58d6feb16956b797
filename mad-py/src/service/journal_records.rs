//! Rows and incidents as records for the journal's tables.

use mad_core::export::LevelDocument;
use mad_core::pipeline::LevelAccepted;
use mad_core::series::Signal;
use mad_core::{FeatureRow, Incident, IncidentChange, JudgedRow, RowKind, Severity};
use pyo3::prelude::*;
use serde::Serialize;
use serde_json::json;

use crate::errors::value_error;

/// A row: start of its step (nanoseconds), service, endpoint, requests, errors, mean and p95
/// latency, z of the p95, expected median, whether it is flagged, severity (0 to 2), and the whole
/// row as JSON.
pub type RowRecord =
    (i64, String, String, u64, u64, Option<f64>, Option<f64>, f64, Option<f64>, bool, u8, String);
/// An incident: id, fingerprint, service, endpoint, start, end, severity, status, as JSON without and
/// with the rows around it and the messages of its texts.
pub type IncidentRecord =
    (String, String, String, String, i64, i64, String, String, String, String);
/// A change of an incident: what, its id, when (the end of its newest row), as JSON.
pub type ChangeRecord = (&'static str, String, i64, String);

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// An incident as a record.
pub fn incident_record(
    pipeline: &mad_core::Pipeline,
    incident: &Incident,
) -> PyResult<IncidentRecord> {
    let mut document = mad_core::IncidentDocument::new(pipeline, incident);
    let whole = text(&document)?;
    (document.series, document.messages) = (None, None);
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

/// A judged row of requests as a record, if it is of this kind.
pub fn row_record(judged: &JudgedRow, kind: RowKind) -> Option<PyResult<RowRecord>> {
    (judged.head.kind == kind).then(|| request_row_record(judged))
}

fn request_row_record(judged: &JudgedRow) -> PyResult<RowRecord> {
    let JudgedRow { entity, verdict, .. } = judged;
    let row = FeatureRow::from(judged);
    let leading = judged.score(verdict.request_signal());
    let z = judged.score(Signal::P95Latency).z;
    let baseline = judged.score(Signal::P50Latency).expected;
    let json = json!({
        "bucket_ts": row.bucket.to_string(),
        "service": &*entity.service,
        "endpoint": &*entity.endpoint,
        "req_count": row.count,
        "error_count": row.errors,
        "error_rate": finite(row.error_rate()),
        "avg_latency_ms": finite(row.mean),
        "p50_latency_ms": finite(row.p50),
        "p95_latency_ms": finite(row.p95),
        "p99_latency_ms": finite(row.p99),
        "client_error_rate": finite(row.sample(Signal::ClientErrorRate).value),
        "slow_share": finite(row.sample(Signal::SlowShare).value),
        "tail_ms": row.tail_ms,
        "statuses": row.statuses.to_string(),
        "mad_z": finite(z),
        "is_anomaly": verdict.is_anomaly,
        "severity": verdict.severity.as_str(),
        "score": verdict.score(),
        "signal": verdict.request_signal().as_str(),
        "reason": verdict.reason.as_str(),
        "value": finite(judged.value(verdict.request_signal())),
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

/// A change of an incident as a record.
pub fn change_record(change: &IncidentChange) -> PyResult<ChangeRecord> {
    let name = match change {
        IncidentChange::Opened(_) => "opened",
        IncidentChange::Updated(_) => "updated",
        IncidentChange::Reopened(_) => "reopened",
        IncidentChange::Acknowledged(_) => "acknowledged",
        IncidentChange::Closed(_) => "closed",
    };
    let incident = change.incident();
    let json = json!({
        "change": name,
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
    Ok((name, incident.id.clone(), incident.end.nanos(), text(&json)?))
}

/// An accepted level as a record of the history. It belongs to no incident, so its id is empty.
pub fn level_record(accepted: &LevelAccepted) -> PyResult<ChangeRecord> {
    #[derive(Serialize)]
    struct Level {
        change: &'static str,
        #[serde(flatten)]
        level: LevelDocument,
    }
    let level = Level { change: "level_accepted", level: LevelDocument::new(accepted) };
    Ok((level.change, String::new(), accepted.at.nanos(), text(&level)?))
}
