//! Reports of Locust's workers, one JSON object a line: counts of requests by response time.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::telemetry::{MetricPoint, Record, RecordKind, RejectReason};
use crate::time::Timestamp;
use crate::wire::formats::lines::LineReader;
use crate::wire::formats::output::Output;
use crate::wire::formats::service::Services;
use crate::wire::formats::{FormatOptions, Unit};

/// One report.
#[derive(Deserialize)]
struct Report {
    stats: Vec<Stats>,
}

/// The requests of one endpoint since the report before. `num_requests` leaves failures out in older
/// versions.
#[derive(Deserialize)]
struct Stats {
    #[serde(default)]
    name: String,
    #[serde(default)]
    method: String,
    num_requests: u64,
    #[serde(default)]
    num_failures: u64,
    #[serde(default)]
    total_response_time: f64,
    #[serde(default)]
    num_reqs_per_sec: BTreeMap<String, u64>,
    #[serde(default)]
    last_request_timestamp: Option<f64>,
    #[serde(default)]
    start_time: Option<f64>,
}

impl Stats {
    /// The seconds in which there were requests, or the time of the last one.
    fn times(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let seconds = self.num_reqs_per_sec.keys().filter_map(|key| key.parse().ok());
        let seconds: Vec<i64> = seconds.collect();
        let at = |seconds: f64| Timestamp::from_epoch_f64(seconds).ok();
        let other = self.last_request_timestamp.or(self.start_time).and_then(at);
        let of = |found: Option<&i64>| found.map(|s| Timestamp::from_seconds(*s)).or(other);
        (of(seconds.iter().min()), of(seconds.iter().max()))
    }
}

/// Whether a line is a report.
pub(in crate::wire::formats) fn is_report(line: &str) -> bool {
    line.starts_with('{')
        && line.contains("\"num_requests\"")
        && serde_json::from_str::<Report>(line).is_ok()
}

/// Reads reports.
#[derive(Debug)]
pub(in crate::wire::formats) struct WorkersReader {
    services: Services,
}

impl WorkersReader {
    pub fn new(options: &FormatOptions) -> Self {
        Self { services: Services::new(options, "load-test") }
    }
}

impl LineReader for WorkersReader {
    fn line(&mut self, text: &str, position: u64, out: &mut Output<'_>) {
        let report: Report = match serde_json::from_str(text.trim()) {
            Ok(report) => report,
            Err(error) => {
                out.rejections.add(RejectReason::BadJson, position, || error.to_string());
                return;
            }
        };
        for stats in &report.stats {
            let n = stats.num_requests;
            let (first, last) = if n > 0 { stats.times() } else { (None, None) };
            let mean = if n > 0 { stats.total_response_time / n as f64 } else { f64::NAN };
            let unit = Unit {
                count: n,
                time: first,
                latency_ms: mean,
                latencies: n,
                method: &stats.method,
                path: &stats.name,
                ..Unit::new(RecordKind::Requests)
            };
            out.sink.unit(&unit);
            let end = Unit { count: 0, time: last, ..Unit::new(RecordKind::Requests) };
            out.sink.unit(&end);
            let Some(time) = stats.times().1 else { continue };
            let resource = format!("{} {}", stats.method, stats.name);
            let failures = stats.num_failures as f64;
            for (metric, value, n) in
                [("requests", n as f64, 1), ("failures", failures, 1), ("latency/mean", mean, n)]
            {
                let point = MetricPoint {
                    resource: resource.trim(),
                    n,
                    ..MetricPoint::new(time, self.services.of(""), metric, value)
                };
                if value.is_finite() && point.check().is_ok() {
                    out.sink.record(Record::Metric(point), position);
                }
            }
        }
    }
}
