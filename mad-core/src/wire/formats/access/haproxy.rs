//! The HTTP and TCP logs of HAProxy, with or without a header of syslog.

use super::tokens::{Form, Tokens};
use super::{Access, Target, note_of_zone, zone_or_utc};
use crate::telemetry::RequestTime;
use crate::time::{Timestamp, ZonePolicy};
use crate::wire::formats::FormatOptions;
use crate::wire::formats::lines::LineReader;
use crate::wire::formats::output::Output;
use crate::wire::formats::service::Services;

/// The parts of a line.
struct HaproxyLine<'a> {
    time: &'a str,
    backend: &'a str,
    server: &'a str,
    /// The total time in ms.
    total: f64,
    /// The status of an HTTP log; `None` for a TCP log.
    status: Option<i32>,
    /// The two letters of the termination state and those of the cookie.
    termination: &'a str,
    request: &'a str,
}

impl<'a> HaproxyLine<'a> {
    /// The parts of `client [time] frontend backend/server ... timers status bytes ... "request"`.
    /// Five timers stand in an HTTP log, three in a TCP log; a `+` marks an entry that was written
    /// before the end.
    fn split(line: &'a str) -> Option<Self> {
        let bytes = line.as_bytes();
        let is_time = |at: &usize| {
            bytes.get(at + 3) == Some(&b'/')
                && bytes.get(at + 7) == Some(&b'/')
                && bytes.get(at + 21) == Some(&b'.')
        };
        let open = memchr::memchr_iter(b'[', bytes).find(is_time)?;
        let (time, rest) = line.get(open + 1..)?.split_once(']')?;
        let mut tokens = Tokens::new(rest);
        let _frontend = tokens.next()?;
        let (backend, server) = tokens.next()?.text.split_once('/')?;
        let timers = tokens.by_ref().take(4).find(|token| is_timers(token.text))?.text;
        let total = timers.rsplit('/').next()?.trim_start_matches('+');
        let is_http = timers.matches('/').count() >= 4;
        let status = if is_http { Some(tokens.next()?.text.parse().ok()?) } else { None };
        let _bytes = tokens.next()?;
        let termination = tokens.by_ref().take(3).map(|token| token.text).find(|text| {
            matches!(text.len(), 2 | 4)
                && text.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
        });
        let request = tokens.filter(|token| token.form == Form::Quoted).last();
        Some(Self {
            time,
            backend,
            server,
            total: total.parse().ok().filter(|total| *total >= 0.0).unwrap_or(f64::NAN),
            status,
            termination: termination.unwrap_or_default(),
            request: request.map_or("", |token| token.text),
        })
    }
}

/// Whether a part is three or more timers with slashes between them.
fn is_timers(text: &str) -> bool {
    text.matches('/').count() >= 2
        && text.split('/').all(|one| {
            let digits = one.trim_start_matches(['-', '+']);
            !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
        })
}

/// Whether a line has this format.
pub(in crate::wire::formats) fn is_haproxy(line: &str) -> bool {
    HaproxyLine::split(line).is_some()
}

/// Reads logs of HAProxy. Their times have no zone.
#[derive(Debug)]
pub(in crate::wire::formats) struct HaproxyReader {
    services: Services,
    zone: ZonePolicy,
}

impl HaproxyReader {
    pub fn new(options: &FormatOptions) -> Self {
        Self { services: Services::new(options, "haproxy"), zone: options.zone }
    }
}

impl LineReader for HaproxyReader {
    fn line(&mut self, text: &str, position: u64, out: &mut Output<'_>) {
        let Some(line) = HaproxyLine::split(text) else {
            out.refuse(text, position);
            return;
        };
        let Some(time) =
            out.time(Timestamp::parse(line.time, zone_or_utc(self.zone)), line.time, position)
        else {
            return;
        };
        let host = if line.server.starts_with('<') { "" } else { line.server };
        Access {
            status: line.status,
            latency_ms: line.total,
            is_aborted: line.termination.starts_with(['C', 'c']),
            host,
            ..Access::new(time, self.services.of(line.backend), Target::of_line(line.request))
        }
        .give(position, out);
    }

    fn request_time(&self) -> Option<RequestTime> {
        Some(RequestTime::Start)
    }

    fn notes(&self) -> Vec<String> {
        note_of_zone(self.zone).into_iter().collect()
    }
}
