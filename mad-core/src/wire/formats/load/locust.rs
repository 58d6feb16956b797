//! Tables of Locust. They hold totals: a row is an endpoint, a failure, or one second's state.

use crate::telemetry::{MetricPoint, Record, RecordKind, RejectReason};
use crate::time::{Timestamp, ZonePolicy};
use crate::wire::formats::access::zone_or_utc;
use crate::wire::formats::output::Output;
use crate::wire::formats::service::Services;
use crate::wire::formats::table::{Row, RowReader};
use crate::wire::formats::{FormatOptions, Unit};

/// The tables that Locust writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::wire::formats) enum LocustTable {
    Stats,
    History,
    Failures,
    Exceptions,
}

impl LocustTable {
    /// The table of a header.
    pub fn of(header: &str) -> Option<Self> {
        let has = |name: &str| header.contains(name);
        if has("Timestamp") && has("User Count") && has("Total Request Count") {
            Some(Self::History)
        } else if has("Name") && has("Request Count") && has("Average Response Time") {
            Some(Self::Stats)
        } else if has("Name") && has("Error") && has("Occurrences") {
            Some(Self::Failures)
        } else {
            (has("Count") && has("Message") && has("Traceback")).then_some(Self::Exceptions)
        }
    }
}

/// Columns of a second's state and the metrics that they become.
const POINTS: [(&str, &str); 5] = [
    ("Requests/s", "requests_per_second"),
    ("Failures/s", "failures_per_second"),
    ("50%", "latency/p50"),
    ("95%", "latency/p95"),
    ("99%", "latency/p99"),
];
/// The row that adds up the others.
const SUM: &str = "Aggregated";

/// Reads rows of a table.
#[derive(Debug)]
pub(in crate::wire::formats) struct LocustReader {
    table: LocustTable,
    services: Services,
    zone: ZonePolicy,
}

impl LocustReader {
    pub fn new(table: LocustTable, options: &FormatOptions) -> Self {
        let (services, zone) = (Services::new(options, "load-test"), zone_or_utc(options.zone));
        Self { table, services, zone }
    }

    /// The time of a column; `None` after it was counted as unreadable.
    fn time(
        &self,
        row: &Row<'_>,
        name: &str,
        position: u64,
        out: &mut Output<'_>,
    ) -> Option<Timestamp> {
        let written = row.get(name);
        let time = Timestamp::parse(written, self.zone).ok();
        if time.is_none() {
            let detail = || format!("{name} = {written:?}");
            out.rejections.add(RejectReason::BadTimestamp, position, detail);
        }
        time
    }

    fn history(&self, row: &Row<'_>, position: u64, out: &mut Output<'_>) {
        let Some(time) = self.time(row, "Timestamp", position, out) else { return };
        let (method, name) = (row.get("Type"), row.get("Name"));
        let service = self.services.of("");
        let resource = if method.is_empty() { name.to_owned() } else { format!("{method} {name}") };
        out.sink.unit(&Unit {
            time: Some(time),
            method,
            path: name,
            ..Unit::new(RecordKind::Metrics)
        });
        for (column, metric) in POINTS {
            let value = row.number(column);
            let point = MetricPoint {
                resource: &resource,
                ..MetricPoint::new(time, service, metric, value)
            };
            // N/A stands where there was no request yet
            if value.is_finite() && point.check().is_ok() {
                out.sink.record(Record::Metric(point), position);
            }
        }
    }
}

impl RowReader for LocustReader {
    fn row(&mut self, row: &Row<'_>, position: u64, out: &mut Output<'_>) {
        let is_sum = row.get("Name") == SUM;
        match self.table {
            LocustTable::History if is_sum => {
                // a second without requests has only the row of the sum
                if let Some(time) = self.time(row, "Timestamp", position, out) {
                    out.sink.unit(&Unit { time: Some(time), ..Unit::new(RecordKind::Metrics) });
                }
            }
            _ if is_sum => {}
            LocustTable::History => self.history(row, position, out),
            LocustTable::Stats => {
                let requests = row.number("Request Count").max(0.0) as u64;
                let mean = row.number("Average Response Time");
                out.sink.unit(&Unit {
                    latency_ms: mean,
                    latencies: requests,
                    method: row.get("Type"),
                    path: row.get("Name"),
                    ..Unit::new(RecordKind::Requests)
                });
            }
            LocustTable::Failures => {
                let unit = Unit::new(RecordKind::Logs);
                let (first, last) = (row.get("First Seen"), row.get("Last Seen"));
                if first.is_empty() {
                    out.sink.unit(&unit);
                } else if let Some(first) = self.time(row, "First Seen", position, out) {
                    out.sink.unit(&Unit { time: Some(first), ..unit });
                    let last = Timestamp::parse(last, self.zone).ok();
                    out.sink.unit(&Unit { time: last, count: 0, ..unit });
                }
            }
            LocustTable::Exceptions => out.sink.unit(&Unit::new(RecordKind::Logs)),
        }
    }

    fn notes(&self) -> Vec<String> {
        let note = match self.table {
            LocustTable::History => "each row is the state of one second, and no request",
            _ => "the table holds totals of a whole run, so that nothing can be judged in it",
        };
        vec![note.to_owned()]
    }
}
