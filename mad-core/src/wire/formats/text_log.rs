//! Logs in plain text whose lines begin with a time: Kafka brokers, log4j, Logback, Python, `logfmt`.

use super::access::{note_of_zone, zone_or_utc};
use super::lines::LineReader;
use super::output::Output;
use super::service::Services;
use super::text_level::{canonical, level_in};
use super::{FileFormat, FormatOptions, Unit};
use crate::limits::MAX_LINE_BYTES;
use crate::telemetry::{LogLine, Record, RecordKind};
use crate::time::{Timestamp, ZonePolicy};

/// A record whose further lines may follow.
#[derive(Debug, Clone, Default)]
struct Open {
    time: Timestamp,
    level: String,
    body: String,
    position: u64,
    begun: bool,
}

/// Reads records of one or more lines. A line that does not begin with a time belongs to the record
/// before, as the lines of a stack trace do.
#[derive(Debug)]
pub(super) struct TextReader {
    services: Services,
    zone: ZonePolicy,
    open: Open,
    was_naive: bool,
}

impl TextReader {
    pub fn new(format: FileFormat, options: &FormatOptions) -> Self {
        let tool = if format == FileFormat::Kafka { "kafka" } else { "app" };
        let services = if format == FileFormat::Kafka {
            // the files of a broker are named after its loggers
            Services::new(&FormatOptions { name: String::new(), ..options.clone() }, tool)
        } else {
            Services::new(options, tool)
        };
        Self { services, zone: options.zone, open: Open::default(), was_naive: false }
    }

    fn give(&mut self, out: &mut Output<'_>) {
        if !std::mem::take(&mut self.open.begun) {
            return;
        }
        let service = self.services.of("");
        let open = &self.open;
        let line = LogLine::new(open.time, service, &open.level, open.body.trim_end());
        if let Err((reason, field)) = line.check() {
            out.rejections.add(reason, open.position, || field.to_owned());
            return;
        }
        let level = canonical(&open.level);
        out.sink.unit(&Unit {
            time: Some(open.time),
            service: self.services.stated(""),
            level: &level,
            ..Unit::new(RecordKind::Logs)
        });
        out.sink.record(Record::Log(line), open.position);
    }
}

/// The keys of the time of a line in `logfmt`, as logrus, slog and go-kit write it.
const TIME_KEYS: [&str; 4] = ["time=", "ts=", "t=", "timestamp="];

/// The time at the begin of a line, and what follows it. `None` where the line begins otherwise.
///
/// A time is a date and a time of day with `-` or `/`, perhaps in brackets, with a point or a comma
/// before the fraction, perhaps with a zone. It may be the first pair of `logfmt`.
pub(super) fn leading_time(line: &str) -> Option<(String, &str)> {
    let text = line.strip_prefix('[').unwrap_or(line);
    let named = TIME_KEYS.iter().find_map(|key| line.strip_prefix(key));
    let text = named.map_or(text, |text| text.strip_prefix('"').unwrap_or(text));
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let is = |at: usize, any: &[u8]| bytes.get(at).is_some_and(|byte| any.contains(byte));
    let is_time = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18].iter().all(|at| digit(*at))
        && is(4, b"-/")
        && is(7, b"-/")
        && is(10, b" T")
        && is(13, b":")
        && is(16, b":");
    if !is_time {
        return None;
    }
    let mut end = 19;
    if is(end, b".,") && digit(end + 1) {
        end += 1;
        while digit(end) {
            end += 1;
        }
    }
    let clock = end;
    if is(end, b"Z") {
        end += 1;
    } else {
        let at = if is(end, b" ") && is(end + 1, b"+-") && digit(end + 2) { end + 1 } else { end };
        if is(at, b"+-") && digit(at + 1) && digit(at + 2) {
            end = at + 3;
            end += usize::from(is(end, b":"));
            end += if digit(end) && digit(end + 1) { 2 } else { 0 };
        }
    }
    let (clock, zone) = (text.get(..clock)?, text.get(clock..end)?);
    let date = clock.replace('/', "-").replace(',', ".").replacen(' ', "T", 1);
    let rest = text.get(end..)?;
    let rest = rest.strip_prefix([']', '"']).unwrap_or(rest);
    Some((format!("{date}{}", zone.trim()), rest))
}

/// Whether a line is of a Kafka broker: a time in brackets, a level, and the logger at the end.
pub(super) fn is_kafka(line: &str) -> bool {
    let rest = leading_time(line).filter(|_| line.starts_with('[')).map(|(_, rest)| rest.trim());
    rest.is_some_and(|rest| {
        let level = rest.split(' ').next().unwrap_or_default();
        !level_in(level).is_empty() && rest.ends_with(')') && rest.contains('(')
    })
}

impl LineReader for TextReader {
    fn line(&mut self, text: &str, position: u64, out: &mut Output<'_>) {
        let Some((written, rest)) = leading_time(text) else {
            if !self.open.begun {
                out.refuse(text, position);
            } else if self.open.body.len() + text.len() < MAX_LINE_BYTES {
                self.open.body.push('\n');
                self.open.body.push_str(text);
            }
            return;
        };
        self.give(out);
        let time = Timestamp::parse(&written, self.zone).or_else(|_| {
            self.was_naive = true;
            Timestamp::parse(&written, zone_or_utc(self.zone))
        });
        let Ok(time) = time else {
            out.rejections.add(crate::telemetry::RejectReason::BadTimestamp, position, || written);
            return;
        };
        let body = rest.trim_start_matches([' ', '-', ':', '|', ',']);
        let open = &mut self.open;
        open.time = time;
        level_in(body).clone_into(&mut open.level);
        if body.is_empty() { text } else { body }.clone_into(&mut open.body);
        (open.position, open.begun) = (position, true);
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.give(out);
    }

    fn notes(&self) -> Vec<String> {
        note_of_zone(self.zone).filter(|_| self.was_naive).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_at_the_begin_of_lines() {
        for (line, time, rest) in [
            ("[2016-12-20 00:00:36,888] INFO x", "2016-12-20T00:00:36.888", " INFO x"),
            ("2026-01-06T10:00:00.5+01:00 a", "2026-01-06T10:00:00.5+01:00", " a"),
            ("2026/01/06 10:00:00 [error] 7#7: x", "2026-01-06T10:00:00", " [error] 7#7: x"),
            ("2026-01-06 10:00:00.123 +0200 a", "2026-01-06T10:00:00.123+0200", " a"),
            ("time=\"2026-01-06T10:00:00Z\" level=info", "2026-01-06T10:00:00Z", " level=info"),
            ("ts=2026-01-06T10:00:00.5Z level=x", "2026-01-06T10:00:00.5Z", " level=x"),
            ("2026-01-06 10:00:00Z", "2026-01-06T10:00:00Z", ""),
        ] {
            assert_eq!(leading_time(line), Some((time.to_owned(), rest)), "{line}");
        }
        for line in ["", "[2016", "\tat x", "Caused by: y", "2026-01-06", "12:00:00 x"] {
            assert_eq!(leading_time(line), None, "{line}");
        }
    }
}
