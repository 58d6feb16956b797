//! Access logs of web servers and proxies: one line for each request.

mod clf;
mod clf_time;
mod elb;
mod envoy;
mod haproxy;
mod iis;
mod layout;
mod layout_parse;
mod plan;
mod squid;
mod tokens;
mod uwsgi;

use super::output::Output;
use super::{Code, Unit};
use crate::limits::MAX_NAME_BYTES;
use crate::telemetry::{Record, RecordKind, Request, Status};
use crate::time::{Timestamp, ZonePolicy};

pub(super) use clf::{ClfReader, is_clf};
pub(super) use elb::{ElbReader, elb_format};
pub(super) use envoy::{EnvoyReader, cluster_service, is_envoy};
pub(super) use haproxy::{HaproxyReader, is_haproxy};
pub(super) use iis::{IisReader, is_iis};
pub(super) use layout::LayoutReader;
pub(super) use squid::{SquidReader, is_squid};
pub(super) use uwsgi::{UwsgiReader, is_uwsgi};

/// Status that a client gets that left before the answer: nginx's own number for it.
pub(super) const CLIENT_LEFT: u16 = 499;

/// The method and the path of a request line; both empty where it is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Target<'a> {
    pub method: &'a str,
    /// Without query.
    pub path: &'a str,
}

impl<'a> Target<'a> {
    /// Of `METHOD target [protocol]`. Anything else is no request.
    #[inline]
    pub fn of_line(line: &'a str) -> Self {
        let Some((method, rest)) = line.split_once(' ') else { return Self::default() };
        let target = match rest.split_once(' ') {
            None => rest,
            Some((target, protocol)) if !protocol.contains(' ') => target,
            Some(_) => return Self::default(),
        };
        Self::new(method, target)
    }

    /// Of a method and a target, which may be a URL.
    #[inline]
    pub fn new(method: &'a str, target: &'a str) -> Self {
        let is_method = !method.is_empty()
            && method.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-' || b == b'_')
            && method != "-";
        if !is_method || target.is_empty() || target == "-" {
            return Self::default();
        }
        Self { method, path: path_of(target) }
    }
}

/// The path of a target without scheme, host, query and fragment.
#[inline]
pub(super) fn path_of(target: &str) -> &str {
    let end = memchr::memchr2(b'?', b'#', target.as_bytes()).unwrap_or(target.len());
    let bare = target.get(..end).unwrap_or(target);
    if bare.starts_with('/') {
        return bare;
    }
    match bare.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None if bare.is_empty() => "/",
        None => bare,
    }
}

/// One request of a log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Access<'a> {
    pub time: Timestamp,
    pub service: &'a str,
    pub target: Target<'a>,
    /// The written status; 0 where no answer was sent.
    pub status: Option<i32>,
    /// NaN where the line states none.
    pub latency_ms: f64,
    /// Whether the client left before an answer was sent.
    pub is_aborted: bool,
    pub request_id: Option<&'a str>,
    pub trace_id: Option<&'a str>,
    pub host: &'a str,
}

impl<'a> Access<'a> {
    /// A request without more facts.
    pub fn new(time: Timestamp, service: &'a str, target: Target<'a>) -> Self {
        Self {
            time,
            service,
            target,
            status: None,
            latency_ms: f64::NAN,
            is_aborted: false,
            request_id: None,
            trace_id: None,
            host: "",
        }
    }

    /// Gives the request as a unit and a record.
    #[inline]
    pub fn give(&self, position: u64, out: &mut Output<'_>) {
        let status = match self.status {
            Some(..=0) if self.is_aborted => Status::Http(CLIENT_LEFT),
            Some(code @ 100..=999) => Status::Http(code as u16),
            Some(..=0) => Status::NoResponse,
            _ => Status::Unknown,
        };
        let endpoint = endpoint_of(self.target.path);
        let mut request = Request {
            timestamp: self.time,
            service: self.service,
            endpoint,
            status,
            latency_ms: self.latency_ms,
            request_id: self.request_id,
            trace_id: self.trace_id,
            host: self.host,
            version: "",
        };
        if let Err((reason, field)) = request.check() {
            match field {
                "endpoint" => request.endpoint = "-",
                "host" => request.host = "",
                "request_id" => request.request_id = None,
                "trace_id" => request.trace_id = None,
                _ => {
                    out.rejections.add(reason, position, || field.to_owned());
                    return;
                }
            }
        }
        out.sink.unit(&Unit {
            time: Some(self.time),
            service: self.service,
            status: self.status.map_or(Code::None, Code::Number),
            is_error: matches!(self.status, Some(500..=599)),
            latency_ms: self.latency_ms,
            method: self.target.method,
            path: self.target.path,
            ..Unit::new(RecordKind::Requests)
        });
        out.sink.record(Record::Request(request), position);
    }
}

/// A path as the endpoint of a record: `-` where there is none, and cut where it is too long.
pub(super) fn endpoint_of(path: &str) -> &str {
    let mut end = path.len().min(MAX_NAME_BYTES);
    while !path.is_char_boundary(end) {
        end -= 1;
    }
    path.get(..end).filter(|path| !path.is_empty()).unwrap_or("-")
}

/// How times without a zone are read in logs of servers: as the user says, else as UTC.
pub(super) fn zone_or_utc(zone: ZonePolicy) -> ZonePolicy {
    if zone == ZonePolicy::Refuse { ZonePolicy::Offset(0) } else { zone }
}

/// The note of a format whose times have no zone.
pub(super) fn note_of_zone(zone: ZonePolicy) -> Option<String> {
    (zone == ZonePolicy::Refuse)
        .then(|| "the times have no zone and are taken as UTC; set naive_offset_seconds".to_owned())
}
