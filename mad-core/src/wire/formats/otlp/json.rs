//! OTLP as JSON.

use std::fmt::Write as _;

use serde_json::Value;
use serde_json::value::RawValue;

use super::super::FormatOptions;
use super::super::document_decoder::DocumentReader;
use super::super::json_documents::{elements, flattened, integer, label, member, members, text};
use super::super::memory::TelemetryMemory;
use super::super::naming::Naming;
use super::super::output::Output;
use super::super::trace_span::{TraceSpan, is_id};
use super::attributes::{AnyValue, Resource};
use super::json_metrics;
use super::json_values::{attributes, nanos, plain};
use super::logs::LogParts;
use super::traces::{self, Context, duration_ms, time};
use crate::telemetry::{RejectReason, SpanKind};

/// The field names of one signal, with those before version 1.0.
struct Names {
    signal: Signal,
    /// Of the request.
    resources: &'static [&'static str],
    /// Of a resource.
    scopes: &'static [&'static str],
    /// Of a scope.
    items: &'static [&'static str],
}

const SIGNALS: [Names; 4] = [
    Names {
        signal: Signal::Traces,
        resources: &["resourceSpans", "resource_spans"],
        scopes: &[
            "scopeSpans",
            "scope_spans",
            "instrumentationLibrarySpans",
            "instrumentation_library_spans",
        ],
        items: &["spans"],
    },
    Names {
        signal: Signal::Tempo,
        resources: &["batches"],
        scopes: &["scopeSpans", "instrumentationLibrarySpans"],
        items: &["spans"],
    },
    Names {
        signal: Signal::Metrics,
        resources: &["resourceMetrics", "resource_metrics"],
        scopes: &[
            "scopeMetrics",
            "scope_metrics",
            "instrumentationLibraryMetrics",
            "instrumentation_library_metrics",
        ],
        items: &["metrics"],
    },
    Names {
        signal: Signal::Logs,
        resources: &["resourceLogs", "resource_logs"],
        scopes: &[
            "scopeLogs",
            "scope_logs",
            "instrumentationLibraryLogs",
            "instrumentation_library_logs",
        ],
        items: &["logRecords", "log_records", "logs"],
    },
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Signal {
    Traces,
    /// Traces as the API of Tempo answers, whose ids are in base64.
    Tempo,
    Metrics,
    Logs,
}

/// Whether the first bytes of a JSON file are OTLP.
pub(in super::super) fn is_json(first: &[u8]) -> bool {
    let has = |name: &str| super::super::json_documents::has_key(first, name);
    SIGNALS.iter().any(|names| {
        let is_sure = names.signal != Signal::Tempo || names.scopes.iter().any(|name| has(name));
        is_sure && names.resources.iter().any(|name| has(name))
    })
}

/// Reads OTLP JSON.
#[derive(Debug)]
pub(in super::super) struct OtlpJsonReader {
    naming: Naming,
    memory: TelemetryMemory,
    position: u64,
}

impl OtlpJsonReader {
    pub fn new(options: &FormatOptions) -> Self {
        Self { naming: Naming::new(options), memory: TelemetryMemory::default(), position: 0 }
    }
}

impl DocumentReader for OtlpJsonReader {
    fn document(&mut self, value: &RawValue, line: u64, out: &mut Output<'_>) {
        for request in flattened(value) {
            self.request(request, line, out);
        }
    }

    fn memory(&mut self) -> Option<&mut TelemetryMemory> {
        Some(&mut self.memory)
    }
}

impl OtlpJsonReader {
    fn request(&mut self, request: &RawValue, line: u64, out: &mut Output<'_>) {
        let mut request = members(request);
        // answers of Tempo's second version, and of Jaeger's third
        if let Some(inner) = request.get("trace").or_else(|| request.get("result")) {
            request = members(inner);
        }
        let mut to = Context {
            naming: &self.naming,
            out: Output::new(out.sink, out.rejections),
            memory: &mut self.memory,
            position: &mut self.position,
        };
        let mut found = false;
        for names in &SIGNALS {
            for resource in names.resources.iter().filter_map(|name| request.get(*name)) {
                found = true;
                let Some(resources) = elements(resource) else {
                    wrong(&mut to, "the list of resources", "is no array");
                    continue;
                };
                for one in resources {
                    resource_items(names, one, &mut to);
                }
            }
        }
        if !found {
            to.out.rejections.add(RejectReason::BadJson, line, || {
                "the object has no resourceSpans, resourceMetrics or resourceLogs".to_owned()
            });
        }
    }
}

fn wrong(to: &mut Context<'_>, name: &str, what: &str) {
    *to.position += 1;
    to.out.rejections.add(RejectReason::BadJson, *to.position, || format!("{name} {what}"));
}

fn resource_items(names: &Names, one: &RawValue, to: &mut Context<'_>) {
    if !one.get().starts_with('{') {
        return wrong(to, "an element of the resources", "is no object");
    }
    let of_resource = members(one);
    let stated: Value = of_resource
        .get("resource")
        .filter(|raw| raw.get().len() <= MOST_ITEM_BYTES)
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or(Value::Null);
    let mut resource = Resource::default();
    for (key, value) in attributes(&stated) {
        resource.set(key, any_value(value).text());
    }
    for scope in names.scopes.iter().filter_map(|name| of_resource.get(*name)) {
        let Some(scopes) = elements(scope) else {
            wrong(to, "the list of scopes", "is no array");
            continue;
        };
        for scope in scopes {
            if !scope.get().starts_with('{') {
                wrong(to, "an element of the scopes", "is no object");
                continue;
            }
            let scope = members(scope);
            for list in names.items.iter().filter_map(|name| scope.get(*name)) {
                let Some(list) = elements(list) else {
                    wrong(to, "the list of items", "is no array");
                    continue;
                };
                for item in list {
                    give(names.signal, item, &resource, to);
                }
            }
        }
    }
}

/// Most bytes of a span, a log record or a resource, and of a metric with all its points. Parsed, they
/// take up to 60 times as much memory.
const MOST_ITEM_BYTES: usize = 1 << 20;
const MOST_METRIC_BYTES: usize = 4 << 20;

fn give(signal: Signal, item: &RawValue, resource: &Resource<'_>, to: &mut Context<'_>) {
    let is_metric = matches!(signal, Signal::Metrics);
    let most = if is_metric { MOST_METRIC_BYTES } else { MOST_ITEM_BYTES };
    if item.get().len() > most {
        return wrong(to, "an item", "is larger than 1 MiB (a metric: 4 MiB)");
    }
    let Ok(item) = serde_json::from_str::<Value>(item.get()) else { return };
    if !item.is_object() {
        return wrong(to, "an item", "is no object");
    }
    match signal {
        Signal::Traces => span(&item, resource, to),
        Signal::Tempo => {
            let mut item = item;
            for key in ["traceId", "spanId", "parentSpanId"] {
                let id = item.get(key).and_then(Value::as_str).and_then(hex_of_base64);
                if let (Some(id), Some(place)) = (id, item.get_mut(key)) {
                    *place = Value::String(id);
                }
            }
            span(&item, resource, to);
        }
        Signal::Metrics => json_metrics::metric(&item, resource, to),
        Signal::Logs => log(&item, resource, to),
    }
}

/// The hexadecimal digits of an id in base64; `None` for another text, such as one in hexadecimal
/// digits already.
fn hex_of_base64(text: &str) -> Option<String> {
    let digits = text.trim_end_matches('=');
    if !matches!((text.len(), digits.len()), (24, 22) | (12, 11)) {
        return None;
    }
    let (mut held, mut bits, mut out) = (0_u32, 0, String::new());
    for byte in digits.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        held = (held << 6 | u32::from(value)) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            let _ = write!(out, "{:02x}", held >> bits & 0xff);
        }
    }
    Some(out)
}

/// The value of an `AnyValue` object, as far as the decoders look at it.
fn any_value(value: &Value) -> AnyValue<'_> {
    let Some((name, inner)) = value.as_object().and_then(|object| object.iter().next()) else {
        return AnyValue::Empty;
    };
    match name.as_str() {
        "stringValue" | "string_value" => AnyValue::Text(inner.as_str().unwrap_or_default()),
        "intValue" | "int_value" => integer(inner).map_or(AnyValue::Empty, AnyValue::Integer),
        "boolValue" | "bool_value" => inner.as_bool().map_or(AnyValue::Empty, AnyValue::Bool),
        "doubleValue" | "double_value" => {
            AnyValue::Double(super::super::json_documents::number(inner))
        }
        _ => AnyValue::Empty,
    }
}

fn span(item: &Value, resource: &Resource<'_>, to: &mut Context<'_>) {
    *to.position += 1;
    let trace_id = text(item, &["traceId", "trace_id"]).to_ascii_lowercase();
    let span_id = text(item, &["spanId", "span_id"]).to_ascii_lowercase();
    let parent = text(item, &["parentSpanId", "parent_span_id"]).to_ascii_lowercase();
    if !is_id(&trace_id, 32, true) || !is_id(&span_id, 16, true) {
        to.out.rejections.add(RejectReason::MissingField, *to.position, || {
            format!("traceId {trace_id:?} or spanId {span_id:?} is no id in hexadecimal digits")
        });
        return;
    }
    let start = nanos(item, &["startTimeUnixNano", "start_time_unix_nano"]);
    let end = nanos(item, &["endTimeUnixNano", "end_time_unix_nano"]);
    let code = member(item, &["status"]).and_then(|status| member(status, &["code"]));
    let code = match code {
        Some(Value::String(name)) if name.ends_with("ERROR") => 2,
        Some(Value::String(name)) if name.ends_with("OK") => 1,
        Some(code) => integer(code).unwrap_or(0),
        None => 0,
    };
    let mut span = TraceSpan {
        trace_id: &trace_id,
        span_id: &span_id,
        parent_id: Some(parent.as_str()).filter(|id| is_id(id, 16, true)),
        service: resource.service,
        host: resource.host,
        version: resource.version,
        operation: text(item, &["name"]),
        start: time(start),
        duration_ms: duration_ms(start, end),
        kind: member(item, &["kind"])
            .map_or(SpanKind::Unknown, |kind| SpanKind::parse(&label(kind))),
        is_error: code == 2,
        ..TraceSpan::default()
    };
    for (key, value) in attributes(item) {
        traces::set(&mut span, key, any_value(value));
    }
    if code == 1 {
        span.http_status = 0;
    }
    if let Some(start) = span.start {
        to.memory.version(
            to.naming.service(resource.service),
            resource.version,
            start,
            to.out.sink,
        );
    }
    span.give(to.naming, *to.position, &mut to.out);
    let events = member(item, &["events"]).and_then(Value::as_array);
    for event in events.into_iter().flatten() {
        if text(event, &["name"]) == "exception" {
            let of = |wanted: &str| {
                let found = attributes(event).find(|(key, _)| *key == wanted);
                found.map_or("", |(_, value)| any_value(value).text())
            };
            let said = [of("exception.type"), of("exception.message")];
            let at = time(nanos(event, &["timeUnixNano", "time_unix_nano"]));
            traces::exception(at, said, &span, to);
        }
    }
}

fn log(item: &Value, resource: &Resource<'_>, to: &mut Context<'_>) {
    *to.position += 1;
    let body = member(item, &["body"]).map_or(Value::Null, |body| plain(body, 0));
    let mut body = if body.is_null() { String::new() } else { label(&body).into_owned() };
    for (key, value) in attributes(item) {
        if body.is_empty() && matches!(key, "exception.message" | "event.name") {
            any_value(value).text().clone_into(&mut body);
        }
    }
    if body.is_empty() {
        text(item, &["eventName", "event_name"]).clone_into(&mut body);
    }
    let severity = member(item, &["severityNumber", "severity_number"]);
    let severity = match severity {
        Some(Value::String(name)) => severity_of(name),
        Some(number) => integer(number).and_then(|number| u64::try_from(number).ok()).unwrap_or(0),
        None => 0,
    };
    let trace = text(item, &["traceId", "trace_id"]).to_ascii_lowercase();
    LogParts {
        time: nanos(item, &["timeUnixNano", "time_unix_nano"]),
        observed: nanos(item, &["observedTimeUnixNano", "observed_time_unix_nano"]),
        severity,
        severity_text: text(item, &["severityText", "severity_text"]),
        body: &body,
        trace_id: Some(trace.as_str()).filter(|id| is_id(id, 32, true)),
    }
    .give(resource, to);
}

/// The number of a severity that is written by name, such as `SEVERITY_NUMBER_ERROR2`, or as text.
fn severity_of(name: &str) -> u64 {
    const FIRST: [(&str, u64); 6] =
        [("TRACE", 1), ("DEBUG", 5), ("INFO", 9), ("WARN", 13), ("ERROR", 17), ("FATAL", 21)];
    if let Ok(number) = name.trim().parse() {
        return number;
    }
    let word = name.trim_start_matches("SEVERITY_NUMBER_");
    let found = FIRST.iter().find(|(level, _)| word.starts_with(level));
    found.map_or(0, |(_, number)| *number)
}
