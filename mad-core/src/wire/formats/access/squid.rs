//! The native access log of Squid.

use super::{Access, Target};
use crate::telemetry::RequestTime;
use crate::time::{Timestamp, ZonePolicy};
use crate::wire::formats::FormatOptions;
use crate::wire::formats::lines::LineReader;
use crate::wire::formats::output::Output;
use crate::wire::formats::service::{Services, host_name};

/// `1767696300.123    345 10.0.0.1 TCP_MISS/200 1234 GET http://shop/a - HIER_DIRECT/... type`.
struct SquidLine<'a> {
    time: &'a str,
    latency_ms: f64,
    status: i32,
    method: &'a str,
    url: &'a str,
}

impl<'a> SquidLine<'a> {
    fn split(line: &'a str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (time, elapsed, _client) = (words.next()?, words.next()?, words.next()?);
        let (result, _size) = (words.next()?, words.next()?);
        let (method, url) = (words.next()?, words.next()?);
        let is_time = time.len() == 14
            && time.as_bytes().get(10) == Some(&b'.')
            && time.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let (code, status) = result.split_once('/').filter(|_| is_time)?;
        let is_code = code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        let latency_ms: f64 = elapsed.parse().ok().filter(|_| is_code)?;
        // a tunnel that is open has a negative time
        let latency_ms = if latency_ms < 0.0 { f64::NAN } else { latency_ms };
        Some(Self { time, latency_ms, status: status.parse().ok()?, method, url })
    }
}

/// Whether a line is of Squid.
pub(in crate::wire::formats) fn is_squid(line: &str) -> bool {
    SquidLine::split(line).is_some()
}

/// Reads the log of Squid.
#[derive(Debug)]
pub(in crate::wire::formats) struct SquidReader {
    services: Services,
}

impl SquidReader {
    pub fn new(options: &FormatOptions) -> Self {
        Self { services: Services::new(options, "squid") }
    }
}

impl LineReader for SquidReader {
    fn line(&mut self, text: &str, position: u64, out: &mut Output<'_>) {
        let Some(line) = SquidLine::split(text) else { return out.refuse(text, position) };
        let time = Timestamp::parse(line.time, ZonePolicy::Offset(0));
        let Some(time) = out.time(time, line.time, position) else { return };
        let host = line.url.split_once("://").map_or(line.url, |(_, rest)| rest);
        let host = host_name(host.split('/').next().unwrap_or_default());
        let is_tunnel = line.method == "CONNECT";
        let target = if is_tunnel {
            Target { method: line.method, path: "-" }
        } else {
            Target::new(line.method, line.url)
        };
        Access {
            status: Some(line.status),
            latency_ms: line.latency_ms,
            ..Access::new(time, self.services.of(host), target)
        }
        .give(position, out);
    }

    fn request_time(&self) -> Option<RequestTime> {
        Some(RequestTime::End)
    }
}
