//! Snapshots of the status of NGINX Plus: counters of its zones, which become increases.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::lines::LineReader;
use super::output::Output;
use super::service::Services;
use super::{FormatOptions, Unit};
use crate::limits::MAX_NAME_BYTES;
use crate::telemetry::{MetricPoint, Record, RecordKind, RejectReason};
use crate::time::Timestamp;

/// Zones whose counters are remembered.
const MOST_ZONES: usize = 1_000;

/// One snapshot.
#[derive(Deserialize)]
struct Snapshot {
    /// Milliseconds since 1970.
    timestamp: i64,
    server_zones: BTreeMap<String, Zone>,
}

#[derive(Deserialize)]
struct Zone {
    #[serde(default)]
    requests: u64,
    #[serde(default)]
    responses: BTreeMap<String, serde_json::Value>,
}

/// Whether a line is a snapshot.
pub(super) fn is_status(line: &str) -> bool {
    line.starts_with('{')
        && line.contains("\"server_zones\"")
        && serde_json::from_str::<Snapshot>(line).is_ok()
}

/// Reads snapshots.
#[derive(Debug)]
pub(super) struct StatusReader {
    services: Services,
    /// The counters of the snapshot before, by zone: requests and answers from 500.
    before: BTreeMap<String, [u64; 2]>,
}

impl StatusReader {
    pub fn new(options: &FormatOptions) -> Self {
        Self { services: Services::new(options, "nginx"), before: BTreeMap::new() }
    }
}

impl LineReader for StatusReader {
    fn line(&mut self, text: &str, position: u64, out: &mut Output<'_>) {
        let snapshot: Snapshot = match serde_json::from_str(text.trim()) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                out.rejections.add(RejectReason::BadJson, position, || error.to_string());
                return;
            }
        };
        let Ok(time) = Timestamp::from_epoch(snapshot.timestamp) else {
            out.rejections.add(RejectReason::BadTimestamp, position, || "timestamp".into());
            return;
        };
        out.sink.unit(&Unit { time: Some(time), ..Unit::new(RecordKind::Metrics) });
        for (zone, counters) in &snapshot.server_zones {
            let failed = counters.responses.get("5xx").and_then(serde_json::Value::as_u64);
            let now = [counters.requests, failed.unwrap_or(0)];
            let before = self.before.get(zone).copied();
            if before.is_some() || (self.before.len() < MOST_ZONES && zone.len() <= MAX_NAME_BYTES)
            {
                self.before.insert(zone.clone(), now);
            }
            let Some(before) = before else { continue };
            for (at, metric) in ["requests", "responses_5xx"].into_iter().enumerate() {
                let (Some(now), Some(before)) = (now.get(at), before.get(at)) else { continue };
                // a fall is a restart from 0
                let increase = if now < before { *now } else { now - before };
                let service = self.services.of(zone);
                let point = MetricPoint::new(time, service, metric, increase as f64);
                if point.check().is_ok() {
                    out.sink.record(Record::Metric(point), position);
                }
            }
        }
    }
}
