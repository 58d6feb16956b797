//! Results of vegeta: `vegeta encode --to csv` and `--to json`.

use serde::Deserialize;

use super::Sample;
use crate::telemetry::{RejectReason, RequestTime};
use crate::time::{Timestamp, ZonePolicy};
use crate::wire::csv_fields::split_quoted;
use crate::wire::formats::lines::LineReader;
use crate::wire::formats::output::Output;
use crate::wire::formats::service::Services;
use crate::wire::formats::{Code, FormatOptions};

/// One result.
#[derive(Debug, Default, Deserialize)]
struct Hit {
    /// Required, because other objects with a latency lack it.
    attack: String,
    code: i32,
    timestamp: String,
    /// Nanoseconds.
    latency: f64,
    /// Required, see `attack`.
    #[serde(rename = "bytes_in")]
    _bytes_in: f64,
    #[serde(default)]
    error: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    url: String,
}

/// Reads results.
#[derive(Debug)]
pub(in crate::wire::formats) struct VegetaReader {
    services: Services,
}

impl VegetaReader {
    pub fn new(options: &FormatOptions) -> Self {
        Self { services: Services::new(options, "load-test") }
    }
}

/// Whether a line is a result.
pub(in crate::wire::formats) fn is_vegeta(line: &str) -> bool {
    hit(line).is_some()
}

fn hit(line: &str) -> Option<Hit> {
    if line.starts_with('{') {
        return if line.contains("\"attack\"") { serde_json::from_str(line).ok() } else { None };
    }
    let is_time = line
        .split_once(',')
        .is_some_and(|(time, _)| time.len() == 19 && time.bytes().all(|b| b.is_ascii_digit()));
    if !is_time {
        return None;
    }
    // time, code, latency, bytes out, bytes in, error, body, attack, number, method, URL, headers
    let mut fields = Vec::new();
    split_quoted(line, b',', |_, field| fields.push(field.text().into_owned()));
    let field = |at: usize| fields.get(at).cloned();
    Some(Hit {
        timestamp: field(0)?,
        code: field(1)?.parse().ok()?,
        latency: field(2)?.parse().ok()?,
        _bytes_in: field(4)?.parse().ok()?,
        error: field(5)?,
        attack: field(7)?,
        method: field(9).unwrap_or_default(),
        url: field(10).unwrap_or_default(),
    })
}

impl LineReader for VegetaReader {
    fn line(&mut self, text: &str, position: u64, out: &mut Output<'_>) {
        let Some(hit) = hit(text) else { return out.refuse(text, position) };
        let time = Timestamp::parse(&hit.timestamp, ZonePolicy::Offset(0));
        let Some(time) = out.time(time, &hit.timestamp, position) else { return };
        if hit.latency < 0.0 {
            return out.rejections.add(RejectReason::BadValue, position, || text.to_owned());
        }
        let name = if hit.url.is_empty() { hit.attack.as_str() } else { hit.url.as_str() };
        Sample {
            time,
            name: if name.is_empty() { "-" } else { name },
            method: &hit.method,
            url: &hit.url,
            latency_ms: hit.latency / 1e6,
            code: Code::Number(hit.code),
            failed: Some(!hit.error.is_empty()),
        }
        .give(&self.services, position, out);
    }

    fn request_time(&self) -> Option<RequestTime> {
        Some(RequestTime::Start)
    }
}
