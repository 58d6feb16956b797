//! The request log of uWSGI in its default form.

use super::{Access, Target, note_of_zone, zone_or_utc};
use crate::telemetry::RequestTime;
use crate::time::{Timestamp, ZonePolicy};
use crate::wire::formats::FormatOptions;
use crate::wire::formats::lines::LineReader;
use crate::wire::formats::log_time::leading_time;
use crate::wire::formats::output::Output;
use crate::wire::formats::service::Services;

/// `[pid: 12|app: 0|req: 3/9] 10.0.0.1 () {40 vars in 500 bytes} [Tue Jan  6 10:45:00 2026]
/// GET /a => generated 12 bytes in 30 msecs (HTTP/1.1 200) 2 headers in 80 bytes (1 switches ...)`.
struct UwsgiLine<'a> {
    time: &'a str,
    target: Target<'a>,
    latency_ms: f64,
    status: i32,
}

impl<'a> UwsgiLine<'a> {
    fn split(line: &'a str) -> Option<Self> {
        let rest = line.strip_prefix("[pid: ")?.split_once("} [")?.1;
        let (time, rest) = rest.split_once("] ")?;
        // a target may hold the words of an answer
        let (target, answer) = rest.rsplit_once(" => generated ")?;
        let (took, protocol) = answer.split_once(" bytes in ")?.1.split_once(" (")?;
        let mut took = took.split(' ');
        let (count, unit): (f64, _) = (took.next()?.parse().ok()?, took.next()?);
        let latency_ms = match unit {
            "msecs" => count,
            "micros" => count / 1_000.0,
            _ => return None,
        };
        let status = protocol.split_once(')')?.0.rsplit(' ').next()?.parse().ok()?;
        Some(Self { time, target: Target::of_line(target), latency_ms, status })
    }
}

/// Whether a line is of uWSGI.
pub(in crate::wire::formats) fn is_uwsgi(line: &str) -> bool {
    UwsgiLine::split(line).is_some()
}

/// Reads the log of uWSGI.
#[derive(Debug)]
pub(in crate::wire::formats) struct UwsgiReader {
    services: Services,
    zone: ZonePolicy,
}

impl UwsgiReader {
    pub fn new(options: &FormatOptions) -> Self {
        Self { services: Services::new(options, "uwsgi"), zone: options.zone }
    }
}

impl LineReader for UwsgiReader {
    fn line(&mut self, text: &str, position: u64, out: &mut Output<'_>) {
        let Some(line) = UwsgiLine::split(text) else { return out.refuse(text, position) };
        let written = leading_time(line.time).map_or(String::new(), |time| time.written);
        let time = Timestamp::parse(&written, zone_or_utc(self.zone));
        let Some(time) = out.time(time, line.time, position) else { return };
        Access {
            status: Some(line.status),
            latency_ms: line.latency_ms,
            ..Access::new(time, self.services.of(""), line.target)
        }
        .give(position, out);
    }

    fn notes(&self) -> Vec<String> {
        note_of_zone(self.zone).into_iter().collect()
    }

    fn request_time(&self) -> Option<RequestTime> {
        Some(RequestTime::Start)
    }
}
