//! Results of k6 as CSV and as JSON lines. A request is many rows, of which one has its duration.

use std::borrow::Cow;

use serde::Deserialize;

use super::{Sample, code_of};
use crate::telemetry::{RejectReason, RequestTime};
use crate::time::{Timestamp, ZonePolicy};
use crate::wire::formats::access::zone_or_utc;
use crate::wire::formats::lines::LineReader;
use crate::wire::formats::output::Output;
use crate::wire::formats::service::Services;
use crate::wire::formats::table::{Row, RowReader};
use crate::wire::formats::{Code, FormatOptions};

/// The metric that one row of each request has.
const DURATION: &str = "http_req_duration";

/// The status of a request; no answer is 0.
fn status_of(text: &str) -> Code {
    if text.is_empty() { Code::Number(0) } else { code_of(text) }
}

/// Whether k6 counts a request as failed: its column `expected_response`, else a status of 0.
fn failed_of(expected: &str, code: Code) -> Option<bool> {
    match expected {
        "true" => Some(false),
        "false" => Some(true),
        _ => (code == Code::Number(0)).then_some(true),
    }
}

/// Whether a line is the header of k6's CSV.
pub(in crate::wire::formats) fn is_k6(line: &str) -> bool {
    line.starts_with("metric_name,timestamp,metric_value")
}

/// Whether a line is one of k6's JSON.
pub(in crate::wire::formats) fn is_k6_json(line: &str) -> bool {
    line.starts_with('{')
        && line.contains("\"metric\"")
        && serde_json::from_str::<K6Line<'_>>(line)
            .is_ok_and(|line| matches!(line.kind.as_ref(), "Point" | "Metric"))
}

/// Reads rows of k6's CSV.
#[derive(Debug)]
pub(in crate::wire::formats) struct K6Reader {
    services: Services,
    zone: ZonePolicy,
}

impl K6Reader {
    pub fn new(options: &FormatOptions) -> Self {
        Self { services: Services::new(options, "load-test"), zone: zone_or_utc(options.zone) }
    }
}

impl RowReader for K6Reader {
    fn row(&mut self, row: &Row<'_>, position: u64, out: &mut Output<'_>) {
        if row.get("metric_name") != DURATION {
            return;
        }
        let written = row.get("timestamp");
        let Ok(time) = Timestamp::parse(written, self.zone) else {
            let detail = || format!("timestamp = {written:?}");
            out.rejections.add(RejectReason::BadTimestamp, position, detail);
            return;
        };
        let latency_ms = row.number("metric_value");
        if latency_ms.is_nan() || latency_ms < 0.0 {
            let detail = || format!("metric_value = {:?}", row.get("metric_value"));
            out.rejections.add(RejectReason::BadValue, position, detail);
            return;
        }
        let code = status_of(row.get("status"));
        let (name, url) = (row.get("name"), row.get("url"));
        Sample {
            time,
            name: if name.is_empty() { url } else { name },
            method: row.get("method"),
            url,
            latency_ms,
            code,
            failed: failed_of(row.get("expected_response"), code),
        }
        .give(&self.services, position, out);
    }

    fn request_time(&self) -> Option<RequestTime> {
        Some(RequestTime::End)
    }
}

/// A line of k6's JSON.
#[derive(Deserialize)]
struct K6Line<'a> {
    #[serde(borrow)]
    metric: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: K6Data<'a>,
}

#[derive(Deserialize, Default)]
struct K6Data<'a> {
    #[serde(borrow, default)]
    time: Cow<'a, str>,
    #[serde(default)]
    value: Option<f64>,
    #[serde(borrow, default)]
    tags: Option<K6Tags<'a>>,
}

#[derive(Deserialize, Default)]
struct K6Tags<'a> {
    #[serde(borrow, default)]
    method: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    url: Cow<'a, str>,
    #[serde(borrow, default)]
    status: Cow<'a, str>,
    #[serde(borrow, default)]
    expected_response: Cow<'a, str>,
}

/// Reads lines of k6's JSON.
#[derive(Debug)]
pub(in crate::wire::formats) struct K6JsonReader {
    services: Services,
    zone: ZonePolicy,
}

impl K6JsonReader {
    pub fn new(options: &FormatOptions) -> Self {
        Self { services: Services::new(options, "load-test"), zone: zone_or_utc(options.zone) }
    }
}

impl LineReader for K6JsonReader {
    fn line(&mut self, text: &str, position: u64, out: &mut Output<'_>) {
        let line: K6Line<'_> = match serde_json::from_str(text.trim()) {
            Ok(line) => line,
            Err(error) => {
                out.rejections.add(RejectReason::BadJson, position, || error.to_string());
                return;
            }
        };
        if line.kind != "Point" || line.metric != DURATION {
            return;
        }
        let tags = line.data.tags.unwrap_or_default();
        let written = &line.data.time;
        let Ok(time) = Timestamp::parse(written, self.zone) else {
            let detail = || format!("time = {written:?}");
            out.rejections.add(RejectReason::BadTimestamp, position, detail);
            return;
        };
        let Some(latency_ms) = line.data.value.filter(|ms| *ms >= 0.0) else {
            out.rejections.add(RejectReason::BadValue, position, || "value".into());
            return;
        };
        let code = status_of(&tags.status);
        Sample {
            time,
            name: if tags.name.is_empty() { &tags.url } else { &tags.name },
            method: &tags.method,
            url: &tags.url,
            latency_ms,
            code,
            failed: failed_of(&tags.expected_response, code),
        }
        .give(&self.services, position, out);
    }

    fn request_time(&self) -> Option<RequestTime> {
        Some(RequestTime::End)
    }
}
