//! Logs in plain text whose lines begin with a time: Kafka brokers, log4j, Logback, Python, `logfmt`.

use super::access::{ClfReader, is_clf, note_of_zone, zone_or_utc};
use super::lines::LineReader;
use super::log_time::leading_time;
use super::output::Output;
use super::service::Services;
use super::text_level::{canonical, is_level, level_in};
use super::undated::{Dates, NO_DATE};
use super::{FileFormat, FormatOptions, Unit};
use crate::limits::MAX_LINE_BYTES;
use crate::telemetry::{LogLine, Record, RecordKind, RejectReason};
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
    dates: Dates,
    /// Reads the lines of an access log between the others.
    access: ClfReader,
    open: Open,
    was_naive: bool,
}

impl TextReader {
    pub fn new(format: FileFormat, options: &FormatOptions, first: &str) -> Self {
        let tool = if format == FileFormat::Kafka { "kafka" } else { "app" };
        let services = if format == FileFormat::Kafka {
            // the files of a broker are named after its loggers
            Services::new(&FormatOptions { name: String::new(), ..options.clone() }, tool)
        } else {
            Services::new(options, tool)
        };
        let dates = Dates::new(options);
        let access = ClfReader::new(FileFormat::Combined, options, first);
        Self {
            services,
            zone: options.zone,
            dates,
            access,
            open: Open::default(),
            was_naive: false,
        }
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

/// Whether what follows a time is the rest of a line of PostgreSQL's CSV log.
pub(super) fn is_postgres(rest: &str) -> bool {
    const LEVELS: [&str; 6] = [",LOG,", ",ERROR,", ",FATAL,", ",WARNING,", ",PANIC,", ",NOTICE,"];
    rest.starts_with(',')
        && rest.matches(',').count() >= 20
        && LEVELS.iter().any(|level| rest.contains(level))
}

/// Whether a line is of a Kafka broker: a time in brackets, a level, and the logger at the end.
pub(super) fn is_kafka(line: &str) -> bool {
    let rest = leading_time(line).filter(|_| line.starts_with('[')).map(|found| found.rest.trim());
    rest.is_some_and(|rest| {
        let level = rest.split(' ').next().unwrap_or_default();
        !level_in(level).is_empty() && rest.ends_with(')') && rest.contains('(')
    })
}

impl LineReader for TextReader {
    fn line(&mut self, text: &str, position: u64, out: &mut Output<'_>) {
        let Some(found) = leading_time(text) else {
            if is_clf(text) {
                self.give(out);
                self.access.line(text, position, out);
            } else if !self.open.begun {
                out.refuse(text, position);
            } else if self.open.body.len() + text.len() < MAX_LINE_BYTES {
                self.open.body.push('\n');
                self.open.body.push_str(text);
            }
            return;
        };
        self.give(out);
        let Some(written) = self.dates.complete(&found) else {
            out.rejections.add(RejectReason::BadTimestamp, position, || NO_DATE.to_owned());
            return;
        };
        let time = Timestamp::parse(&written, self.zone).or_else(|_| {
            self.was_naive = true;
            Timestamp::parse(&written, zone_or_utc(self.zone))
        });
        let Ok(time) = time else {
            out.rejections.add(RejectReason::BadTimestamp, position, || written);
            return;
        };
        let body = found.rest.trim_start_matches([' ', '-', ':', '|', ',']);
        let open = &mut self.open;
        open.time = time;
        let level = match found.level {
            "" if is_postgres(found.rest) => {
                found.rest.split(',').find(|field| is_level(field)).unwrap_or_default()
            }
            "" => level_in(body),
            level => level,
        };
        level.clone_into(&mut open.level);
        if body.is_empty() { text } else { body }.clone_into(&mut open.body);
        (open.position, open.begun) = (position, true);
    }

    fn set_service(&mut self, service: &str) {
        self.services.set_otherwise(service);
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.give(out);
    }

    fn notes(&self) -> Vec<String> {
        let zone = note_of_zone(self.zone).filter(|_| self.was_naive);
        zone.into_iter().chain(self.dates.note()).collect()
    }
}
