//! One item of a file, as an inspection counts it.

use crate::telemetry::{Record, RecordKind, Status};
use crate::time::Timestamp;

/// A status code as an item states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Code {
    /// No status.
    #[default]
    None,
    /// A number, such as an HTTP status; 0 where no answer was sent.
    Number(i32),
    /// Text that is no number.
    Other,
}

impl From<Status> for Code {
    fn from(status: Status) -> Self {
        match status {
            Status::Http(code) => Self::Number(i32::from(code)),
            Status::Grpc(code) => Self::Number(i32::from(code)),
            Status::NoResponse => Self::Number(0),
            Status::Success | Status::Failure | Status::Unknown => Self::None,
        }
    }
}

/// The place of a span in its trace. An inspection counts an edge for each span whose parent is in
/// the same file and has another service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link<'a> {
    /// The trace.
    pub trace_id: &'a str,
    /// The span; two halves of one call may share it.
    pub span_id: &'a str,
    /// The span that called this one.
    pub parent_id: Option<&'a str>,
    /// Whether this is the server half of a span whose client half has the same id.
    pub is_shared: bool,
}

/// One item of a file: a line, a span, a data point, a sample. The facts that it does not state have
/// their default.
#[derive(Debug, Clone, Copy)]
pub struct Unit<'a> {
    /// The kind of the item.
    pub kind: RecordKind,
    /// How many items this stands for, such as the requests in a bucket of a histogram.
    pub count: u64,
    /// When it happened; the start for spans.
    pub time: Option<Timestamp>,
    /// The service; empty where the item names none.
    pub service: &'a str,
    /// Whether an item without a service counts as one of the service `""`.
    pub has_service: bool,
    /// The status.
    pub status: Code,
    /// Whether it failed: a status from 500 to 599, or the error status of a span.
    pub is_error: bool,
    /// Its latency in ms, or the mean of several; NaN where it states none.
    pub latency_ms: f64,
    /// How many latencies the mean is of.
    pub latencies: u64,
    /// The method of its request; may be empty.
    pub method: &'a str,
    /// The path of its request without the query; empty where it has none.
    pub path: &'a str,
    /// The written level of a log line; may be empty.
    pub level: &'a str,
    /// A hash of the labels of a metric's series, by which series are counted.
    pub series: Option<u64>,
    /// The place in a trace.
    pub link: Option<Link<'a>>,
}

impl<'a> Unit<'a> {
    /// An item without facts.
    pub const fn new(kind: RecordKind) -> Self {
        Self {
            kind,
            count: 1,
            time: None,
            service: "",
            has_service: false,
            status: Code::None,
            is_error: false,
            latency_ms: f64::NAN,
            latencies: 1,
            method: "",
            path: "",
            level: "",
            series: None,
            link: None,
        }
    }

    /// The item that a record alone describes.
    pub fn of(record: &Record<'a>) -> Self {
        let unit = Self { time: record.timestamp(), ..Self::new(record.kind()) };
        match record {
            Record::Request(request) => {
                let path = request.endpoint;
                let path = path.find(['?', '#']).and_then(|end| path.get(..end)).unwrap_or(path);
                Self {
                    service: request.service,
                    status: request.status.into(),
                    is_error: request.is_error(),
                    latency_ms: request.latency_ms,
                    path: if path == "-" { "" } else { path },
                    ..unit
                }
            }
            Record::Span(span) => Self {
                service: span.service,
                is_error: span.is_error(),
                latency_ms: span.duration_ms,
                link: Some(Link {
                    trace_id: span.trace_id,
                    span_id: span.span_id,
                    parent_id: span.parent_id,
                    is_shared: false,
                }),
                ..unit
            },
            Record::Metric(point) => Self { service: point.service, ..unit },
            Record::Log(line) => Self { service: line.service, level: line.level, ..unit },
            Record::Change(change) => Self { service: change.service, ..unit },
            Record::Edge(_) => unit,
        }
    }
}
