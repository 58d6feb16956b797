//! Log records of OTLP protobuf messages.

use super::super::Unit;
use super::super::naming::{cut, optional};
use super::attributes::{AnyValue, Resource, each_item, pair, resource_in};
use super::traces::{Context, hex, time};
use crate::limits::MAX_LINE_BYTES;
use crate::telemetry::{LogLine, Record, RecordKind, RejectReason};
use crate::wire::protobuf::{Fields, Malformed};

/// A log record, whatever the encoding.
#[derive(Debug, Default)]
pub(super) struct LogParts<'a> {
    pub time: u64,
    pub observed: u64,
    pub severity: u64,
    pub severity_text: &'a str,
    pub body: &'a str,
    pub trace_id: Option<&'a str>,
}

/// The log records of one `ResourceLogs`.
pub(super) fn resource_logs(message: &[u8], to: &mut Context<'_>) -> Result<(), Malformed> {
    let (resource, mut body) = (resource_in(message)?, String::new());
    each_item(message, |record| {
        *to.position += 1;
        body.clear();
        if log(record, &resource, &mut body, to).is_err() {
            to.malformed("log record");
        }
    })
}

fn log(
    message: &[u8],
    resource: &Resource<'_>,
    body: &mut String,
    to: &mut Context<'_>,
) -> Result<(), Malformed> {
    let (mut parts, mut trace_id): (LogParts<'_>, &[u8]) = (LogParts::default(), &[]);
    let (mut event, mut exception) = ("", "");
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => parts.time = value.integer(),
            11 => parts.observed = value.integer(),
            2 => parts.severity = value.integer(),
            3 => parts.severity_text = value.text().unwrap_or_default(),
            5 => AnyValue::read(value.bytes())?.write(body),
            6 => match pair(value.bytes())? {
                ("exception.message", value) => exception = value.text(),
                ("event.name", value) => event = value.text(),
                _ => {}
            },
            9 => trace_id = value.bytes(),
            12 => event = value.text().unwrap_or_default(),
            _ => {}
        }
    }
    let mut digits = [0_u8; 32];
    parts.trace_id = hex(trace_id, &mut digits);
    parts.body = [body.as_str(), exception, event]
        .into_iter()
        .find(|text| !text.is_empty())
        .unwrap_or_default();
    parts.give(resource, to);
    Ok(())
}

impl LogParts<'_> {
    /// Hands the record to the sink.
    pub fn give(&self, resource: &Resource<'_>, to: &mut Context<'_>) {
        let Some(at) = time(self.time).or_else(|| time(self.observed)) else {
            to.out.rejections.add(RejectReason::BadTimestamp, *to.position, || {
                "neither time nor observed time is set".to_owned()
            });
            return;
        };
        let level = level(self.severity, self.severity_text);
        to.out.sink.unit(&Unit {
            time: Some(at),
            service: resource.service,
            has_service: true,
            level,
            ..Unit::new(RecordKind::Logs)
        });
        let named = to.naming.service(resource.service);
        to.memory.version(named, resource.version, at, to.out.sink);
        let (service, host) = (optional(named), optional(resource.host));
        let body = if self.body.trim().is_empty() { "-" } else { self.body };
        let line = LogLine::new(at, &service, level, cut(body, MAX_LINE_BYTES));
        let record = Record::Log(LogLine { trace_id: self.trace_id, host: &host, ..line });
        match record.check() {
            Ok(()) => to.out.sink.record(record, *to.position),
            Err((reason, field)) => {
                to.out.rejections.add(reason, *to.position, || format!("log record: {field}"));
            }
        }
    }
}

/// The level of a log record: that of its severity number, else its text.
fn level(number: u64, text: &str) -> &str {
    match number {
        1..=4 => "TRACE",
        5..=8 => "DEBUG",
        9..=12 => "INFO",
        13..=16 => "WARN",
        17..=20 => "ERROR",
        21..=24 => "FATAL",
        _ => text,
    }
}
