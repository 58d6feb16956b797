//! What one object of a JSON log states: the fields of a request, of a log line, and facts beside them.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::telemetry::{RejectReason, Status};
use crate::time::{Timestamp, ZonePolicy};
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

impl<'a> Extra<'a> {
    pub fn read(text: &'a str) -> Self {
        let mut found = Self::default();
        let Ok(object) = serde_json::from_str::<Object<'_>>(text) else { return found };
        found.add(&object, true);
        found
    }

    /// Whether the time of the start stands in a field under a separate key.
    pub fn has_time(&self) -> bool {
        Timestamp::parse(&self.start, ZonePolicy::Offset(0)).is_ok()
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
                | "httpMethod"
                | "ClientRequestMethod"
                | "CsMethod" => {
                    self.method = text();
                }
                "host" | "http_host" | "server_name" | "authority" | "RequestHost" | "vhost"
                | "ClientRequestHost" => {
                    self.host = text();
                }
                "response_flags" | "responseFlags" => self.flags = text(),
                "StartUTC" => self.start = text(),
                // API Gateway of AWS writes its time here, others a latency
                "requestTime" if text().contains('/') => self.start = text(),
                "name" if is_top => self.name = text(),
                "pid" if is_top => self.has_process = true,
                "hostname" if is_top => self.has_host = true,
                "PRIORITY" | "short_message" if is_top => self.is_syslog = true,
                // logs of Azure write seconds
                "category" if is_top && text().ends_with("AccessLog") => {
                    self.factor = Some(1000.0);
                }
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
