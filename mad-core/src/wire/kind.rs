//! The kinds of records in files and tables, and how a record is built from its fields.

use super::value::Value;
use crate::limits::MAX_NAME_BYTES;
use crate::telemetry::{
    Change, Doubt, Edge, LogLine, MetricPoint, Record, RecordKind, RejectReason, Request, Span,
    SpanKind, Status,
};
use crate::time::ZonePolicy;

/// The number of fields of the kind with the most fields.
pub const MAX_FIELDS: usize = 12;

/// The fault of a record: the reason and the field.
pub type Fault = (RejectReason, &'static str);

mod sealed {
    pub trait Sealed {}
}

/// A kind of record, at compile time. The implementors have no values: they are type parameters of
/// [`Decoder`](super::Decoder) and of tables. [`RecordKind`] is the kind at run time.
///
/// # Examples
///
/// ```
/// use mad_core::wire::{Kind, Metrics};
///
/// assert_eq!(Metrics::KIND.as_str(), "metrics");
/// assert_eq!(Metrics::needed(), ["timestamp", "service", "metric", "value"]);
/// assert_eq!(Metrics::FIELDS[Metrics::NEEDED..], ["resource", "n", "host"]);
/// ```
pub trait Kind: sealed::Sealed + 'static {
    /// One record.
    type Record<'a>: Into<Record<'a>>;

    /// The kind.
    const KIND: RecordKind;
    /// The fields, at most [`MAX_FIELDS`], those that a header must have first.
    const FIELDS: &'static [&'static str];
    /// How many of [`FIELDS`](Self::FIELDS), from the front, a header must have.
    const NEEDED: usize;
    /// The field with the record's time; `None` where records have no time.
    const TIME: Option<&'static str>;
    /// Fields of text in which JSON may write an integer.
    const NUMBERED: &'static [&'static str];

    /// Builds a record from its fields in the order of [`FIELDS`](Self::FIELDS), and checks it.
    /// Values after them are ignored.
    ///
    /// # Errors
    ///
    /// The first fault.
    fn record<V: Value>(
        fields: &[V; MAX_FIELDS],
        zone: ZonePolicy,
    ) -> Result<Self::Record<'_>, Fault>;

    /// Multiplies the latency or duration of a record that was written in another unit. A kind with
    /// `latency_ms` or `duration_ms` needs it, because these columns may be in seconds or microseconds.
    fn rescale(_: &mut Self::Record<'_>, _: f64) {}

    /// Reads the status again as a gRPC code, where 0 is OK.
    fn read_grpc(_: &mut Self::Record<'_>, _: &str) {}

    /// A value of a good record that is not known, and its field.
    fn doubt(_: &Self::Record<'_>) -> Option<(Doubt, &'static str)> {
        None
    }

    /// The fields that a header must have.
    fn needed() -> &'static [&'static str] {
        Self::FIELDS.get(..Self::NEEDED).unwrap_or(Self::FIELDS)
    }

    /// The place of a field in [`FIELDS`](Self::FIELDS).
    fn place(field: &str) -> Option<usize> {
        Self::FIELDS.iter().position(|known| *known == field)
    }
}

/// Served requests: [`Request`].
#[derive(Debug, Clone, Copy)]
pub enum Requests {}
/// Points of metrics: [`MetricPoint`].
#[derive(Debug, Clone, Copy)]
pub enum Metrics {}
/// Spans of traces: [`Span`].
#[derive(Debug, Clone, Copy)]
pub enum Spans {}
/// Log lines: [`LogLine`].
#[derive(Debug, Clone, Copy)]
pub enum Logs {}
/// Deploys and other changes: [`Change`].
#[derive(Debug, Clone, Copy)]
pub enum Changes {}
/// Calls between services: [`Edge`].
#[derive(Debug, Clone, Copy)]
pub enum Edges {}

impl sealed::Sealed for Requests {}
impl sealed::Sealed for Metrics {}
impl sealed::Sealed for Spans {}
impl sealed::Sealed for Logs {}
impl sealed::Sealed for Changes {}
impl sealed::Sealed for Edges {}

impl Kind for Requests {
    type Record<'a> = Request<'a>;
    const KIND: RecordKind = RecordKind::Requests;
    const FIELDS: &'static [&'static str] = Request::FIELDS;
    const NEEDED: usize = 5;
    const TIME: Option<&'static str> = Some("timestamp");
    const NUMBERED: &'static [&'static str] = &["request_id", "trace_id", "host", "version"];

    #[inline]
    fn record<V: Value>(fields: &[V; MAX_FIELDS], zone: ZonePolicy) -> Result<Request<'_>, Fault> {
        let [
            timestamp,
            service,
            endpoint,
            status,
            latency,
            request_id,
            trace_id,
            host,
            version,
            ..,
        ] = fields;
        let request = Request {
            timestamp: at("timestamp", timestamp.time(zone))?,
            service: at("service", service.text())?,
            endpoint: fitted(at("endpoint", endpoint.text())?),
            status: status.status(),
            latency_ms: latency.latency(),
            request_id: at("request_id", optional(request_id))?,
            trace_id: at("trace_id", optional(trace_id))?,
            host: at("host", host.text())?,
            version: at("version", version.text())?,
        };
        request.check()?;
        Ok(request)
    }

    fn rescale(request: &mut Request<'_>, factor: f64) {
        request.latency_ms *= factor;
    }

    fn read_grpc(request: &mut Request<'_>, written: &str) {
        request.status = Status::parse_grpc(written);
    }

    #[inline]
    fn doubt(request: &Request<'_>) -> Option<(Doubt, &'static str)> {
        if request.status == Status::Unknown {
            return Some((Doubt::UnknownStatus, "status_code"));
        }
        request.latency_ms.is_nan().then_some((Doubt::UnknownLatency, "latency_ms"))
    }
}

impl Kind for Metrics {
    type Record<'a> = MetricPoint<'a>;
    const KIND: RecordKind = RecordKind::Metrics;
    const FIELDS: &'static [&'static str] = MetricPoint::FIELDS;
    const NEEDED: usize = 4;
    const TIME: Option<&'static str> = Some("timestamp");
    const NUMBERED: &'static [&'static str] = &["resource", "host"];

    #[inline]
    fn record<V: Value>(
        fields: &[V; MAX_FIELDS],
        zone: ZonePolicy,
    ) -> Result<MetricPoint<'_>, Fault> {
        let [timestamp, service, metric, value, resource, n, host, ..] = fields;
        let point = MetricPoint {
            timestamp: at("timestamp", timestamp.time(zone))?,
            service: at("service", service.text())?,
            resource: at("resource", resource.text())?,
            metric: at("metric", metric.text())?,
            value: at("value", value.number(RejectReason::BadValue))?.unwrap_or(f64::NAN),
            n: at("n", count(n))?,
            host: at("host", host.text())?,
        };
        point.check()?;
        Ok(point)
    }
}

impl Kind for Spans {
    type Record<'a> = Span<'a>;
    const KIND: RecordKind = RecordKind::Spans;
    const FIELDS: &'static [&'static str] = Span::FIELDS;
    const NEEDED: usize = 7;
    const TIME: Option<&'static str> = Some("start");
    const NUMBERED: &'static [&'static str] =
        &["trace_id", "span_id", "parent_id", "status", "kind", "host", "version"];

    fn record<V: Value>(fields: &[V; MAX_FIELDS], zone: ZonePolicy) -> Result<Span<'_>, Fault> {
        let [
            trace,
            span,
            parent,
            service,
            operation,
            start,
            duration,
            status,
            kind,
            peer,
            host,
            version,
        ] = fields;
        let span = Span {
            trace_id: at("trace_id", trace.text())?,
            span_id: at("span_id", span.text())?,
            parent_id: at("parent_id", optional(parent))?,
            service: at("service", service.text())?,
            operation: at("operation", operation.text())?,
            start: at("start", start.time(zone))?,
            duration_ms: at("duration_ms", needed(duration, RejectReason::BadValue))?,
            status: at("status", status.text())?,
            kind: SpanKind::parse(at("kind", kind.text())?),
            peer: at("peer", optional(peer))?,
            host: at("host", host.text())?,
            version: at("version", version.text())?,
        };
        span.check()?;
        Ok(span)
    }

    fn rescale(span: &mut Span<'_>, factor: f64) {
        span.duration_ms *= factor;
    }
}

impl Kind for Logs {
    type Record<'a> = LogLine<'a>;
    const KIND: RecordKind = RecordKind::Logs;
    const FIELDS: &'static [&'static str] = LogLine::FIELDS;
    const NEEDED: usize = 3;
    const TIME: Option<&'static str> = Some("timestamp");
    const NUMBERED: &'static [&'static str] = &["level", "trace_id", "host"];

    fn record<V: Value>(fields: &[V; MAX_FIELDS], zone: ZonePolicy) -> Result<LogLine<'_>, Fault> {
        let [timestamp, service, body, level, trace_id, host, ..] = fields;
        let line = LogLine {
            timestamp: at("timestamp", timestamp.time(zone))?,
            service: at("service", service.text())?,
            level: at("level", level.text())?,
            body: at("body", body.text())?,
            trace_id: at("trace_id", optional(trace_id))?,
            host: at("host", host.text())?,
        };
        line.check()?;
        Ok(line)
    }
}

impl Kind for Changes {
    type Record<'a> = Change<'a>;
    const KIND: RecordKind = RecordKind::Changes;
    const FIELDS: &'static [&'static str] = Change::FIELDS;
    const NEEDED: usize = 3;
    const TIME: Option<&'static str> = Some("timestamp");
    const NUMBERED: &'static [&'static str] = &["version"];

    fn record<V: Value>(fields: &[V; MAX_FIELDS], zone: ZonePolicy) -> Result<Change<'_>, Fault> {
        let [timestamp, service, kind, name, version, ..] = fields;
        let change = Change {
            timestamp: at("timestamp", timestamp.time(zone))?,
            service: at("service", service.text())?,
            kind: at("kind", kind.text())?,
            name: at("name", name.text())?,
            version: at("version", version.text())?,
        };
        change.check()?;
        Ok(change)
    }
}

impl Kind for Edges {
    type Record<'a> = Edge<'a>;
    const KIND: RecordKind = RecordKind::Edges;
    const FIELDS: &'static [&'static str] = Edge::FIELDS;
    const NEEDED: usize = 2;
    const TIME: Option<&'static str> = None;
    const NUMBERED: &'static [&'static str] = &[];

    fn record<V: Value>(fields: &[V; MAX_FIELDS], _: ZonePolicy) -> Result<Edge<'_>, Fault> {
        let [caller, callee, calls, ..] = fields;
        let edge = Edge {
            caller: at("caller", caller.text())?,
            callee: at("callee", callee.text())?,
            calls: at("calls", count(calls))?,
        };
        edge.check()?;
        Ok(edge)
    }
}

/// An endpoint as a name: `-` where it is missing, without its query where it is too long for one,
/// and cut where it still is.
#[inline]
fn fitted(endpoint: &str) -> &str {
    if endpoint.len() <= MAX_NAME_BYTES {
        return if endpoint.is_empty() { "-" } else { endpoint };
    }
    let path = endpoint.find(['?', '#']).and_then(|end| endpoint.get(..end)).unwrap_or(endpoint);
    let mut end = path.len().min(MAX_NAME_BYTES);
    while !path.is_char_boundary(end) {
        end -= 1;
    }
    path.get(..end).filter(|path| !path.is_empty()).unwrap_or("-")
}

/// Adds the field to the reason of a fault.
#[inline]
fn at<T>(field: &'static str, read: Result<T, RejectReason>) -> Result<T, Fault> {
    read.map_err(|reason| (reason, field))
}

/// A number of a needed field.
#[inline]
fn needed<V: Value>(value: &V, wrong: RejectReason) -> Result<f64, RejectReason> {
    value.number(wrong)?.ok_or(RejectReason::MissingField)
}

/// Text of an optional field.
#[inline]
fn optional<V: Value>(value: &V) -> Result<Option<&str>, RejectReason> {
    Ok(Some(value.text()?).filter(|text| !text.is_empty()))
}

/// A count of at most 2^53, beyond which f64 skips integers; 1 where it is missing.
#[inline]
fn count<V: Value>(value: &V) -> Result<u64, RejectReason> {
    match value.number(RejectReason::BadValue)? {
        None => Ok(1),
        Some(count) if (0.0..=9_007_199_254_740_992.0).contains(&count) && count.fract() == 0.0 => {
            Ok(count as u64)
        }
        Some(_) => Err(RejectReason::BadValue),
    }
}
