//! Traces of Zipkin as JSON, version 1 and 2.
//!
//! Times and durations are microseconds. The tag `error` marks a failed span, whatever its value.
//! The client and server half of a call may share one span id. Version 1 has no kinds: the
//! annotations `cs`, `cr`, `sr` and `ss` say which half a span is, when it began and how long it
//! took.

use serde_json::Value;
use serde_json::value::RawValue;

use super::FormatOptions;
use super::document_decoder::DocumentReader;
use super::jaeger;
use super::json_documents::{elements, integer, member, members, micros, number, text};
use super::naming::Naming;
use super::output::Output;
use super::trace_span::{TraceSpan, padded};
use crate::telemetry::{RejectReason, SpanKind};

/// Whether the first bytes of a JSON file are of Zipkin.
pub(super) fn is_zipkin(first: &[u8]) -> bool {
    use super::json_documents::has_key;
    let marks =
        ["localEndpoint", "remoteEndpoint", "binaryAnnotations", "annotations", "tags", "kind"];
    has_key(first, "traceId")
        && has_key(first, "id")
        && !has_key(first, "spanId")
        && marks.iter().any(|mark| has_key(first, mark))
}

/// Reads traces of Zipkin.
#[derive(Debug)]
pub(super) struct ZipkinReader {
    naming: Naming,
    position: u64,
}

impl ZipkinReader {
    pub fn new(options: &FormatOptions) -> Self {
        Self { naming: Naming::new(options), position: 0 }
    }
}

impl DocumentReader for ZipkinReader {
    fn document(&mut self, value: &RawValue, line: u64, out: &mut Output<'_>) {
        self.values(value, line, 0, out);
    }
}

impl ZipkinReader {
    /// Reads one span, a list of spans, or a list of traces.
    fn values(&mut self, value: &RawValue, line: u64, depth: usize, out: &mut Output<'_>) {
        match elements(value) {
            Some(list) if depth < 3 => {
                for one in list {
                    self.values(one, line, depth + 1, out);
                }
            }
            _ if value.get().starts_with('{') => {
                let object = members(value);
                let inner = ["spans", "data", "trace"].iter().find_map(|name| object.get(*name));
                match inner {
                    Some(inner) if !object.contains_key("id") && depth < 3 => {
                        self.values(inner, line, depth + 1, out);
                    }
                    _ => self.span(value, out),
                }
            }
            _ => {
                out.rejections
                    .add(RejectReason::BadJson, line, || "the item is no span".to_owned());
            }
        }
    }

    fn span(&mut self, raw: &RawValue, out: &mut Output<'_>) {
        self.position += 1;
        let value: Value = serde_json::from_str(raw.get()).unwrap_or(Value::Null);
        let trace = padded(text(&value, &["traceId"]), 32);
        let id = padded(text(&value, &["id"]), 16);
        if trace.is_empty() || id.is_empty() {
            return out.rejections.add(RejectReason::MissingField, self.position, || {
                "traceId or id is missing".to_owned()
            });
        }
        let parent = padded(text(&value, &["parentId"]), 16);
        let mut span = TraceSpan {
            trace_id: &trace,
            span_id: &id,
            parent_id: Some(parent.as_str()).filter(|id| !id.is_empty()),
            operation: text(&value, &["name"]),
            start: micros(member(&value, &["timestamp"])),
            may_lack_start: true,
            duration_ms: member(&value, &["duration"]).map(number).map_or(f64::NAN, milliseconds),
            kind: SpanKind::parse(text(&value, &["kind"])),
            ..TraceSpan::default()
        };
        endpoints(&mut span, &value);
        version_1(&mut span, &value);
        let tags = member(&value, &["tags"]).and_then(Value::as_object).into_iter().flatten();
        let old = member(&value, &["binaryAnnotations"]).and_then(Value::as_array);
        let old = old
            .into_iter()
            .flatten()
            .filter_map(|one| Some((one.get("key")?.as_str()?, one.get("value")?)));
        for (key, value) in tags.map(|(key, value)| (key.as_str(), value)).chain(old) {
            match key {
                "error" => span.is_error = true,
                // the name of the callee is that of the endpoint
                "peer.service" if span.peer.is_some() => {}
                _ => jaeger::set(&mut span, key, value),
            }
        }
        let is_marked = member(&value, &["shared"]).and_then(Value::as_bool) == Some(true);
        let is_old = member(&value, &["annotations"]).is_some_and(has_sides);
        span.is_shared = span.kind == SpanKind::Server || is_marked;
        span.has_client_half = span.kind == SpanKind::Server && (is_marked || is_old);
        span.give(&self.naming, self.position, out);
    }
}

/// Whether annotations of version 1 say which half of a call a span is. Both halves have one id.
fn has_sides(annotations: &Value) -> bool {
    let all = annotations.as_array().into_iter().flatten();
    let mut all = all.map(|one| text(one, &["value"]));
    all.any(|value| matches!(value, "cs" | "cr" | "sr" | "ss"))
}

fn milliseconds(micros: f64) -> f64 {
    if micros >= 0.0 { micros / 1e3 } else { f64::NAN }
}

fn endpoints<'a>(span: &mut TraceSpan<'a>, value: &'a Value) {
    let service =
        |of: &str| member(value, &[of]).map_or("", |endpoint| text(endpoint, &["serviceName"]));
    span.service = service("localEndpoint");
    span.peer = Some(service("remoteEndpoint")).filter(|peer| !peer.is_empty());
}

/// Reads what version 1 says by annotations.
fn version_1<'a>(span: &mut TraceSpan<'a>, value: &'a Value) {
    let list = |name: &str| member(value, &[name]).and_then(Value::as_array).into_iter().flatten();
    let mut times: [Option<i64>; 4] = [None; 4];
    let mut services = ["", "", ""];
    for one in list("annotations") {
        let endpoint = member(one, &["endpoint"]).map_or("", |of| text(of, &["serviceName"]));
        let place =
            ["cs", "cr", "sr", "ss"].iter().position(|known| *known == text(one, &["value"]));
        let side = place.map_or(2, |place| place / 2);
        if let Some(slot) = place.and_then(|place| times.get_mut(place)) {
            *slot = member(one, &["timestamp"]).and_then(integer);
        }
        if let Some(service) = services.get_mut(side).filter(|service| service.is_empty()) {
            *service = endpoint;
        }
    }
    let [cs, cr, sr, ss] = times;
    let is_server = sr.is_some() || ss.is_some();
    let is_client = cs.is_some() || cr.is_some();
    if span.kind == SpanKind::Unknown && (is_server || is_client) {
        span.kind = if is_server { SpanKind::Server } else { SpanKind::Client };
    }
    let (begin, end) = if is_server { (sr, ss) } else { (cs, cr) };
    if span.start.is_none() {
        span.start = begin.and_then(|at| micros(Some(&Value::from(at))));
    }
    if span.duration_ms.is_nan()
        && let (Some(begin), Some(end)) = (begin, end)
    {
        span.duration_ms = milliseconds(end.saturating_sub(begin) as f64);
    }
    let [client, server, other] = services;
    for one in list("binaryAnnotations") {
        let endpoint = member(one, &["endpoint"]).map_or("", |of| text(of, &["serviceName"]));
        match text(one, &["key"]) {
            "sa" if span.peer.is_none() => {
                span.peer = Some(endpoint).filter(|name| !name.is_empty());
            }
            "sa" | "ca" => {}
            _ if services.iter().all(|name| name.is_empty()) && span.service.is_empty() => {
                span.service = endpoint;
            }
            _ => {}
        }
    }
    if span.service.is_empty() {
        let by_side = if is_server { server } else { client };
        let found = [by_side, other, server, client].into_iter().find(|name| !name.is_empty());
        span.service = found.unwrap_or_default();
    }
}
