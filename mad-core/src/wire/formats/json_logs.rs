//! JSON logs of any shape: one object a line, of an application or of a proxy.

use std::borrow::Cow;

use super::access::{Access, Target, endpoint_of, note_of_zone, path_of, zone_or_utc};
use super::json_facts::{BODY, ENDPOINT, Extra, ExtraKey, Facts, HOST, LEVEL, TRACE};
use super::lines::LineReader;
use super::output::Output;
use super::service::{Services, host_name};
use super::syslog::severity;
use super::text_level::{canonical, level_in};
use super::{Code, FormatOptions, Unit};
use crate::limits::MAX_LINE_BYTES;
use crate::telemetry::{LogLine, Record, RecordKind, RejectReason, Request, Status};
use crate::time::{Timestamp, ZonePolicy};
use crate::wire::json_members::{KeyPlaces, Members};
use crate::wire::json_object::{Fields, Layout};
use crate::wire::scalar::Scalar;
use crate::wire::{Changes, Kind, Logs, Metrics, Requests, Spans, Value};

/// Reads objects on lines.
#[derive(Debug)]
pub(super) struct JsonReader {
    requests: Layout<Requests>,
    logs: Layout<Logs>,
    extra: KeyPlaces<Option<ExtraKey>>,
    services: Services,
    zone: ZonePolicy,
    /// Whether the objects are the access log of a proxy.
    is_access: bool,
    was_naive: bool,
}

impl JsonReader {
    /// Whether the first objects are requests or log lines decides about all.
    pub fn new(options: &FormatOptions, first: &str) -> Self {
        let mut requests = Layout::new();
        let mut logs = Layout::new();
        requests.map = options.map.clone();
        logs.map = options.map.clone();
        let mut reader = Self {
            requests,
            logs,
            extra: KeyPlaces::new(),
            services: Services::new(options, "app"),
            zone: options.zone,
            is_access: false,
            was_naive: false,
        };
        let (mut access, mut others) = (0, 0);
        for line in first.lines().filter(|line| line.trim_start().starts_with('{')).take(50) {
            match reader.read(line).map(|facts| facts.is_access()) {
                Some(true) => access += 1,
                _ => others += 1,
            }
        }
        reader.is_access = match options.kind {
            Some(kind) => kind == RecordKind::Requests,
            None => access > others,
        };
        reader
    }

    fn read<'a>(&mut self, text: &'a str) -> Option<Facts<'a>> {
        let members = Members::read(text).ok()?;
        let requests = Fields::of_members(&members, &mut self.requests).ok()?;
        let logs = Fields::of_members(&members, &mut self.logs).ok()?;
        let extra = Extra::of_members(&members, &mut self.extra);
        Some(Facts { requests, logs, extra })
    }
}

impl LineReader for JsonReader {
    fn line(&mut self, text: &str, position: u64, out: &mut Output<'_>) {
        let text = text.trim();
        let zone = self.zone;
        let is_access = self.is_access;
        let Some(facts) = self.read(text) else {
            out.rejections.add(RejectReason::BadJson, position, || text.to_owned());
            return;
        };
        for (field, key) in self.requests.renamed.drain(..).chain(self.logs.renamed.drain(..)) {
            out.rejections.rename(field, &key);
        }
        let time = match facts.time(zone) {
            Err(RejectReason::NaiveTimestamp) => {
                self.was_naive = true;
                facts.time(zone_or_utc(zone))
            }
            other => other,
        };
        let time = match time {
            Ok(time) => time,
            Err(reason) => {
                out.rejections.add(reason, position, || facts.logs.detail("timestamp"));
                return;
            }
        };
        if is_access {
            give_access(&facts, time, &self.services, position, out);
        } else {
            give_log(&facts, time, &self.services, (text, position), out);
        }
    }

    fn set_service(&mut self, service: &str) {
        self.services.set_otherwise(service);
    }

    fn notes(&self) -> Vec<String> {
        note_of_zone(self.zone).filter(|_| self.was_naive).into_iter().collect()
    }
}

/// The path of a request, or of a whole request line.
fn target_of<'a>(facts: &'a Facts<'_>) -> Target<'a> {
    let written = facts.request(ENDPOINT).text().unwrap_or_default();
    if written.contains(' ') {
        let target = Target::of_line(written);
        if !target.path.is_empty() {
            return target;
        }
    }
    if written.is_empty() || written == "-" {
        return Target::default();
    }
    Target { method: &facts.extra.method, path: path_of(written) }
}

fn give_access(
    facts: &Facts<'_>,
    time: Timestamp,
    services: &Services,
    position: u64,
    out: &mut Output<'_>,
) {
    let stated = facts.service().split('@').next().unwrap_or_default();
    let stated = super::access::cluster_service(stated);
    let stated = if stated.is_empty() { host_name(&facts.extra.host) } else { stated };
    let status = match facts.status() {
        Some(Status::Http(code)) => Some(i32::from(code)),
        Some(Status::NoResponse) => Some(0),
        _ => None,
    };
    Access {
        status,
        latency_ms: facts.latency(),
        is_aborted: facts.extra.flags.split(',').any(|flag| flag == "DC"),
        trace_id: facts.log(TRACE).text().ok().filter(|trace| !trace.is_empty()),
        ..Access::new(time, services.of(stated), target_of(facts))
    }
    .give(position, out);
}

/// A log line; and a request where the line states the end of one: status, path and latency.
fn give_log(
    facts: &Facts<'_>,
    time: Timestamp,
    services: &Services,
    (text, position): (&str, u64),
    out: &mut Output<'_>,
) {
    let stated = facts.service();
    let service = services.of(stated);
    let status = facts.status();
    let latency_ms = facts.latency();
    let body = facts.log(BODY).text().ok().filter(|body| !body.is_empty()).unwrap_or(text);
    let mut end = body.len().min(MAX_LINE_BYTES);
    while !body.is_char_boundary(end) {
        end -= 1;
    }
    let trace_id = facts.log(TRACE).text().ok().filter(|trace| !trace.is_empty());
    let host = facts.log(HOST).text().unwrap_or_default();
    let level = match facts.log(LEVEL) {
        Scalar::Integer(number) => Cow::Owned(number.to_string()),
        other => Cow::Borrowed(other.text().unwrap_or_default()),
    };
    let level = match level.parse() {
        Ok(number @ 0..=7) if facts.extra.is_syslog => Cow::Borrowed(severity(number)),
        // the text has its own fields
        _ if level.is_empty() && body.len() < text.len() => Cow::Borrowed(level_in(body)),
        _ => level,
    };
    let line = LogLine {
        trace_id,
        host,
        ..LogLine::new(time, service, &level, body.get(..end).unwrap_or_default())
    };
    let line = match line.check() {
        Ok(()) => line,
        Err((_, "host")) => LogLine { host: "", ..line },
        Err((_, "trace_id")) => LogLine { trace_id: None, ..line },
        Err((_, "level")) => LogLine { level: "", ..line },
        Err((reason, field)) => {
            out.rejections.add(reason, position, || facts.logs.detail(field));
            return;
        }
    };
    let target = target_of(facts);
    let http = match status {
        Some(Status::Http(code)) => Some(i32::from(code)),
        _ => None,
    };
    let shown = canonical(&level);
    out.sink.unit(&Unit {
        time: Some(time),
        service,
        status: http.map_or(Code::None, Code::Number),
        is_error: matches!(http, Some(500..=599)),
        latency_ms,
        method: target.method,
        path: target.path,
        level: &shown,
        ..Unit::new(RecordKind::Logs)
    });
    if let (Some(status), false) = (status, target.path.is_empty())
        && latency_ms.is_finite()
    {
        let request = Request {
            trace_id,
            host: line.host,
            ..Request::new(time, service, endpoint_of(target.path), 0, latency_ms)
        };
        let request = Request { status, ..request };
        if request.check().is_ok() {
            out.sink.record(Record::Request(request), position);
        }
    }
    out.sink.record(Record::Log(line), position);
}

/// Whether a line is an object with a time, so that it may be one of a log, and no record with the
/// fields of mad: a span, a point, a change.
pub(super) fn is_json_log(line: &str) -> bool {
    let line = line.trim();
    let zone = ZonePolicy::Offset(0);
    // also a request whose record is not complete
    let own = ["\"endpoint\"", "\"status_code\"", "\"latency_ms\""];
    if own.iter().filter(|key| line.contains(**key)).count() > 1 {
        return false;
    }
    let Ok(log) = Fields::<Logs>::read(line, &mut Layout::new()) else { return false };
    let has_time = log.values.first().is_some_and(|time| time.time(zone).is_ok());
    let is_spoken =
        [BODY, LEVEL].iter().any(|at| log.values.get(*at).is_some_and(|value| !value.is_missing()));
    let is_own = || {
        is_record::<Spans>(line, zone)
            || is_record::<Metrics>(line, zone)
            || is_record::<Changes>(line, zone)
    };
    (has_time || has_own_time(line)) && (is_spoken || !is_own())
}

/// Whether the start of a span is its time.
fn has_own_time(line: &str) -> bool {
    let requests = Fields::<Requests>::read(line, &mut Layout::new());
    if Extra::read(line).has_time() {
        return true;
    }
    requests.is_ok_and(|fields| {
        fields.values.first().is_some_and(|time| time.time(ZonePolicy::Offset(0)).is_ok())
    })
}

/// Whether an object is a record of a kind.
fn is_record<K: Kind>(line: &str, zone: ZonePolicy) -> bool {
    let fields = Fields::<K>::read(line, &mut Layout::new());
    fields.is_ok_and(|fields| K::record(&fields.values, zone).is_ok())
}
