//! Decoders: every fault of an input, independent of how the bytes are divided.

use mad_core::limits::MAX_LINE_BYTES;
use mad_core::telemetry::{RejectReason, Rejections};
use mad_core::time::{Timestamp, ZonePolicy};
use mad_core::wire::{Format, RequestDecoder};
use mad_core::{Error, Request, Status};

mod csv_rows;
mod json_lines;
mod kinds;
mod line_ends;
mod named_columns;
mod properties;
mod remote_write;
mod telemetry_formats;

const HEADER: &str = "timestamp,service,endpoint,status_code,latency_ms\n";
const GOOD: &str = "2026-01-06T10:45:00Z,payments,/pay,200,215.25\n";

#[derive(Debug, Clone, PartialEq)]
struct Row {
    line: u64,
    timestamp: Timestamp,
    service: String,
    endpoint: String,
    status: Status,
    latency: Option<f64>,
    request_id: Option<String>,
}

#[derive(Debug, Default, PartialEq)]
struct Outcome {
    rows: Vec<Row>,
    rejections: Rejections,
    error: Option<Error>,
}

impl Outcome {
    /// Lines of the accepted rows.
    fn lines(&self) -> Vec<u64> {
        self.rows.iter().map(|row| row.line).collect()
    }

    /// Reason, line and detail of each rejected record.
    fn rejected(&self) -> Vec<(RejectReason, u64, &str)> {
        let first = self.rejections.first().iter();
        first.map(|r| (r.reason, r.position, r.detail.as_str())).collect()
    }

    fn message(&self) -> String {
        self.error.as_ref().unwrap().to_string()
    }
}

fn decode_chunks<'a>(
    format: Format,
    zone: ZonePolicy,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Outcome {
    let mut decoder = RequestDecoder::new(format, zone);
    let mut rows = Vec::new();
    let mut rejections = Rejections::default();
    let mut sink = |request: Request<'_>, line: u64| {
        assert!(request.check().is_ok());
        rows.push(Row {
            line,
            timestamp: request.timestamp,
            service: request.service.to_owned(),
            endpoint: request.endpoint.to_owned(),
            status: request.status,
            latency: request.latency(),
            request_id: request.request_id.map(str::to_owned),
        });
    };
    let mut result = Ok(());
    for chunk in chunks {
        result = decoder.feed(chunk, &mut sink, &mut rejections);
        assert!(decoder.held_bytes() <= 2 * MAX_LINE_BYTES + 64);
    }
    if result.is_ok() {
        result = decoder.finish(&mut sink, &mut rejections);
    }
    assert_eq!(decoder.finish(&mut sink, &mut rejections), result, "a second finish");
    Outcome { rows, rejections, error: result.err() }
}

/// Decodes the bytes as a whole and in chunks of a few sizes, which must agree.
fn decode(format: Format, zone: ZonePolicy, bytes: &[u8]) -> Outcome {
    let whole = decode_chunks(format, zone, [bytes]);
    for size in [1, 2, 3, 7, 64] {
        assert_eq!(decode_chunks(format, zone, bytes.chunks(size)), whole, "pieces of {size}");
    }
    whole
}

fn csv(text: impl AsRef<[u8]>) -> Outcome {
    decode(Format::Csv, ZonePolicy::Refuse, text.as_ref())
}

fn jsonl(text: impl AsRef<[u8]>) -> Outcome {
    decode(Format::JsonLines, ZonePolicy::Refuse, text.as_ref())
}

/// Rows under the usual header.
fn rows(text: &str) -> Outcome {
    csv(format!("{HEADER}{text}"))
}

/// A JSON line with one value replaced or added; an empty value omits the key.
fn object(key: &str, value: &str) -> String {
    let usual = [
        ("timestamp", "\"2026-01-06T10:45:00Z\""),
        ("service", "\"payments\""),
        ("endpoint", "\"/pay\""),
        ("status_code", "200"),
        ("latency_ms", "215.25"),
    ];
    let mut parts = Vec::new();
    for (name, default) in usual {
        let value = if name == key { value } else { default };
        if !value.is_empty() {
            parts.push(format!("\"{name}\": {value}"));
        }
    }
    if !usual.iter().any(|(name, _)| *name == key) {
        parts.push(format!("\"{key}\": {value}"));
    }
    format!("{{{}}}\n", parts.join(", "))
}
