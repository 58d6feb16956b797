//! The numbers behind an explanation.

use serde::Serialize;

use super::detect::ReferenceReport;
use super::row::{ReferenceRow, civil};
use crate::error::{Error, Result};
use crate::guard::{Confidence, Severity};
use crate::time::Timestamp;

/// Over all rows of the time range, flagged or not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReferenceMetrics {
    /// Highest p95, ms.
    pub peak_p95_latency_ms: f64,
    /// Highest |z|.
    pub peak_abs_mad_z: f64,
    /// Mean |z|.
    pub avg_abs_mad_z: f64,
    /// Highest error rate.
    pub peak_error_rate: f64,
    /// Mean error rate of the rows.
    pub avg_error_rate: f64,
    /// Rows.
    pub count_points: u64,
    /// Flagged rows.
    pub anomaly_points: u64,
    /// Highest severity.
    pub peak_severity: Severity,
}

/// The facts behind an explanation of the reference system. Its sentences are left out, because several
/// of them did not follow from the numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReferenceExplanation {
    /// The service asked for.
    pub service: String,
    /// The endpoint asked for.
    pub endpoint: String,
    /// Start of the range, inclusive.
    #[serde(rename = "start_ts", serialize_with = "civil")]
    pub start: Timestamp,
    /// End of the range, inclusive.
    #[serde(rename = "end_ts", serialize_with = "civil")]
    pub end: Timestamp,
    /// High with at least 5 flagged rows and a peak |z| above 5, Medium with at least 3 and a peak
    /// above 3.5, Low otherwise.
    pub confidence: Confidence,
    /// The numbers.
    pub metrics: ReferenceMetrics,
}

impl ReferenceReport {
    /// The metrics of an entity's rows whose minute starts in `[start, end]`, both inclusive.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) without such a row.
    pub fn explain(
        &self,
        service: &str,
        endpoint: &str,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<ReferenceExplanation> {
        let here = |row: &&ReferenceRow| {
            (start..=end).contains(&row.bucket)
                && *row.service == *service
                && *row.endpoint == *endpoint
        };
        let rows: Vec<&ReferenceRow> = self.rows.iter().filter(here).collect();
        let Some(peak_severity) = rows.iter().map(|row| row.severity).max() else {
            let message = format!("no rows of {service} {endpoint} from {start} to {end}");
            return Err(Error::not_found(message));
        };
        let n = rows.len() as f64;
        let peak =
            |of: fn(&ReferenceRow) -> f64| rows.iter().map(|row| of(row)).fold(0.0, f64::max);
        let mean = |of: fn(&ReferenceRow) -> f64| rows.iter().map(|row| of(row)).sum::<f64>() / n;
        let metrics = ReferenceMetrics {
            peak_p95_latency_ms: peak(|row| row.p95_latency_ms),
            peak_abs_mad_z: peak(|row| row.mad_z.abs()),
            avg_abs_mad_z: mean(|row| row.mad_z.abs()),
            peak_error_rate: peak(|row| row.error_rate),
            avg_error_rate: mean(|row| row.error_rate),
            count_points: rows.len() as u64,
            anomaly_points: rows.iter().filter(|row| row.is_anomaly).count() as u64,
            peak_severity,
        };
        let confidence = match (metrics.anomaly_points, metrics.peak_abs_mad_z) {
            (5.., z) if z > 5.0 => Confidence::High,
            (3.., z) if z > 3.5 => Confidence::Medium,
            _ => Confidence::Low,
        };
        Ok(ReferenceExplanation {
            service: service.to_owned(),
            endpoint: endpoint.to_owned(),
            start,
            end,
            confidence,
            metrics,
        })
    }
}
