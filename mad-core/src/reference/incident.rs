//! Flagged rows grouped by time.

use std::sync::Arc;

use serde::Serialize;

use super::row::{ReferenceRow, civil};
use crate::guard::Severity;
use crate::time::{MINUTE, Timestamp};

/// Flagged rows of one entity that follow each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReferenceIncident {
    /// Its service.
    pub service: Arc<str>,
    /// Its endpoint.
    pub endpoint: Arc<str>,
    /// Start of the first flagged minute.
    #[serde(rename = "start_ts", serialize_with = "civil")]
    pub start: Timestamp,
    /// Start of the last flagged minute.
    #[serde(rename = "end_ts", serialize_with = "civil")]
    pub end: Timestamp,
    /// Highest p95 of its rows, ms.
    pub max_p95_latency_ms: f64,
    /// Highest error rate of its rows.
    pub max_error_rate: f64,
    /// Highest severity of its rows.
    pub peak_severity: Severity,
    /// Its flagged rows.
    pub count_points: u64,
}

/// Groups the flagged rows of one entity, which are in order of time.
pub(super) fn group(
    rows: &[ReferenceRow],
    gap_minutes: f64,
    incidents: &mut Vec<ReferenceIncident>,
) {
    let gap = gap_minutes * MINUTE as f64;
    let mut open: Option<ReferenceIncident> = None;
    for row in rows.iter().filter(|row| row.is_anomaly) {
        match &mut open {
            Some(incident) if row.bucket.since(incident.end) as f64 <= gap => {
                incident.end = row.bucket;
                incident.max_p95_latency_ms = incident.max_p95_latency_ms.max(row.p95_latency_ms);
                incident.max_error_rate = incident.max_error_rate.max(row.error_rate);
                incident.peak_severity = incident.peak_severity.max(row.severity);
                incident.count_points += 1;
            }
            _ => incidents.extend(open.replace(ReferenceIncident {
                service: row.service.clone(),
                endpoint: row.endpoint.clone(),
                start: row.bucket,
                end: row.bucket,
                max_p95_latency_ms: row.p95_latency_ms,
                max_error_rate: row.error_rate,
                peak_severity: row.severity,
                count_points: 1,
            })),
        }
    }
    incidents.extend(open);
}
