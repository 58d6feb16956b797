//! One minute of one endpoint.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::guard::Severity;
use crate::time::Timestamp;

/// One minute of one endpoint, scored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReferenceRow {
    /// Start of the minute.
    #[serde(rename = "bucket_ts", serialize_with = "civil")]
    pub bucket: Timestamp,
    /// Its service.
    pub service: Arc<str>,
    /// Its endpoint.
    pub endpoint: Arc<str>,
    /// Requests, at least 1.
    pub req_count: u64,
    /// Requests with status 500 and above.
    pub error_count: u64,
    /// `error_count / req_count`.
    pub error_rate: f64,
    /// Mean latency, ms.
    pub avg_latency_ms: f64,
    /// 95th percentile of latency, ms, by linear interpolation (type 7).
    pub p95_latency_ms: f64,
    /// `0.6745 (p95 - median) / MAD` over all rows of the entity; written whether or not the row
    /// may be flagged.
    pub mad_z: f64,
    /// Whether it is flagged.
    pub is_anomaly: bool,
    /// How bad it is.
    pub severity: Severity,
}

/// Writes a time as the original does: no zone, `2026-01-06T10:45:00`.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
pub(super) fn civil<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    let mut text = Vec::with_capacity(20);
    time.write_civil(&mut text);
    to.serialize_str(&String::from_utf8_lossy(&text))
}

/// The same for a time that may be missing.
#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
pub(super) fn civil_option<S: Serializer>(
    time: &Option<Timestamp>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => civil(time, to),
        None => to.serialize_none(),
    }
}
