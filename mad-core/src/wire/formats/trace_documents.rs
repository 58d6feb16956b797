//! Traces in JSON documents of SkyWalking, AWS X-Ray and Datadog.

use serde_json::Value;
use serde_json::value::RawValue;

use super::FormatOptions;
use super::document_decoder::DocumentReader;
use super::json_documents::{has_key, integer, member, micros, number, text};
use super::naming::Naming;
use super::output::Output;
use super::trace_span::TraceSpan;
use crate::telemetry::{RejectReason, SpanKind};
use crate::time::Timestamp;

/// Deepest list within lists, and segment within segments.
const DEEPEST: usize = 16;

/// Whether the first bytes of a JSON file are traces of one of them.
pub(super) fn is_traces(first: &[u8]) -> bool {
    let has = |key| has_key(first, key);
    (has("segmentId") && has("spanId") && has("traceId"))
        || (has("Segments") && has("Document"))
        || (has("trace_id") && has("start_time") && has("id") && has("name") && !has("span_id"))
        || (has("trace_id") && has("span_id") && has("resource") && has("start") && has("service"))
}

/// Reads such documents.
#[derive(Debug)]
pub(super) struct TraceDocuments {
    naming: Naming,
    position: u64,
}

impl TraceDocuments {
    pub fn new(options: &FormatOptions) -> Self {
        Self { naming: Naming::new(options), position: 0 }
    }

    /// Gives the spans of a value; returns whether there is one.
    fn value(&mut self, value: &Value, depth: usize, out: &mut Output<'_>) -> bool {
        if depth == 0 {
            return false;
        }
        if let Some(list) = value.as_array() {
            let found = list.iter().filter(|one| self.value(one, depth - 1, out)).count();
            return found > 0;
        }
        let has = |key: &str| value.get(key).is_some();
        if has("segmentId") && has("spanId") {
            self.skywalking(value, out);
        } else if let Some(document) = member(value, &["Document"]).and_then(Value::as_str) {
            let Ok(document) = serde_json::from_str::<Value>(document) else {
                self.position += 1;
                let detail = || "the document of a segment is no JSON".to_owned();
                out.rejections.add(RejectReason::BadJson, self.position, detail);
                return true;
            };
            return self.value(&document, depth - 1, out);
        } else if has("trace_id") && has("start_time") {
            let (trace, service) = (text(value, &["trace_id"]), text(value, &["name"]));
            self.segment(value, (trace, service, None), depth, out);
        } else if has("trace_id") && has("span_id") {
            self.datadog(value, out);
        } else {
            let lists = ["data", "trace", "queryTrace", "spans", "Traces", "Segments", "traces"];
            let inner = lists.iter().find_map(|key| value.get(*key));
            return inner.is_some_and(|inner| self.value(inner, depth - 1, out));
        }
        true
    }

    /// A span of SkyWalking. Its id is unique within its segment; a reference names the caller in
    /// another one.
    fn skywalking(&mut self, value: &Value, out: &mut Output<'_>) {
        let id_in = |segment: &str, span: Option<&Value>| {
            let span = span.and_then(integer).filter(|span| *span >= 0)?;
            Some(format!("{segment}.{span}"))
        };
        let id = id_in(text(value, &["segmentId"]), value.get("spanId"));
        let reference = value.get("refs").and_then(|refs| refs.get(0));
        let parent = id_in(text(value, &["segmentId"]), value.get("parentSpanId")).or_else(|| {
            let reference = reference?;
            id_in(text(reference, &["parentSegmentId"]), reference.get("parentSpanId"))
        });
        let millis = |key: &str| value.get(key).map_or(f64::NAN, number);
        let span = TraceSpan {
            parent_id: parent.as_deref(),
            service: text(value, &["serviceCode"]),
            operation: text(value, &["endpointName", "operationName"]),
            start: value
                .get("startTime")
                .and_then(integer)
                .and_then(|millis| Timestamp::from_epoch(millis).ok()),
            duration_ms: millis("endTime") - millis("startTime"),
            kind: match text(value, &["type"]) {
                "Entry" => SpanKind::Server,
                "Exit" => SpanKind::Client,
                _ => SpanKind::Internal,
            },
            host: text(value, &["serviceInstanceName"]),
            is_error: value.get("isError").and_then(Value::as_bool) == Some(true),
            ..TraceSpan::default()
        };
        self.give(span, text(value, &["traceId"]), &id.unwrap_or_default(), out);
    }

    /// A segment of X-Ray, and the segments within it.
    fn segment(
        &mut self,
        value: &Value,
        (trace, service, parent): (&str, &str, Option<&str>),
        depth: usize,
        out: &mut Output<'_>,
    ) {
        let id = text(value, &["id"]);
        let seconds = |key: &str| value.get(key).map_or(f64::NAN, number);
        let is_true = |key: &str| value.get(key).and_then(Value::as_bool) == Some(true);
        let http = value.get("http").and_then(|http| http.get("response"));
        let http = http.and_then(|response| response.get("status")).and_then(integer);
        let is_remote = !text(value, &["namespace"]).is_empty();
        let own_parent = Some(text(value, &["parent_id"])).filter(|parent| !parent.is_empty());
        let url = value.get("http").and_then(|http| http.get("request"));
        let url = url.map_or("", |request| text(request, &["url"]));
        let name = text(value, &["name"]);
        let span = TraceSpan {
            parent_id: parent.or(own_parent),
            service,
            operation: if url.is_empty() { name } else { super::access::path_of(url) },
            start: Timestamp::from_epoch_f64(seconds("start_time")).ok(),
            duration_ms: ((seconds("end_time") - seconds("start_time")) * 1e6).round() / 1e3,
            kind: match (parent, is_remote) {
                (None, _) => SpanKind::Server,
                (_, true) => SpanKind::Client,
                (_, false) => SpanKind::Internal,
            },
            peer: Some(name).filter(|_| is_remote),
            is_error: is_true("fault"),
            is_failed: is_true("error") || is_true("throttle"),
            http_status: http.and_then(|code| u16::try_from(code).ok()).unwrap_or(0),
            ..TraceSpan::default()
        };
        self.give(span, trace, id, out);
        let inner = value.get("subsegments").and_then(Value::as_array);
        for one in inner.into_iter().flatten().filter(|_| depth > 1) {
            self.segment(one, (trace, service, Some(id)), depth - 1, out);
        }
    }

    /// A span of Datadog: ids are integers, times nanoseconds.
    fn datadog(&mut self, value: &Value, out: &mut Output<'_>) {
        let id = |key: &str| {
            let id = value.get(key)?;
            let id =
                id.as_u64().map_or_else(|| text(value, &[key]).to_owned(), |id| id.to_string());
            Some(id).filter(|id| !id.is_empty() && id != "0")
        };
        let meta = |key: &str| value.get("meta").and_then(|meta| meta.get(key));
        let start = value.get("start").and_then(integer).map(|nanos| Value::from(nanos / 1_000));
        let parent = id("parent_id");
        let span = TraceSpan {
            parent_id: parent.as_deref(),
            service: text(value, &["service"]),
            operation: text(value, &["resource", "name"]),
            start: micros(start.as_ref()),
            duration_ms: value.get("duration").map_or(f64::NAN, number) / 1e6,
            kind: meta("span.kind")
                .and_then(Value::as_str)
                .map_or(SpanKind::Unknown, SpanKind::parse),
            is_error: value.get("error").and_then(integer).is_some_and(|error| error != 0),
            http_status: meta("http.status_code")
                .and_then(integer)
                .and_then(|code| u16::try_from(code).ok())
                .unwrap_or(0),
            ..TraceSpan::default()
        };
        let (trace, own) = (id("trace_id"), id("span_id"));
        self.give(span, &trace.unwrap_or_default(), &own.unwrap_or_default(), out);
    }

    fn give(&mut self, span: TraceSpan<'_>, trace: &str, id: &str, out: &mut Output<'_>) {
        self.position += 1;
        if trace.is_empty() || id.is_empty() {
            return out.rejections.add(RejectReason::MissingField, self.position, || {
                "the id of the trace or of the span is missing".to_owned()
            });
        }
        TraceSpan { trace_id: trace, span_id: id, ..span }.give(&self.naming, self.position, out);
    }
}

impl DocumentReader for TraceDocuments {
    fn document(&mut self, value: &RawValue, line: u64, out: &mut Output<'_>) {
        let value: Value = serde_json::from_str(value.get()).unwrap_or(Value::Null);
        if !self.value(&value, DEEPEST, out) {
            out.rejections.add(RejectReason::BadJson, line, || "no span is there".to_owned());
        }
    }
}
