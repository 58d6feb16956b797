//! A span as any format of traces states it, and the records that it gives.

use super::naming::{Naming, fitted, optional};
use super::{Link, Output, Unit};
use crate::telemetry::{Record, RecordKind, RejectReason, Request, Span, SpanKind, Status};
use crate::time::Timestamp;

/// One span. Text may be empty where the format allows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct TraceSpan<'a> {
    pub trace_id: &'a str,
    pub span_id: &'a str,
    /// The span that called this one, whatever the kind of reference.
    pub parent_id: Option<&'a str>,
    pub service: &'a str,
    pub operation: &'a str,
    /// The route of a request, which names the endpoint better than the operation.
    pub route: &'a str,
    pub start: Option<Timestamp>,
    /// Whether the format allows a span without a start. It counts as read and gives no record.
    pub may_lack_start: bool,
    /// Milliseconds; NaN where the span states none.
    pub duration_ms: f64,
    pub kind: SpanKind,
    pub peer: Option<&'a str>,
    pub host: &'a str,
    /// The version of the service.
    pub version: &'a str,
    /// Whether the format marks the span as failed.
    pub is_error: bool,
    /// Whether another convention than that of the format marks it as failed.
    pub is_failed: bool,
    /// The status of its HTTP request; 0 where there is none.
    pub http_status: u16,
    /// Whether it is the server half of a span whose client half has the same id.
    pub is_shared: bool,
    /// Whether the client half of the same id is known to exist. The record of the server half gets
    /// a distinct id and the client half as its parent, because the graph needs distinct ids.
    pub has_client_half: bool,
}

impl Default for TraceSpan<'_> {
    fn default() -> Self {
        Self {
            trace_id: "",
            span_id: "",
            parent_id: None,
            service: "",
            operation: "",
            route: "",
            start: None,
            may_lack_start: false,
            duration_ms: f64::NAN,
            kind: SpanKind::Unknown,
            peer: None,
            host: "",
            version: "",
            is_error: false,
            is_failed: false,
            http_status: 0,
            is_shared: false,
            has_client_half: false,
        }
    }
}

/// An id as the formats compare it: lower case, and with zeros in front up to `digits`. Senders leave
/// them out. An id that is not hexadecimal stays as it is.
pub(super) fn padded(id: &str, digits: usize) -> String {
    let id = id.trim();
    if id.is_empty() || id.len() >= digits || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return id.to_ascii_lowercase();
    }
    format!("{:0>digits$}", id.to_ascii_lowercase())
}

/// Whether an id is hexadecimal, of whole bytes where `is_strict`, and not zero.
pub(super) fn is_id(id: &str, most: usize, is_strict: bool) -> bool {
    let bytes = id.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= most
        && (!is_strict || bytes.len().is_multiple_of(2))
        && bytes.iter().all(u8::is_ascii_hexdigit)
        && bytes.iter().any(|byte| *byte != b'0')
}

impl TraceSpan<'_> {
    /// Hands the span to the sink: a unit, and a record where its duration is known or it served a
    /// request.
    pub fn give(&self, naming: &Naming, position: u64, out: &mut Output<'_>) {
        let link = Link {
            trace_id: self.trace_id,
            span_id: self.span_id,
            parent_id: self.parent_id,
            is_shared: self.is_shared,
        };
        let unit = Unit {
            time: self.start,
            service: self.service,
            has_service: true,
            is_error: self.is_error,
            latency_ms: self.duration_ms,
            link: Some(link),
            ..Unit::new(RecordKind::Spans)
        };
        let Some(start) = self.start else {
            if self.may_lack_start {
                return out.sink.unit(&unit);
            }
            out.rejections.add(RejectReason::BadTimestamp, position, || {
                format!("span {}: the start time is missing or outside 1970 to 2199", self.span_id)
            });
            return;
        };
        out.sink.unit(&unit);
        let mut code = [0_u8; 3];
        let service = optional(naming.service(self.service));
        let operation = fitted(self.endpoint());
        let (host, peer) = (optional(self.host), self.peer.map(optional));
        let version = optional(self.version);
        let half = self.has_client_half.then(|| format!("{}-server", self.span_id));
        let (span_id, parent_id) = match &half {
            Some(half) => (half.as_str(), Some(self.span_id)),
            None => (self.span_id, self.parent_id),
        };
        let record = if self.duration_ms.is_finite() {
            Record::Span(Span {
                trace_id: self.trace_id,
                span_id,
                parent_id,
                service: &service,
                operation: &operation,
                start,
                duration_ms: self.duration_ms,
                status: self.status(&mut code),
                kind: self.kind,
                peer: peer.as_deref().filter(|peer| !peer.is_empty()),
                host: &host,
                version: &version,
            })
        } else if self.kind.is_caller() {
            return;
        } else {
            let failed = self.is_error || self.is_failed;
            let status = match self.http_status {
                code if code >= 500 || (code > 0 && !failed) => Status::Http(code),
                _ if failed => Status::Failure,
                _ => Status::Success,
            };
            let request = Request::new(start, &service, &operation, 200, f64::NAN);
            Record::Request(Request {
                status,
                trace_id: Some(self.trace_id),
                host: &host,
                version: &version,
                ..request
            })
        };
        match record.check() {
            Ok(()) => out.sink.record(record, position),
            Err((reason, field)) => {
                out.rejections.add(reason, position, || format!("span {}: {field}", self.span_id));
            }
        }
    }

    /// The endpoint: the route of a served request, else the operation without the method that
    /// instrumentations write before the route.
    fn endpoint(&self) -> &str {
        const METHODS: [&str; 9] =
            ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT"];
        if self.kind != SpanKind::Server {
            return self.operation;
        }
        if !self.route.is_empty() {
            return self.route;
        }
        let split = self.operation.split_once(' ');
        let path = split.filter(|(method, path)| path.starts_with('/') && METHODS.contains(method));
        path.map_or(self.operation, |(_, path)| path)
    }

    /// The status as text that [`Span::outcome`] reads.
    fn status<'c>(&self, code: &'c mut [u8; 3]) -> &'c str {
        if (500..=999).contains(&self.http_status) {
            let [hundreds, tens, ones] = code;
            *hundreds = b'0' + (self.http_status / 100) as u8;
            *tens = b'0' + (self.http_status / 10 % 10) as u8;
            *ones = b'0' + (self.http_status % 10) as u8;
            return std::str::from_utf8(code).unwrap_or("error");
        }
        if self.is_error || self.is_failed { "error" } else { "" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Rejections;

    fn records(span: &TraceSpan<'_>) -> Vec<String> {
        let (mut all, mut rejections) = (Vec::new(), Rejections::default());
        let mut sink = |record: Record<'_>, _: u64| {
            all.push(match record {
                Record::Span(span) => {
                    format!("{} {} {}", span.service, span.operation, span.status)
                }
                Record::Request(request) => format!("{} {:?}", request.endpoint, request.status),
                other => format!("{other:?}"),
            });
        };
        span.give(&Naming::default(), 1, &mut Output::new(&mut sink, &mut rejections));
        all.extend(rejections.first().iter().map(|one| one.detail.clone()));
        all
    }

    #[test]
    fn a_span_is_named_by_its_route_and_fails_by_its_http_status() {
        let at = Some(Timestamp::from_seconds(1));
        let span = TraceSpan {
            trace_id: "a1",
            span_id: "b2",
            service: "pay",
            operation: "POST /pay",
            start: at,
            duration_ms: 3.0,
            kind: SpanKind::Server,
            http_status: 503,
            ..TraceSpan::default()
        };
        assert_eq!(records(&span), ["pay /pay 503"]);
        let failed = TraceSpan { http_status: 404, is_failed: true, route: "/{id}", ..span };
        assert_eq!(records(&failed), ["pay /{id} error"]);
        let open = TraceSpan { duration_ms: f64::NAN, http_status: 200, ..span };
        assert_eq!(records(&open), ["/pay Http(200)"]);
        let missing = TraceSpan { start: None, ..span };
        assert_eq!(
            records(&missing),
            ["span b2: the start time is missing or outside 1970 to 2199"]
        );
    }

    #[test]
    fn ids_get_their_zeros_back() {
        assert_eq!(padded("ABC", 16), "0000000000000abc");
        assert_eq!([padded("", 16), padded("no id", 16)], ["", "no id"]);
    }

    #[test]
    fn ids_are_hexadecimal_and_not_zero() {
        assert!(is_id("00ab", 32, true) && is_id("abc", 32, false));
        for id in ["", "0000", "xyz1", "abc", &"a".repeat(34)] {
            assert!(!is_id(id, 32, true), "{id}");
        }
    }
}
