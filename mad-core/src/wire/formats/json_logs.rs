//! JSON logs of any shape: one object a line, of an application or of a proxy.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::access::{Access, Target, endpoint_of, note_of_zone, path_of, zone_or_utc};
use super::lines::{LineReader, Out};
use super::service::{Services, host_name};
use super::text_level::canonical;
use super::{Code, FormatOptions, Unit};
use crate::limits::MAX_LINE_BYTES;
use crate::telemetry::{LogLine, Record, RecordKind, RejectReason, Request, Status};
use crate::time::{Timestamp, ZonePolicy};
use crate::wire::json_object::{Fields, Layout};
use crate::wire::scalar::Scalar;
use crate::wire::{Changes, Kind, Logs, Metrics, Requests, Spans, Value};

/// Keys whose objects may hold the method of a request.
const AROUND: [&str; 5] = ["request", "req", "http", "http_request", "httpRequest"];

/// Reads objects on lines.
#[derive(Debug)]
pub(super) struct JsonReader {
    requests: Layout<Requests>,
    logs: Layout<Logs>,
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
        let requests = Fields::<Requests>::read(text, &mut self.requests).ok()?;
        let logs = Fields::<Logs>::read(text, &mut self.logs).ok()?;
        let extra = Extra::read(text);
        Some(Facts { requests, logs, extra })
    }
}

/// What an object states.
struct Facts<'a> {
    requests: Fields<'a, Requests>,
    logs: Fields<'a, Logs>,
    extra: Extra<'a>,
}

/// Facts beside those of the kinds.
#[derive(Debug, Default)]
struct Extra<'a> {
    method: Cow<'a, str>,
    /// The query of a path is elsewhere; the path may be empty.
    host: Cow<'a, str>,
    flags: Cow<'a, str>,
    /// When Traefik began the request; its `time` is that of the line.
    start: Cow<'a, str>,
    /// Milliseconds of a unit of the duration, where the writer is known.
    factor: Option<f64>,
}

impl<'a> Extra<'a> {
    fn read(text: &'a str) -> Self {
        let mut found = Self::default();
        let Ok(object) = serde_json::from_str::<Object<'_>>(text) else { return found };
        found.add(&object, true);
        found
    }

    fn add(&mut self, object: &Object<'a>, is_top: bool) {
        for (key, raw) in &object.0 {
            let text = || serde_json::from_str::<Cow<'a, str>>(raw.get()).unwrap_or_default();
            match key.as_ref() {
                "method"
                | "request_method"
                | "http_method"
                | "RequestMethod"
                | "verb"
                | "http.method"
                | "http.request.method"
                | "requestMethod"
                | "httpMethod" => {
                    self.method = text();
                }
                "host" | "http_host" | "server_name" | "authority" | "RequestHost" | "vhost" => {
                    self.host = text();
                }
                "response_flags" | "responseFlags" => self.flags = text(),
                "StartUTC" => self.start = text(),
                // Traefik writes nanoseconds, Caddy seconds
                "OriginDuration" | "DownstreamStatus" => self.factor = Some(1e-6),
                "logger" if raw.get().contains("http.log.access") => self.factor = Some(1000.0),
                key if is_top && AROUND.contains(&key) && raw.get().starts_with('{') => {
                    if let Ok(inner) = serde_json::from_str::<Object<'a>>(raw.get()) {
                        self.add(&inner, false);
                    }
                }
                _ => {}
            }
        }
    }
}

/// The keys and values of an object in their order.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Object<'de>, A::Error> {
                let mut all = Vec::new();
                while let Some(entry) = map.next_entry::<Key<'de>, &RawValue>()? {
                    all.push((entry.0.0, entry.1));
                }
                Ok(Object(all))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl Facts<'_> {
    fn request(&self, place: usize) -> &Scalar<'_> {
        self.requests.values.get(place).unwrap_or(&Scalar::Missing)
    }

    fn log(&self, place: usize) -> &Scalar<'_> {
        self.logs.values.get(place).unwrap_or(&Scalar::Missing)
    }

    /// Whether it is a request without the words of a log line.
    fn is_access(&self) -> bool {
        let has_status = matches!(self.status(), Some(Status::Http(_) | Status::NoResponse));
        let has_target = !self.request(ENDPOINT).is_missing() || !self.extra.method.is_empty();
        let is_spoken = !self.log(LEVEL).is_missing() && !self.log(BODY).is_missing();
        has_status && has_target && (!is_spoken || self.extra.factor.is_some())
    }

    /// The status, where there is one.
    fn status(&self) -> Option<Status> {
        let written = self.request(STATUS);
        let is_known = match written {
            Scalar::Missing | Scalar::Other(_) => false,
            Scalar::Text(text) => !text.trim().is_empty(),
            _ => true,
        };
        is_known.then(|| written.status())
    }

    fn latency(&self) -> f64 {
        let latency = self.request(LATENCY).latency();
        // a factor that a key states, such as `_ms`, wins
        let factor = match self.extra.factor {
            Some(factor) if self.requests.factor == 1.0 => factor,
            _ => self.requests.factor,
        };
        latency * factor
    }

    fn time(&self, zone: ZonePolicy) -> Result<Timestamp, RejectReason> {
        if let Ok(start) = Timestamp::parse(&self.extra.start, zone) {
            return Ok(start);
        }
        let of_log = self.log(0);
        if of_log.is_missing() { self.request(0).time(zone) } else { of_log.time(zone) }
    }

    fn service(&self) -> &str {
        let of_log = self.logs.service();
        if of_log.is_empty() { self.requests.service() } else { of_log }
    }
}

/// Places of fields in `Requests::FIELDS` and `Logs::FIELDS`.
const ENDPOINT: usize = 2;
const STATUS: usize = 3;
const LATENCY: usize = 4;
const BODY: usize = 2;
const LEVEL: usize = 3;
const TRACE: usize = 4;
const HOST: usize = 5;

impl LineReader for JsonReader {
    fn line(&mut self, text: &str, position: u64, out: &mut Out<'_>) {
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
    out: &mut Out<'_>,
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
    out: &mut Out<'_>,
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
    requests.is_ok_and(|fields| {
        fields.values.first().is_some_and(|time| time.time(ZonePolicy::Offset(0)).is_ok())
    })
}

/// Whether an object is a record of a kind.
fn is_record<K: Kind>(line: &str, zone: ZonePolicy) -> bool {
    let fields = Fields::<K>::read(line, &mut Layout::new());
    fields.is_ok_and(|fields| K::record(&fields.values, zone).is_ok())
}

/// Keeps the kinds of fields in step with the places above.
const _: () = assert!(Requests::NEEDED == 5 && Logs::NEEDED == 3);
