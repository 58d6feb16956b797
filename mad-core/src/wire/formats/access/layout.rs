//! Lines of a layout that the user gives.

use super::layout_parse::{Layout, Role};
use super::{Access, Target, note_of_zone, path_of, zone_or_utc};
use crate::error::Result;
use crate::telemetry::{LogLine, Record, RecordKind};
use crate::time::{Timestamp, ZonePolicy};
use crate::wire::formats::lines::LineReader;
use crate::wire::formats::output::Output;
use crate::wire::formats::service::Services;
use crate::wire::formats::{FormatOptions, Unit};
use crate::wire::latency_of_text;

/// Reads lines by a layout.
#[derive(Debug)]
pub(in crate::wire::formats) struct LayoutReader {
    layout: Layout,
    services: Services,
    zone: ZonePolicy,
    /// Whether the lines are those of a log, and not requests.
    is_log: bool,
    was_naive: bool,
}

impl LayoutReader {
    /// # Errors
    ///
    /// The layout cannot be used.
    pub fn new(pattern: &str, options: &FormatOptions) -> Result<Self> {
        let layout = Layout::parse(pattern)?;
        let roles = layout.roles();
        let is_request = |role: &Role| matches!(role, Role::Status | Role::Request | Role::Path);
        let is_log = !roles.iter().any(is_request)
            || (roles.contains(&Role::Body) && !roles.contains(&Role::Status));
        let services = Services::new(options, "log");
        Ok(Self { layout, services, zone: options.zone, is_log, was_naive: false })
    }
}

/// The values of a line.
#[derive(Debug, Default)]
struct Values<'a> {
    time: &'a str,
    request: &'a str,
    method: &'a str,
    path: &'a str,
    status: &'a str,
    latency: Option<f64>,
    upstream: Option<f64>,
    service: &'a str,
    host: &'a str,
    trace: &'a str,
    level: &'a str,
    body: &'a str,
}

impl<'a> Values<'a> {
    fn set(&mut self, role: Role, text: &'a str) {
        let text = if text == "-" { "" } else { text };
        let latency = |factor: f64| (!text.is_empty()).then(|| latency_of_text(text) * factor);
        match role {
            Role::Ignored => {}
            Role::Time => self.time = text.trim_matches(['[', ']']),
            Role::Request => self.request = text,
            Role::Method => self.method = text,
            Role::Path => self.path = text,
            Role::Status => self.status = text,
            Role::Latency(factor) => self.latency = latency(factor),
            Role::Upstream(factor) => self.upstream = latency(factor),
            Role::Service => self.service = text,
            Role::Host => self.host = text,
            Role::Trace => self.trace = text,
            Role::Level => self.level = text,
            Role::Body => self.body = text,
        }
    }

    fn target(&self) -> Target<'a> {
        if self.request.is_empty() {
            let path = if self.path.is_empty() { "" } else { path_of(self.path) };
            Target { method: self.method, path }
        } else {
            Target::of_line(self.request)
        }
    }
}

impl LineReader for LayoutReader {
    fn line(&mut self, text: &str, position: u64, out: &mut Output<'_>) {
        let mut values = Values::default();
        if self.layout.split(text, |role, value| values.set(role, value)).is_none() {
            out.refuse(text, position);
            return;
        }
        let time = Timestamp::parse(values.time, self.zone).or_else(|_| {
            self.was_naive = true;
            Timestamp::parse(values.time, zone_or_utc(self.zone))
        });
        let Some(time) = out.time(time, values.time, position) else { return };
        let service = self.services.of(values.service);
        let latency_ms = values.latency.or(values.upstream).unwrap_or(f64::NAN);
        if self.is_log {
            let body = if values.body.is_empty() { text } else { values.body };
            let line =
                LogLine { host: values.host, ..LogLine::new(time, service, values.level, body) };
            if let Err((reason, field)) = line.check() {
                out.rejections.add(reason, position, || field.to_owned());
                return;
            }
            let unit = Unit {
                time: Some(time),
                service,
                level: values.level,
                latency_ms,
                ..Unit::new(RecordKind::Logs)
            };
            out.sink.unit(&unit);
            out.sink.record(Record::Log(line), position);
            return;
        }
        Access {
            status: values.status.parse().ok(),
            latency_ms,
            trace_id: Some(values.trace).filter(|trace| !trace.is_empty()),
            host: values.host,
            ..Access::new(time, service, values.target())
        }
        .give(position, out);
    }

    fn notes(&self) -> Vec<String> {
        note_of_zone(self.zone).filter(|_| self.was_naive).into_iter().collect()
    }
}
