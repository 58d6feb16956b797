//! Traces of Jaeger as JSON: answers of its API, downloads of its pages, and documents as
//! Elasticsearch stores them.
//!
//! The four envelopes are `{"data": [trace, ...]}`, `{"data": trace}`, a bare trace (an object with
//! `spans`), and one span a document with its `process` inside. Times and durations are
//! microseconds. A reference `CHILD_OF` within the trace names the caller; `FOLLOWS_FROM` is no
//! call.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::FormatOptions;
use super::document_decoder::DocumentReader;
use super::json_documents::{
    elements, flattened, integer, label, member, members, micros, number, text,
};
use super::naming::Naming;
use super::output::Output;
use super::trace_span::{TraceSpan, padded};
use crate::telemetry::{RejectReason, SpanKind};

/// Whether the first bytes of a JSON file are of Jaeger.
pub(super) fn is_jaeger(first: &[u8]) -> bool {
    use super::json_documents::has_key;
    has_key(first, "traceID")
        && (has_key(first, "spanID") || has_key(first, "spans") || has_key(first, "processes"))
}

/// Reads traces of Jaeger.
#[derive(Debug)]
pub(super) struct JaegerReader {
    naming: Naming,
    position: u64,
}

impl JaegerReader {
    pub fn new(options: &FormatOptions) -> Self {
        Self { naming: Naming::new(options), position: 0 }
    }
}

/// What a process says about its spans.
#[derive(Debug, Default)]
struct Process {
    service: String,
    host: String,
    version: String,
}

impl Process {
    fn read(value: &Value) -> Self {
        let tag = |wanted: &str| tags(value).find(|(key, _)| key == wanted).map(|(_, value)| value);
        let names =
            ["service.instance.id", "k8s.pod.name", "container.id", "host.name", "hostname"];
        let host = names.iter().find_map(|name| tag(name)).map(|host| label(host).into_owned());
        let service = text(value, &["serviceName"]).to_owned();
        let version = tag("service.version").map(|version| label(version).into_owned());
        Self { service, host: host.unwrap_or_default(), version: version.unwrap_or_default() }
    }
}

/// The tags of a span or process: a list of keys and values, or the object that Elasticsearch
/// stores with dots replaced by `@`.
fn tags(of: &Value) -> impl Iterator<Item = (Cow<'_, str>, &Value)> {
    let list = member(of, &["tags"]).and_then(Value::as_array).into_iter().flatten();
    let list =
        list.filter_map(|tag| Some((Cow::Borrowed(tag.get("key")?.as_str()?), tag.get("value")?)));
    let object = |name: &str| member(of, &[name]).and_then(Value::as_object).into_iter().flatten();
    let stored = object("tag").chain(object("tags"));
    list.chain(stored.map(|(key, value)| (Cow::Owned(key.replace('@', ".")), value)))
}

impl DocumentReader for JaegerReader {
    fn document(&mut self, value: &RawValue, line: u64, out: &mut Output<'_>) {
        for one in flattened(value) {
            self.object(one, line, out);
        }
    }
}

impl JaegerReader {
    fn object(&mut self, value: &RawValue, line: u64, out: &mut Output<'_>) {
        let object = members(value);
        if let Some(spans) = object.get("spans").and_then(|spans| elements(spans)) {
            let processes = object.get("processes").map(|all| members(all)).unwrap_or_default();
            let processes: BTreeMap<String, Process> = processes
                .into_iter()
                .filter_map(|(id, raw)| {
                    let value = serde_json::from_str(raw.get()).ok()?;
                    Some((id.into_owned(), Process::read(&value)))
                })
                .collect();
            for span in spans {
                self.span(span, &processes, out);
            }
        } else if object.contains_key("spanID") {
            self.span(value, &BTreeMap::new(), out);
        } else if let Some(inner) =
            ["data", "_source", "hits"].iter().find_map(|key| object.get(*key))
        {
            if inner.get().starts_with(['{', '[']) {
                self.document(inner, line, out);
            }
        } else {
            out.rejections.add(RejectReason::BadJson, line, || {
                "the object has neither data, spans nor spanID".to_owned()
            });
        }
    }

    fn span(
        &mut self,
        raw: &RawValue,
        processes: &BTreeMap<String, Process>,
        out: &mut Output<'_>,
    ) {
        self.position += 1;
        let value: Value = serde_json::from_str(raw.get()).unwrap_or(Value::Null);
        let trace = padded(text(&value, &["traceID"]), 32);
        let id = padded(text(&value, &["spanID"]), 16);
        if trace.is_empty() || id.is_empty() {
            return out.rejections.add(RejectReason::MissingField, self.position, || {
                "traceID or spanID is missing".to_owned()
            });
        }
        let own = member(&value, &["process"]).map(Process::read);
        let known = processes.get(text(&value, &["processID"]));
        let process = own.as_ref().or(known);
        let parent = parent(&value, &trace);
        let mut span = TraceSpan {
            trace_id: &trace,
            span_id: &id,
            parent_id: parent.as_deref(),
            service: process.map_or("", |process| &process.service),
            host: process.map_or("", |process| &process.host),
            version: process.map_or("", |process| &process.version),
            operation: text(&value, &["operationName"]),
            start: micros(member(&value, &["startTime"])),
            duration_ms: member(&value, &["duration"])
                .map(number)
                .filter(|micros| *micros >= 0.0)
                .map_or(f64::NAN, |micros| micros / 1e3),
            ..TraceSpan::default()
        };
        for (key, value) in tags(&value) {
            set(&mut span, &key, value);
        }
        span.is_shared = span.kind == SpanKind::Server;
        span.give(&self.naming, self.position, out);
    }
}

/// The caller of a span: its first `CHILD_OF` reference within the trace, or the field of old
/// documents.
fn parent(span: &Value, trace: &str) -> Option<String> {
    let references = member(span, &["references"]).and_then(Value::as_array);
    let mut others = 0;
    for reference in references.into_iter().flatten() {
        let of = text(reference, &["traceID"]);
        let is_call = !text(reference, &["refType"]).eq_ignore_ascii_case("FOLLOWS_FROM");
        if is_call && (of.is_empty() || padded(of, 32) == trace) {
            return Some(padded(text(reference, &["spanID"]), 16)).filter(|id| !id.is_empty());
        }
        others += 1;
    }
    let old = padded(text(span, &["parentSpanID"]), 16);
    let is_set = others == 0 && old.bytes().any(|byte| byte != b'0');
    is_set.then_some(old)
}

/// Sets the field of a span that a tag describes.
pub(super) fn set<'a>(span: &mut TraceSpan<'a>, key: &str, value: &'a Value) {
    let words = value.as_str().filter(|text| !text.is_empty());
    match key {
        "span.kind" => span.kind = words.map_or(SpanKind::Unknown, SpanKind::parse),
        "error" => {
            span.is_error = value.as_bool() == Some(true)
                || words.is_some_and(|word| word.eq_ignore_ascii_case("true"));
        }
        "otel.status_code" => span.is_failed = words == Some("ERROR"),
        "http.status_code" | "http.response.status_code" => {
            span.http_status =
                integer(value).and_then(|code| u16::try_from(code).ok()).unwrap_or(0);
        }
        "http.route" => span.route = words.unwrap_or_default(),
        "peer.service" => span.peer = words,
        "db.type" | "db.system" | "messaging.system" if span.peer.is_none() => span.peer = words,
        _ => {}
    }
}
