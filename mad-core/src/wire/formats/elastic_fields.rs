//! What events of Elastic APM state: their kind, origin and time, with keys nested or joined by dots.

use serde_json::Value;

use super::json_documents::{member, moment};
use crate::telemetry::SpanKind;
use crate::time::{Timestamp, ZonePolicy};

/// Where events come from.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    pub service: String,
    /// The service that the event states in its own object. Names with dots count for records only.
    pub stated: String,
    pub version: String,
    pub host: String,
}

/// The member at a path of keys, nested or written with dots. The nested one is taken first.
pub(super) fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let nested = path.split_once('.').and_then(|(first, rest)| at(member(value, &[first])?, rest));
    nested.or_else(|| member(value, &[path]))
}

pub(super) fn text_at<'v>(value: &'v Value, path: &str) -> &'v str {
    at(value, path).and_then(Value::as_str).unwrap_or_default()
}

/// The first text at one of the paths.
pub(super) fn first_text<'v>(value: &'v Value, paths: &[&str]) -> &'v str {
    paths
        .iter()
        .map(|path| text_at(value, path))
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}

impl Origin {
    pub fn read(value: &Value) -> Self {
        let hosts = [
            "service.node.name",
            "service.node.configured_name",
            "system.kubernetes.pod.name",
            "kubernetes.pod.name",
            "system.container.id",
            "container.id",
            "system.configured_hostname",
            "system.detected_hostname",
            "system.hostname",
            "host.name",
            "host.hostname",
        ];
        Self {
            service: text_at(value, "service.name").to_owned(),
            stated: text_at(value, "service.name").to_owned(),
            version: text_at(value, "service.version").to_owned(),
            host: first_text(value, &hosts).to_owned(),
        }
    }
}

/// The kind of an event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Event {
    Transaction,
    Span,
    Error,
    Metrics,
    Log,
}

pub(super) const EVENTS: [(&str, Event); 5] = [
    ("transaction", Event::Transaction),
    ("span", Event::Span),
    ("error", Event::Error),
    ("metricset", Event::Metrics),
    ("log", Event::Log),
];

/// The kind of a stored document.
pub(super) fn stored_kind(document: &Value) -> Event {
    let named = first_text(document, &["processor.event", "data_stream.type"]);
    if let Some((_, kind)) = EVENTS.iter().find(|(name, _)| *name == named) {
        return *kind;
    }
    if at(document, "error").is_some() {
        Event::Error
    } else if at(document, "metricset").is_some() || matches!(named, "metric" | "metrics") {
        Event::Metrics
    } else if at(document, "transaction.type").is_some()
        || at(document, "transaction.name").is_some()
    {
        Event::Transaction
    } else if at(document, "span.name").is_some() || at(document, "span.type").is_some() {
        Event::Span
    } else {
        Event::Log
    }
}

pub(super) fn span_kind(kind: Event, work: &str) -> SpanKind {
    let work = work.split('.').next().unwrap_or_default();
    match (kind, work) {
        (Event::Transaction, "messaging") => SpanKind::Consumer,
        (Event::Transaction, "request" | "http_request") => SpanKind::Server,
        (Event::Span, "db" | "external" | "cache" | "storage") => SpanKind::Client,
        (Event::Span, "messaging") => SpanKind::Producer,
        _ => SpanKind::Internal,
    }
}

/// A time in microseconds, or as text whose zone may lack its colon.
pub(super) fn written_time(value: Option<&Value>) -> Option<Timestamp> {
    if let Some(found) = moment(value) {
        return Some(found);
    }
    let text = value?.as_str()?;
    let (time, zone) = text.split_at_checked(text.len().checked_sub(5)?)?;
    let (hours, minutes) = zone.split_at_checked(3)?;
    let is_zone =
        hours.starts_with(['+', '-']) && minutes.bytes().all(|byte| byte.is_ascii_digit());
    is_zone.then_some(())?;
    Timestamp::parse(&format!("{time}{hours}:{minutes}"), ZonePolicy::Refuse).ok()
}
