//! What one object of a JSON log states: the fields of a request, of a log line, and facts beside them.

use std::borrow::Cow;

use crate::telemetry::{RejectReason, Status};
use crate::time::{Timestamp, ZonePolicy};
use crate::wire::json_members::{KeyPlaces, Members, plain_text};
use crate::wire::json_object::Fields;
use crate::wire::scalar::Scalar;
use crate::wire::{Kind, Logs, Requests, Value};

/// Keys whose objects may hold the method of a request.
const AROUND: [&str; 5] = ["request", "req", "http", "http_request", "httpRequest"];

/// What an object states.
pub(super) struct Facts<'a> {
    pub requests: Fields<'a, Requests>,
    pub logs: Fields<'a, Logs>,
    pub extra: Extra<'a>,
}

/// Facts beside those of the kinds.
#[derive(Debug, Default)]
pub(super) struct Extra<'a> {
    pub method: Cow<'a, str>,
    /// The query of a path is elsewhere; the path may be empty.
    pub host: Cow<'a, str>,
    pub flags: Cow<'a, str>,
    /// When Traefik began the request; its `time` is that of the line.
    start: Cow<'a, str>,
    /// The application, as bunyan and pino write it beside the process and the host.
    name: Cow<'a, str>,
    has_process: bool,
    has_host: bool,
    /// Whether the levels are the severities of syslog.
    pub is_syslog: bool,
    /// Milliseconds of a unit of the duration, where the writer is known.
    factor: Option<f64>,
}

/// What a key beside the fields of the kinds means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExtraKey {
    Method,
    Host,
    Flags,
    Start,
    /// API Gateway of AWS writes its time here, others a latency.
    RequestTime,
    Name,
    Process,
    HostName,
    Syslog,
    /// Logs of Azure write seconds.
    Category,
    /// Traefik writes nanoseconds.
    Traefik,
    /// Caddy writes seconds.
    Logger,
    /// An object that may hold the method of a request.
    Around,
}

impl ExtraKey {
    fn of(key: &str) -> Option<Self> {
        Some(match key {
            "method"
            | "request_method"
            | "http_method"
            | "RequestMethod"
            | "verb"
            | "http.method"
            | "http.request.method"
            | "requestMethod"
            | "httpMethod"
            | "ClientRequestMethod"
            | "CsMethod" => Self::Method,
            "host" | "http_host" | "server_name" | "authority" | "RequestHost" | "vhost"
            | "ClientRequestHost" => Self::Host,
            "response_flags" | "responseFlags" => Self::Flags,
            "StartUTC" => Self::Start,
            "requestTime" => Self::RequestTime,
            "name" => Self::Name,
            "pid" => Self::Process,
            "hostname" => Self::HostName,
            "PRIORITY" | "short_message" => Self::Syslog,
            "category" => Self::Category,
            "OriginDuration" | "DownstreamStatus" => Self::Traefik,
            "logger" => Self::Logger,
            key if AROUND.contains(&key) => Self::Around,
            _ => return None,
        })
    }
}

/// A value as text; empty where it is none.
fn text_of(raw: &str) -> Cow<'_, str> {
    match plain_text(raw) {
        Some(text) => Cow::Borrowed(text),
        None => serde_json::from_str(raw).map(Cow::Owned).unwrap_or_default(),
    }
}

impl<'a> Extra<'a> {
    /// Of the object of a text; nothing where it is none.
    pub fn read(text: &'a str) -> Self {
        match Members::read(text) {
            Ok(members) => Self::of_members(&members, &mut KeyPlaces::new()),
            Err(_) => Self::default(),
        }
    }

    pub fn of_members(members: &Members<'a>, places: &mut KeyPlaces<Option<ExtraKey>>) -> Self {
        let mut found = Self::default();
        for (place, (key, raw)) in members.0.iter().enumerate() {
            if let Some(known) = places.get(place, key, || ExtraKey::of(key)) {
                found.add(known, raw.get(), true);
            }
        }
        found
    }

    /// Whether the time of the start stands in a field under a separate key.
    pub fn has_time(&self) -> bool {
        Timestamp::parse(&self.start, ZonePolicy::Offset(0)).is_ok()
    }

    fn add(&mut self, key: ExtraKey, raw: &'a str, is_top: bool) {
        match key {
            ExtraKey::Method => self.method = text_of(raw),
            ExtraKey::Host => self.host = text_of(raw),
            ExtraKey::Flags => self.flags = text_of(raw),
            ExtraKey::Start => self.start = text_of(raw),
            ExtraKey::RequestTime if text_of(raw).contains('/') => self.start = text_of(raw),
            ExtraKey::Name if is_top => self.name = text_of(raw),
            ExtraKey::Process if is_top => self.has_process = true,
            ExtraKey::HostName if is_top => self.has_host = true,
            ExtraKey::Syslog if is_top => self.is_syslog = true,
            ExtraKey::Category if is_top && text_of(raw).ends_with("AccessLog") => {
                self.factor = Some(1000.0);
            }
            ExtraKey::Traefik => self.factor = Some(1e-6),
            ExtraKey::Logger if raw.contains("http.log.access") => self.factor = Some(1000.0),
            ExtraKey::Around if is_top && raw.starts_with('{') => {
                let inner = Members::read(raw).unwrap_or_default();
                for (key, raw) in &inner.0 {
                    if let Some(known) = ExtraKey::of(key) {
                        self.add(known, raw.get(), false);
                    }
                }
            }
            _ => {}
        }
    }
}

impl Facts<'_> {
    pub fn request(&self, place: usize) -> &Scalar<'_> {
        self.requests.values.get(place).unwrap_or(&Scalar::Missing)
    }

    pub fn log(&self, place: usize) -> &Scalar<'_> {
        self.logs.values.get(place).unwrap_or(&Scalar::Missing)
    }

    /// Whether it is a request without the words of a log line.
    pub fn is_access(&self) -> bool {
        let has_status = matches!(self.status(), Some(Status::Http(_) | Status::NoResponse));
        let has_target = !self.request(ENDPOINT).is_missing() || !self.extra.method.is_empty();
        let is_spoken = !self.log(LEVEL).is_missing() && !self.log(BODY).is_missing();
        has_status && has_target && (!is_spoken || self.extra.factor.is_some())
    }

    /// The status, where there is one.
    pub fn status(&self) -> Option<Status> {
        let written = self.request(STATUS);
        let is_known = match written {
            Scalar::Missing | Scalar::Other(_) => false,
            Scalar::Text(text) => !text.trim().is_empty(),
            _ => true,
        };
        is_known.then(|| written.status())
    }

    pub fn latency(&self) -> f64 {
        let latency = self.request(LATENCY).latency();
        // a factor that a key states, such as `_ms`, wins
        let factor = match self.extra.factor {
            Some(factor) if self.requests.factor == 1.0 => factor,
            _ => self.requests.factor,
        };
        latency * factor
    }

    pub fn time(&self, zone: ZonePolicy) -> Result<Timestamp, RejectReason> {
        if let Ok(start) = Timestamp::parse(&self.extra.start, zone) {
            return Ok(start);
        }
        let of_log = self.log(0);
        if of_log.is_missing() { self.request(0).time(zone) } else { of_log.time(zone) }
    }

    pub fn service(&self) -> &str {
        let of_log = self.logs.service();
        if !of_log.is_empty() {
            return of_log;
        }
        let of_request = self.requests.service();
        if of_request.is_empty() && self.extra.has_process && self.extra.has_host {
            return &self.extra.name;
        }
        of_request
    }
}

/// Places of fields in `Requests::FIELDS` and `Logs::FIELDS`.
pub(super) const ENDPOINT: usize = 2;
pub(super) const STATUS: usize = 3;
pub(super) const LATENCY: usize = 4;
pub(super) const BODY: usize = 2;
pub(super) const LEVEL: usize = 3;
pub(super) const TRACE: usize = 4;
pub(super) const HOST: usize = 5;

/// Keeps the kinds of fields in step with the places above.
const _: () = assert!(Requests::NEEDED == 5 && Logs::NEEDED == 3);
