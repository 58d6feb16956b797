//! Telemetry of Elastic APM: the lines that agents send (intake version 2) and the documents that
//! Elasticsearch stores.
//!
//! In the intake, each line is an object with one key that names the event. The line `metadata`
//! comes first and holds for the events after it. Durations are milliseconds and times are
//! microseconds. An event without a time counts as read and gives no record, because the server
//! dates it when it arrives. Stored documents have `@timestamp`, and durations in `event.duration`
//! (nanoseconds) or `transaction.duration.us`.

use serde_json::Value;
use serde_json::value::RawValue;

use super::document_decoder::DocumentReader;
use super::elastic_fields::{
    EVENTS, Event, Origin, at, first_text, span_kind, stored_kind, text_at, written_time,
};
use super::json_documents::{flattened, integer, label, member, members, moment, number, text};
use super::memory::TelemetryMemory;
use super::metric_series::SeriesPoint;
use super::naming::{Naming, cut, optional};
use super::output::Output;
use super::series_name::{SeriesName, resource_of};
use super::trace_span::{TraceSpan, padded};
use super::{FormatOptions, FormatSink, Unit};
use crate::limits::MAX_LINE_BYTES;
use crate::telemetry::{LogLine, Record, RecordKind, RejectReason};
use crate::time::Timestamp;

/// Whether the first bytes of a JSON file are of Elastic APM.
pub(super) fn is_elastic(first: &[u8]) -> bool {
    use super::json_documents::has_key;
    let start = first.trim_ascii_start();
    let begins = |key: &str| {
        let rest = start.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
        rest.is_some_and(|rest| {
            rest.strip_prefix(b"\"").is_some_and(|rest| {
                rest.strip_prefix(key.as_bytes()).is_some_and(|rest| rest.starts_with(b"\""))
            })
        })
    };
    let intake = ["metadata", "transaction", "span", "error", "metricset", "log"];
    let is_intake = begins("metadata") && intake.iter().skip(1).any(|key| has_key(first, key));
    let is_stored = has_key(first, "@timestamp")
        && (has_key(first, "processor") || has_key(first, "agent"))
        && ["transaction", "span", "error", "metricset"].iter().any(|key| has_key(first, key))
        && has_key(first, "service");
    is_intake || (begins("metadata") && has_key(first, "service")) || is_stored
}

/// Reads telemetry of Elastic APM.
#[derive(Debug)]
pub(super) struct ElasticReader {
    naming: Naming,
    memory: TelemetryMemory,
    position: u64,
    metadata: Origin,
}

impl ElasticReader {
    pub fn new(options: &FormatOptions) -> Self {
        Self {
            naming: Naming::new(options),
            memory: TelemetryMemory::default(),
            position: 0,
            metadata: Origin::default(),
        }
    }
}

impl DocumentReader for ElasticReader {
    fn document(&mut self, value: &RawValue, line: u64, out: &mut Output<'_>) {
        for one in flattened(value) {
            self.object(one, line, out);
        }
    }

    fn memory(&mut self) -> Option<&mut TelemetryMemory> {
        Some(&mut self.memory)
    }
}

impl ElasticReader {
    fn object(&mut self, value: &RawValue, line: u64, out: &mut Output<'_>) {
        let object = members(value);
        if let Some(inner) = ["events", "hits", "_source"].iter().find_map(|key| object.get(*key)) {
            return self.document(inner, line, out);
        }
        let parsed = |raw: &RawValue| serde_json::from_str(raw.get()).unwrap_or(Value::Null);
        if object.contains_key("@timestamp") && !object.contains_key("metadata") {
            return self.stored(&parsed(value), out);
        }
        if let Some(metadata) = object.get("metadata") {
            self.metadata = Origin::read(&parsed(metadata));
            return;
        }
        let event = EVENTS.iter().find_map(|(name, kind)| Some((*kind, object.get(*name)?)));
        let Some((kind, event)) = event else {
            // the action line of a bulk request
            if ["index", "create"].iter().any(|key| object.contains_key(*key)) {
                return;
            }
            return out.rejections.add(RejectReason::BadJson, line, || {
                "the object is no event of Elastic APM".to_owned()
            });
        };
        self.intake(kind, &parsed(event), out);
    }

    fn intake(&mut self, kind: Event, event: &Value, out: &mut Output<'_>) {
        let mut origin = self.metadata.clone();
        let replaced = first_text(event, &["context.service.name", "service.name"]);
        if !replaced.is_empty() {
            replaced.clone_into(&mut origin.service);
        }
        let nested = ["context", "service"].iter().find_map(|name| {
            let inner = member(event, &[name])?;
            let inner = if *name == "context" { member(inner, &["service"])? } else { inner };
            Some(text(inner, &["name"])).filter(|name| !name.is_empty())
        });
        if let Some(nested) = nested {
            nested.clone_into(&mut origin.stated);
        }
        let time = written_time(at(event, "@timestamp").or_else(|| at(event, "timestamp")));
        let kind_of_work = text_at(event, "type");
        let span = TraceSpan {
            operation: text(event, &["name"]),
            duration_ms: at(event, "duration").map_or(f64::NAN, number),
            start: time,
            kind: span_kind(kind, kind_of_work),
            peer: Some(first_text(
                event,
                &[
                    "context.service.target.name",
                    "context.destination.service.resource",
                    "context.service.target.type",
                ],
            ))
            .filter(|peer| !peer.is_empty()),
            is_error: text_at(event, "outcome") == "failure",
            http_status: ["context.response.status_code", "context.http.status_code"]
                .iter()
                .find_map(|path| at(event, path))
                .and_then(integer)
                .and_then(|code| u16::try_from(code).ok())
                .unwrap_or(0),
            ..TraceSpan::default()
        };
        let ids = [
            text_at(event, "trace_id"),
            text_at(event, "id"),
            first_text(event, &["parent_id", "transaction_id"]),
        ];
        match kind {
            Event::Transaction | Event::Span => self.span(span, ids, &origin, out),
            Event::Metrics => self.metrics(event, at(event, "samples"), time, &origin, out.sink),
            Event::Error => {
                let said = first_text(
                    event,
                    &["exception.message", "log.message", "exception.type", "culprit"],
                );
                self.log(time, "ERROR", said, ids[0], &origin, out);
            }
            Event::Log => {
                let level = first_text(event, &["log.level", "level"]);
                let trace = first_text(event, &["trace.id", "trace_id"]);
                self.log(time, level, text(event, &["message"]), trace, &origin, out);
            }
        }
    }

    fn stored(&mut self, document: &Value, out: &mut Output<'_>) {
        let origin = Origin::read(document);
        let precise = at(document, "timestamp.us").and_then(|us| moment(Some(us)));
        let time = written_time(at(document, "@timestamp")).or(precise);
        let kind = stored_kind(document);
        let nanos = at(document, "event.duration").map(|nanos| number(nanos) / 1e6);
        let micros = ["transaction.duration.us", "span.duration.us"]
            .iter()
            .find_map(|path| at(document, path))
            .map(|micros| number(micros) / 1e3);
        let of = if kind == Event::Transaction { "transaction" } else { "span" };
        let name = format!("{of}.name");
        let id = format!("{of}.id");
        let work = format!("{of}.type");
        let span = TraceSpan {
            operation: text_at(document, &name),
            duration_ms: nanos.or(micros).unwrap_or(f64::NAN),
            start: time,
            kind: span_kind(kind, text_at(document, &work)),
            peer: Some(first_text(
                document,
                &[
                    "service.target.name",
                    "span.destination.service.resource",
                    "service.target.type",
                ],
            ))
            .filter(|peer| !peer.is_empty()),
            is_error: text_at(document, "event.outcome") == "failure",
            http_status: at(document, "http.response.status_code")
                .and_then(integer)
                .and_then(|code| u16::try_from(code).ok())
                .unwrap_or(0),
            ..TraceSpan::default()
        };
        let trace = text_at(document, "trace.id");
        match kind {
            Event::Transaction | Event::Span => {
                let ids = [trace, text_at(document, &id), text_at(document, "parent.id")];
                self.span(span, ids, &origin, out);
            }
            Event::Metrics => {
                let samples = at(document, "metricset.samples");
                self.metrics(document, samples, time, &origin, out.sink);
            }
            Event::Error => {
                let exceptions = at(document, "error.exception").and_then(Value::as_array);
                let first = exceptions.and_then(|all| all.first()).unwrap_or(&Value::Null);
                let said = [
                    text(first, &["message"]),
                    first_text(document, &["error.log.message", "error.message", "message"]),
                    text(first, &["type"]),
                    text_at(document, "error.culprit"),
                ];
                let said = said.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
                self.log(time, "ERROR", said, trace, &origin, out);
            }
            Event::Log => {
                let level = first_text(document, &["log.level", "level"]);
                let said = text(document, &["message"]);
                self.log(time, level, said, trace, &origin, out);
            }
        }
    }

    fn span(
        &mut self,
        span: TraceSpan<'_>,
        [trace, id, parent]: [&str; 3],
        origin: &Origin,
        out: &mut Output<'_>,
    ) {
        self.position += 1;
        let (trace, id, parent) = (padded(trace, 32), padded(id, 16), padded(parent, 16));
        if let Some(start) = span.start {
            let service = self.naming.service(&origin.service);
            self.memory.version(service, &origin.version, start, out.sink);
        }
        let span = TraceSpan {
            // an event of an old agent belongs to no trace but its own
            trace_id: if trace.is_empty() { &id } else { &trace },
            span_id: &id,
            parent_id: Some(parent.as_str()).filter(|parent| !parent.is_empty()),
            service: &origin.service,
            host: &origin.host,
            may_lack_start: true,
            ..span
        };
        span.give(&self.naming, self.position, out);
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one line")]
    fn log(
        &mut self,
        time: Option<Timestamp>,
        level: &str,
        body: &str,
        trace: &str,
        origin: &Origin,
        out: &mut Output<'_>,
    ) {
        self.position += 1;
        let unit = Unit::new(RecordKind::Logs);
        out.sink.unit(&Unit { time, service: &origin.stated, has_service: true, level, ..unit });
        let Some(at) = time else { return };
        let service = optional(self.naming.service(&origin.service));
        let host = optional(&origin.host);
        let body = if body.is_empty() { "-" } else { cut(body, MAX_LINE_BYTES) };
        let line = LogLine::new(at, &service, level, body);
        let trace_id = Some(trace).filter(|trace| !trace.is_empty());
        let record = Record::Log(LogLine { trace_id, host: &host, ..line });
        match record.check() {
            Ok(()) => out.sink.record(record, self.position),
            Err((reason, field)) => {
                out.rejections.add(reason, self.position, || format!("log: {field}"));
            }
        }
    }

    /// The samples of a set of metrics: an object by name, or a list of objects with names.
    fn metrics(
        &mut self,
        event: &Value,
        samples: Option<&Value>,
        time: Option<Timestamp>,
        origin: &Origin,
        sink: &mut dyn FormatSink,
    ) {
        self.position += 1;
        let service = &*origin.service;
        let unit = Unit::new(RecordKind::Metrics);
        sink.unit(&Unit { time, service, has_service: true, ..unit });
        let Some(time) = time else { return };
        let tags = ["tags", "labels"].iter().find_map(|name| member(event, &[name]));
        let tags: Vec<(&str, String)> = tags
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), label(value).into_owned()))
            .collect();
        let resource = resource_of(tags.iter().map(|(key, value)| (*key, value.as_str())));
        let by_name = samples.and_then(Value::as_object).into_iter().flatten();
        let by_name = by_name.map(|(name, sample)| (name.as_str(), sample));
        let list = samples.and_then(Value::as_array).into_iter().flatten();
        let list = list.map(|sample| (text(sample, &["name"]), sample));
        for (metric, sample) in by_name.chain(list) {
            let Some(value) = member(sample, &["value"]) else { continue };
            let service = self.naming.service(service);
            let mut point = SeriesPoint {
                name: SeriesName { service, host: &origin.host, metric, resource: &resource },
                key: None,
                is_accepted: false,
                at: time,
                start: None,
                position: self.position,
                memory: &mut self.memory,
                sink,
            };
            point.gauge(number(value));
        }
    }
}
