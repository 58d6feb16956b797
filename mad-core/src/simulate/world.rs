//! The telemetry of a whole simulated system, and its files.

use std::io::Write as _;
use std::sync::Arc;

use super::request::{SimulatedRequest, write_csv_header};
use super::span::{SimulatedSpan, write_spans_header};
use super::{Truth, TruthIncident};
use crate::error::{Error, Result};
use crate::time::{SECOND, Timestamp};

/// Most rows of one kind and world, which are all in memory.
const MAX_ROWS: f64 = 1e7;
/// Longest world in seconds: ten years.
const MAX_SECONDS: f64 = 315_360_000.0;

/// One simulated point of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedMetric {
    /// When it was measured.
    pub timestamp: Timestamp,
    /// Its service.
    pub service: Arc<str>,
    /// The measured part of the service; empty for the service as a whole.
    pub resource: Arc<str>,
    /// Name of the metric.
    pub metric: &'static str,
    /// The value, written with four decimals.
    pub value: f64,
    /// Whether it is part of an injected anomaly.
    pub is_anomaly: bool,
}

/// One simulated line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedLog {
    /// When it was written.
    pub timestamp: Timestamp,
    /// The service that wrote it.
    pub service: Arc<str>,
    /// Its level: INFO, WARN or ERROR.
    pub level: &'static str,
    /// Its text, without commas, quotes and line ends.
    pub body: Arc<str>,
    /// Whether it is part of an injected anomaly.
    pub is_anomaly: bool,
}

/// One simulated change or event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedChange {
    /// When it happened.
    pub timestamp: Timestamp,
    /// Its service.
    pub service: Arc<str>,
    /// Kind of change, such as `deploy`.
    pub kind: &'static str,
    /// The changed item; may be empty.
    pub name: &'static str,
    /// The new version; may be empty.
    pub version: &'static str,
    /// Whether it is part of an injected anomaly.
    pub is_anomaly: bool,
}

/// All telemetry of a simulated system, each kind in order of time, and the truth about it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct World {
    /// Requests.
    pub requests: Vec<SimulatedRequest>,
    /// Points of metrics.
    pub metrics: Vec<SimulatedMetric>,
    /// Lines of logs.
    pub logs: Vec<SimulatedLog>,
    /// Changes and events.
    pub changes: Vec<SimulatedChange>,
    /// Spans that were not lost.
    pub spans: Vec<SimulatedSpan>,
    /// The injected anomalies.
    pub truth: Truth,
}

impl World {
    /// The files of the world as CSV with a header: name and content of each kind that has records,
    /// in the forms that `mad detect` reads. With `labels`, the last column of every kind but spans
    /// is `is_anomaly`; a lost span has no row, so that its label is in the truth only.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::simulate::{Melt, MeltConfig};
    ///
    /// let world = Melt::new(MeltConfig { duration_seconds: 60.0, ..MeltConfig::default() })?.run();
    /// let files = world.files(true);
    /// let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    /// assert_eq!(names, ["metrics.csv", "logs.csv", "changes.csv", "spans.csv"]);
    /// assert!(files[0].1.starts_with(b"timestamp,service,resource,metric,value,is_anomaly\n"));
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn files(&self, labels: bool) -> Vec<(&'static str, Vec<u8>)> {
        let mut files = Vec::new();
        if !self.requests.is_empty() {
            let mut out = Vec::new();
            write_csv_header(&mut out, labels);
            self.requests.iter().for_each(|request| request.write_csv(&mut out, labels));
            files.push(("requests.csv", out));
        }
        let mut add = |name, header: &str, lines: &mut dyn Iterator<Item = Line<'_>>| {
            let mut out = Vec::new();
            for line in lines {
                if out.is_empty() {
                    out.extend_from_slice(header.as_bytes());
                    out.extend_from_slice(if labels { b",is_anomaly\n" } else { b"\n" });
                }
                line.write(&mut out, labels);
            }
            if !out.is_empty() {
                files.push((name, out));
            }
        };
        add(
            "metrics.csv",
            "timestamp,service,resource,metric,value",
            &mut self.metrics.iter().map(|point| Line {
                at: point.timestamp,
                service: &point.service,
                rest: format!("{},{},{:.4}", point.resource, point.metric, point.value),
                is_anomaly: point.is_anomaly,
            }),
        );
        add(
            "logs.csv",
            "timestamp,service,level,body",
            &mut self.logs.iter().map(|line| Line {
                at: line.timestamp,
                service: &line.service,
                rest: format!("{},{}", line.level, line.body),
                is_anomaly: line.is_anomaly,
            }),
        );
        add(
            "changes.csv",
            "timestamp,service,kind,name,version",
            &mut self.changes.iter().map(|change| Line {
                at: change.timestamp,
                service: &change.service,
                rest: format!("{},{},{}", change.kind, change.name, change.version),
                is_anomaly: change.is_anomaly,
            }),
        );
        if !self.spans.is_empty() {
            let mut out = Vec::new();
            write_spans_header(&mut out);
            self.spans.iter().for_each(|span| span.write_csv(&mut out));
            files.push(("spans.csv", out));
        }
        files
    }
}

/// A line of a file: its time and service come first, its label last.
struct Line<'a> {
    at: Timestamp,
    service: &'a str,
    rest: String,
    is_anomaly: bool,
}

impl Line<'_> {
    fn write(&self, out: &mut Vec<u8>, labels: bool) {
        self.at.floor(SECOND).write_civil(out);
        let micros = self.at.nanos().rem_euclid(SECOND) / 1_000;
        // writing to memory cannot fail
        let _ = write!(out, ".{micros:06}Z,{},{}", self.service, self.rest);
        if labels {
            let _ = write!(out, ",{}", self.is_anomaly);
        }
        out.push(b'\n');
    }
}

/// The truth about one anomalous record: an incident of one interval.
pub(super) fn point_truth(
    at: Timestamp,
    interval: i64,
    service: &str,
    endpoint: &str,
    kind: &str,
) -> TruthIncident {
    TruthIncident {
        service: service.to_owned(),
        endpoint: endpoint.to_owned(),
        start: at,
        end: at.plus(interval),
        kind: kind.to_owned(),
        affected: Vec::new(),
        spec: None,
    }
}

/// The number of whole intervals in a duration.
pub(super) fn steps_of(duration: f64, interval: f64, services: u32) -> Result<u32> {
    if !(interval.is_finite() && (1.0..=86_400.0).contains(&interval)) {
        return Err(Error::config("interval_seconds", interval, "seconds from 1 to 86400 (a day)"));
    }
    let steps = (duration / interval).floor();
    if !(duration <= MAX_SECONDS && steps >= 1.0) {
        let expected = format!("seconds from {interval} (the interval) to 315360000 (ten years)");
        return Err(Error::config("duration_seconds", duration, &expected));
    }
    if steps * f64::from(services) > MAX_ROWS {
        let expected =
            "at most 10,000,000 intervals of all services; a longer interval gives fewer";
        return Err(Error::config("duration_seconds", duration, expected));
    }
    Ok(steps as u32)
}

/// The end of a world; the start is cut to the second.
pub(super) fn end_of(start: Timestamp, duration: f64) -> Result<Timestamp> {
    let length = (duration * SECOND as f64).round() as i64;
    let first = start.floor(SECOND);
    match first.nanos().checked_add(length.saturating_add(3_600 * SECOND)) {
        Some(_) => Ok(first.plus(length)),
        None => {
            Err(Error::config("start", start, "a time the duration or more before the year 2262"))
        }
    }
}
