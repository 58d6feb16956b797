//! Scores the requests of a whole file in hindsight.

use std::collections::BTreeMap;

use super::config::ReferenceConfig;
use super::incident::{self, ReferenceIncident};
use super::row::ReferenceRow;
use crate::error::Result;
use crate::guard::Severity;
use crate::series::EntityTable;
use crate::telemetry::{Rejections, Request};
use crate::time::{MINUTE, Timestamp};

/// Share of failed requests that makes a flagged row critical.
const CRITICAL_ERROR_RATE: f64 = 0.05;

/// The results of the reference system for a file.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceReport {
    /// Every minute of every endpoint that has requests, ordered by time, service, endpoint.
    pub rows: Vec<ReferenceRow>,
    /// Flagged rows grouped, the newest start first, then by service and endpoint.
    pub incidents: Vec<ReferenceIncident>,
    /// Requests that were not taken: a name or id that [`Request::check`] refuses. Positions count
    /// the requests from 1.
    pub rejected: Rejections,
}

/// Scores requests, in any order, in hindsight. Without requests every part of the report is empty.
///
/// # Errors
///
/// Those of [`ReferenceConfig::validate`].
///
/// # Examples
///
/// ```
/// use mad_core::{Request, Severity, Timestamp, reference::{ReferenceConfig, detect}};
///
/// let config = ReferenceConfig { min_requests: 1, ..ReferenceConfig::default() };
/// let requests = (0..40).map(|minute| {
///     let latency = if minute == 30 { 900.0 } else { 100.0 + f64::from(minute % 3) };
///     Request::new(Timestamp::from_seconds(60 * i64::from(minute)), "payments", "/pay", 200, latency)
/// });
/// let report = detect(requests, &config)?;
/// let flagged: Vec<_> = report.rows.iter().filter(|row| row.is_anomaly).collect();
/// assert_eq!(flagged.len(), 1);
/// assert_eq!((flagged[0].p95_latency_ms, flagged[0].severity), (900.0, Severity::Warning));
/// assert_eq!(flagged[0].mad_z, 0.6745 * (900.0 - 101.0) / 1.0);
/// # Ok::<(), mad_core::Error>(())
/// ```
pub fn detect<'a>(
    requests: impl Iterator<Item = Request<'a>>,
    config: &ReferenceConfig,
) -> Result<ReferenceReport> {
    config.validate()?;
    let mut rejected = Rejections::default();
    let mut entities = EntityTable::new(u32::MAX as usize);
    let mut minutes: Vec<BTreeMap<Timestamp, Minute>> = Vec::new();
    for (request, position) in requests.zip(1..) {
        if let Err((reason, field)) = request.check() {
            rejected.add(reason, position, || field.to_owned());
            continue;
        }
        let id = entities.id(request.service, request.endpoint);
        if minutes.len() <= id.index() {
            minutes.resize_with(id.index() + 1, BTreeMap::new);
        }
        let Some(entity) = minutes.get_mut(id.index()) else { continue };
        let minute = entity.entry(request.timestamp.floor(MINUTE)).or_default();
        minute.errors += u64::from(request.is_error());
        minute.requests += 1;
        minute.latencies.extend(request.latency());
    }

    let mut rows = Vec::with_capacity(minutes.iter().map(BTreeMap::len).sum());
    let mut incidents = Vec::new();
    for ((_, entity), minutes) in entities.iter().zip(minutes) {
        let row = |(bucket, minute): (Timestamp, Minute)| {
            let Features { mean, p95 } = features(minute.latencies);
            ReferenceRow {
                bucket,
                service: entity.service.clone(),
                endpoint: entity.endpoint.clone(),
                req_count: minute.requests,
                error_count: minute.errors,
                error_rate: minute.errors as f64 / minute.requests as f64,
                avg_latency_ms: mean,
                p95_latency_ms: p95,
                mad_z: 0.0,
                is_anomaly: false,
                severity: Severity::Info,
            }
        };
        let mut scored: Vec<ReferenceRow> = minutes.into_iter().map(row).collect();
        score(&mut scored, config);
        incident::group(&scored, config.gap_minutes, &mut incidents);
        rows.append(&mut scored);
    }
    rows.sort_by(|a, b| {
        (a.bucket, &a.service, &a.endpoint).cmp(&(b.bucket, &b.service, &b.endpoint))
    });
    incidents.sort_by(|a: &ReferenceIncident, b| {
        let names = (&a.service, &a.endpoint).cmp(&(&b.service, &b.endpoint));
        b.start.cmp(&a.start).then(names)
    });
    Ok(ReferenceReport { rows, incidents, rejected })
}

#[derive(Debug, Default)]
struct Minute {
    requests: u64,
    errors: u64,
    latencies: Vec<f64>,
}

struct Features {
    mean: f64,
    p95: f64,
}

/// The latencies are summed in ascending order, so that the mean does not depend on theirs.
fn features(mut latencies: Vec<f64>) -> Features {
    latencies.sort_by(f64::total_cmp);
    let mean = latencies.iter().sum::<f64>() / latencies.len() as f64;
    Features { mean, p95: percentile(&latencies, 0.95) }
}

/// Type 7 of Hyndman and Fan (1996): `h = (n - 1) q`, linear between the neighbours. As numpy does,
/// it starts from the nearer one, which differs from the plain formula in the last bit. NaN without
/// values.
fn percentile(sorted: &[f64], q: f64) -> f64 {
    let h = sorted.len().saturating_sub(1) as f64 * q;
    let at = h.floor() as usize;
    let t = h - h.floor();
    match (sorted.get(at), sorted.get(at + 1)) {
        (Some(low), Some(high)) if t < 0.5 => low + (high - low) * t,
        (Some(low), Some(high)) => high - (high - low) * (1.0 - t),
        (Some(last), None) => *last,
        (None, _) => f64::NAN,
    }
}

/// The middle value, or the mean of the two middle ones; NaN without values.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let upper = values.len() / 2;
    match (values.get(upper), upper.checked_sub(1).and_then(|lower| values.get(lower))) {
        (Some(middle), _) if values.len() % 2 == 1 => *middle,
        (Some(high), Some(low)) => f64::midpoint(*low, *high),
        _ => f64::NAN,
    }
}

/// Scores all rows of one entity, which are in order of time. A minute without a known latency has
/// no z and does not count in the median and the MAD.
fn score(rows: &mut [ReferenceRow], config: &ReferenceConfig) {
    let known = |row: &ReferenceRow| Some(row.p95_latency_ms).filter(|p95| !p95.is_nan());
    let mut values: Vec<f64> = rows.iter().filter_map(known).collect();
    let center = median(&mut values);
    for value in &mut values {
        *value = (*value - center).abs();
    }
    let mad = median(&mut values).max(config.eps);
    let enough = rows.len() as u64 >= config.min_points;
    for (row, n) in rows.iter_mut().zip(1_u64..) {
        row.mad_z = 0.6745 * (row.p95_latency_ms - center) / mad;
        row.is_anomaly = enough
            && n > config.warmup
            && row.req_count >= config.min_requests
            && row.mad_z.abs() > config.threshold;
        row.severity = match row.is_anomaly {
            true if row.error_rate >= CRITICAL_ERROR_RATE => Severity::Critical,
            true => Severity::Warning,
            false => Severity::Info,
        };
    }
}
