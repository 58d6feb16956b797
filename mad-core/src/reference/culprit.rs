//! The culprit of a time window, by the rules of the reference system.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::detect::ReferenceReport;
use super::row::{ReferenceRow, civil, civil_option};
use crate::guard::Severity;
use crate::time::{MINUTE, Timestamp};

/// One suspected entity.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReferenceCulprit {
    /// Its service.
    pub service: Arc<str>,
    /// Its endpoint.
    pub endpoint: Arc<str>,
    /// Flagged rows in the window.
    pub points: u64,
    /// Highest |z| of those, to 3 decimals.
    pub peak_abs_mad: f64,
    /// Mean |z| of those, to 3 decimals.
    pub avg_abs_mad: f64,
    /// Highest p95 of those, ms, to 2 decimals.
    pub peak_p95_latency_ms: f64,
    /// Highest error rate of those, to 4 decimals.
    pub peak_error_rate: f64,
    /// Highest severity of those.
    pub peak_severity: Severity,
    /// The first of those.
    #[serde(rename = "first_anomaly_ts", serialize_with = "civil")]
    pub first_anomaly: Timestamp,
    /// The last of those.
    #[serde(rename = "last_anomaly_ts", serialize_with = "civil")]
    pub last_anomaly: Timestamp,
}

/// The suspects of a time window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReferenceRanking {
    /// Length of the window, minutes.
    pub window_minutes: u64,
    /// Its start, inclusive; `None` without any row.
    #[serde(serialize_with = "civil_option")]
    pub window_start: Option<Timestamp>,
    /// Its end, inclusive.
    #[serde(serialize_with = "civil_option")]
    pub window_end: Option<Timestamp>,
    /// Flagged rows in it.
    pub total_anomalies: u64,
    /// The first suspect.
    pub culprit: Option<ReferenceCulprit>,
    /// The first `top_k` of them, the worst first.
    pub top: Vec<ReferenceCulprit>,
}

impl ReferenceReport {
    /// Ranks the entities flagged in `[now - minutes, now]`, both ends inclusive; `now` is the newest
    /// row's minute unless given. The order is by rounded `peak_abs_mad`, then severity, then
    /// rounded `peak_error_rate`, all descending, then by name.
    pub fn culprit(&self, minutes: u64, now: Option<Timestamp>, top_k: usize) -> ReferenceRanking {
        let end = now.or(self.rows.last().map(|row| row.bucket));
        let length = i64::try_from(minutes).unwrap_or(i64::MAX).saturating_mul(MINUTE);
        let start = end.map(|end| Timestamp::from_nanos(end.nanos().saturating_sub(length)));
        let within = |row: &&ReferenceRow| {
            row.is_anomaly && Some(row.bucket) >= start && Some(row.bucket) <= end
        };
        let mut groups: BTreeMap<(&Arc<str>, &Arc<str>), Vec<&ReferenceRow>> = BTreeMap::new();
        for row in self.rows.iter().filter(within) {
            groups.entry((&row.service, &row.endpoint)).or_default().push(row);
        }
        let total_anomalies = groups.values().map(|rows| rows.len() as u64).sum();
        let mut top: Vec<ReferenceCulprit> =
            groups.values().filter_map(|rows| suspect(rows)).collect();
        // stable: equal ones stay in order of their names
        top.sort_by(|a, b| {
            b.peak_abs_mad
                .total_cmp(&a.peak_abs_mad)
                .then(b.peak_severity.cmp(&a.peak_severity))
                .then(b.peak_error_rate.total_cmp(&a.peak_error_rate))
        });
        let culprit = top.first().cloned();
        top.truncate(top_k);
        ReferenceRanking {
            window_minutes: minutes,
            window_start: start,
            window_end: end,
            total_anomalies,
            culprit,
            top,
        }
    }
}

/// Of the flagged rows of one entity, in order of time.
fn suspect(rows: &[&ReferenceRow]) -> Option<ReferenceCulprit> {
    let (first, last) = (rows.first()?, rows.last()?);
    let peak = |of: fn(&ReferenceRow) -> f64| rows.iter().map(|row| of(row)).fold(0.0, f64::max);
    let sum: f64 = rows.iter().map(|row| row.mad_z.abs()).sum();
    Some(ReferenceCulprit {
        service: first.service.clone(),
        endpoint: first.endpoint.clone(),
        points: rows.len() as u64,
        peak_abs_mad: rounded(peak(|row| row.mad_z.abs()), 3),
        avg_abs_mad: rounded(sum / rows.len() as f64, 3),
        peak_p95_latency_ms: rounded(peak(|row| row.p95_latency_ms), 2),
        peak_error_rate: rounded(peak(|row| row.error_rate), 4),
        peak_severity: rows.iter().map(|row| row.severity).max()?,
        first_anomaly: first.bucket,
        last_anomaly: last.bucket,
    })
}

/// Rounds to `decimals` decimals; of two equally near numbers to that with an even last digit,
/// as Python's `round` does. Infinities stay.
fn rounded(value: f64, decimals: usize) -> f64 {
    format!("{value:.decimals$}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn rounds_as_python_does() {
        // what Python 3 prints for round(value, decimals)
        for (value, decimals, want) in [
            (2.5, 0, 2.0),
            (0.125, 2, 0.12),
            (0.375, 2, 0.38),
            (2.675, 2, 2.67),
            (1.0005, 3, 1.0),
            (107.123_456, 3, 107.123),
            (1e300, 3, 1e300),
            (f64::INFINITY, 3, f64::INFINITY),
        ] {
            assert_eq!(rounded(value, decimals), want, "{value}");
        }
    }
}
