//! Logs of container runtimes: lines of another format within the lines of the runtime.

use std::borrow::Cow;

use super::access::{note_of_zone, zone_or_utc};
use super::container_line::{DockerLine, cri, kubectl, pod_prefix};
use super::lines::LineReader;
use super::log_time::{Lacks, LeadingTime, leading_time};
use super::output::Output;
use super::service::Services;
use super::syslog::{first_frame, syslog};
use super::text_level::{canonical, level_in};
use super::undated::{Dates, NO_DATE};
use super::wrapped::Wrapped;
use super::{FileFormat, FormatOptions, Unit};
use crate::limits::MAX_LINE_BYTES;
use crate::telemetry::{LogLine, Record, RecordKind, RejectReason, RequestTime};
use crate::time::{Timestamp, ZonePolicy};

/// Streams whose records have begun at the same time. A runtime has two; lines of further ones are
/// taken as whole.
pub(super) const MAX_STREAMS: usize = 16;

/// Unwraps the lines of a runtime for the reader of their content.
#[derive(Debug)]
pub(super) struct ContainerReader {
    runtime: FileFormat,
    /// The reader of the content; `None` for plain text.
    inner: Option<Box<dyn LineReader>>,
    services: Services,
    zone: ZonePolicy,
    was_naive: bool,
    dates: Dates,
    /// The begun record of each stream.
    partial: Vec<(String, String)>,
    open: Open,
}

/// A record of plain text whose further lines may follow.
#[derive(Debug, Default)]
struct Open {
    time: Timestamp,
    text: String,
    service: String,
    level: String,
    position: u64,
    begun: bool,
}

impl ContainerReader {
    /// A reader of the lines of a runtime; `inner` reads their content, `None` for plain text.
    pub fn new(
        runtime: FileFormat,
        options: &FormatOptions,
        inner: Option<Box<dyn LineReader>>,
    ) -> Self {
        Self {
            runtime,
            inner,
            services: Services::new(options, "app"),
            zone: options.zone,
            was_naive: false,
            dates: Dates::new(options),
            partial: Vec::new(),
            open: Open::default(),
        }
    }

    /// Gives a complete line of the content. `text` is that of `line` and of the pieces before it.
    fn content(&mut self, line: &Wrapped<'_>, text: &str, position: u64, out: &mut Output<'_>) {
        let text = text.trim_end_matches(['\n', '\r']);
        if text.trim().is_empty() {
            return;
        }
        if let Some(inner) = &mut self.inner {
            inner.set_service(line.service);
            inner.line(text, position, out);
            return;
        }
        if self.open.begun && continues(text) && self.open.text.len() + text.len() < MAX_LINE_BYTES
        {
            self.open.text.push('\n');
            self.open.text.push_str(text);
            return;
        }
        self.give(out);
        let found =
            LeadingTime { written: line.time.to_string(), lacks: line.lacks, level: "", rest: "" };
        let Some(written) = self.dates.complete(&found) else {
            out.rejections.add(RejectReason::BadTimestamp, position, || NO_DATE.to_owned());
            return;
        };
        let time = Timestamp::parse(&written, self.zone).or_else(|_| {
            self.was_naive = true;
            Timestamp::parse(&written, zone_or_utc(self.zone))
        });
        match time {
            Ok(time) => {
                let (text, service) = (text.to_owned(), line.service.to_owned());
                let level = line.level.to_owned();
                self.open = Open { time, text, service, level, position, begun: true };
            }
            Err(_) => out.rejections.add(RejectReason::BadTimestamp, position, || written),
        }
    }

    /// Reads one line of the runtime.
    fn one(&mut self, line: &str, position: u64, out: &mut Output<'_>) {
        let Some(wrapped) = unwrap(self.runtime, line) else {
            if self.open.begun && self.runtime == FileFormat::Syslog {
                // a message with line feeds
                if self.open.text.len() + line.len() < MAX_LINE_BYTES {
                    self.open.text.push('\n');
                    self.open.text.push_str(line);
                }
                return;
            }
            let is_json = self.runtime == FileFormat::Docker;
            let reason = if is_json { RejectReason::BadJson } else { RejectReason::BadLine };
            out.rejections.add(reason, position, || line.to_owned());
            return;
        };
        let begun = self.partial.iter().position(|(stream, _)| *stream == wrapped.stream);
        if wrapped.is_partial && (begun.is_some() || self.partial.len() < MAX_STREAMS) {
            let place = begun.unwrap_or_else(|| {
                self.partial.push((wrapped.stream.clone().into_owned(), String::new()));
                self.partial.len() - 1
            });
            if let Some((_, text)) = self.partial.get_mut(place)
                && text.len() + wrapped.text.len() <= MAX_LINE_BYTES
            {
                text.push_str(&wrapped.text);
            }
            return;
        }
        match begun {
            None => self.content(&wrapped, &wrapped.text, position, out),
            Some(place) => {
                let (_, mut text) = self.partial.swap_remove(place);
                if text.len() + wrapped.text.len() <= MAX_LINE_BYTES {
                    text.push_str(&wrapped.text);
                }
                self.content(&wrapped, &text, position, out);
            }
        }
    }

    fn give(&mut self, out: &mut Output<'_>) {
        if !std::mem::take(&mut self.open.begun) {
            return;
        }
        let open = &self.open;
        let service = self.services.of(&open.service);
        let stated = open.level.as_str();
        let level = if stated.is_empty() { level_in(&open.text) } else { stated };
        let line = LogLine::new(open.time, service, level, &open.text);
        if let Err((reason, field)) = line.check() {
            out.rejections.add(reason, open.position, || field.to_owned());
            return;
        }
        let shown = canonical(level);
        out.sink.unit(&Unit {
            time: Some(open.time),
            service,
            level: &shown,
            ..Unit::new(RecordKind::Logs)
        });
        out.sink.record(Record::Log(line), open.position);
    }
}

/// The complete lines of the content in the first lines of a runtime.
pub(super) fn content_of(runtime: FileFormat, first: &str) -> String {
    let mut content = String::new();
    let mut begun: Vec<(String, String)> = Vec::new();
    let whole = |line| if runtime == FileFormat::Syslog { first_frame(line).0 } else { line };
    for wrapped in first.lines().filter_map(|line| unwrap(runtime, whole(line))) {
        let place = begun.iter().position(|(stream, _)| *stream == wrapped.stream);
        let text = wrapped.text.trim_end_matches('\n');
        match (wrapped.is_partial, place) {
            (true, None) => begun.push((wrapped.stream.to_string(), text.to_owned())),
            (true, Some(at)) => {
                if let Some((_, head)) = begun.get_mut(at) {
                    head.push_str(text);
                }
            }
            (false, at) => {
                content.push_str(&at.map(|at| begun.swap_remove(at).1).unwrap_or_default());
                content.push_str(text);
                content.push('\n');
            }
        }
    }
    content
}

/// Whether the lines of a runtime may hold lines of another format. The programs that write to one
/// syslog have no common form of plain text.
pub(super) fn can_hold(runtime: FileFormat, inner: FileFormat) -> bool {
    match inner {
        FileFormat::Cri | FileFormat::Docker | FileFormat::Syslog => false,
        FileFormat::TextLog | FileFormat::Kafka | FileFormat::Kubectl => {
            runtime != FileFormat::Syslog
        }
        _ => true,
    }
}

/// Whether a line of plain text belongs to the record before it, as those of a stack trace do.
pub(super) fn continues(text: &str) -> bool {
    text.trim().is_empty()
        || text.starts_with([' ', '\t', '}', ')'])
        || text.starts_with("Caused by:")
        || text.starts_with("Traceback")
}

/// The parts of a line of a runtime; `None` where it is none.
pub(super) fn unwrap(runtime: FileFormat, line: &str) -> Option<Wrapped<'_>> {
    match runtime {
        FileFormat::Cri => cri(line),
        FileFormat::Docker => {
            let found: DockerLine<'_> = serde_json::from_str(line).ok()?;
            // Docker ends a record with a line feed; forwarders leave it out
            let is_partial = !found.stream.is_empty() && !found.log.ends_with('\n');
            let time = found.time.map_or("", |time| time.get().trim_matches('"'));
            let line = Wrapped::new(time, "", "");
            Some(Wrapped { stream: found.stream, is_partial, text: found.log, ..line })
        }
        FileFormat::Syslog => syslog(line),
        _ => kubectl(line).or_else(|| {
            let (container, text) = pod_prefix(line)?;
            let time = leading_time(text).filter(|time| time.lacks == Lacks::Nothing);
            let line = Wrapped::new("", container, text);
            Some(Wrapped {
                time: Cow::Owned(time.map_or_else(String::new, |time| time.written)),
                ..line
            })
        }),
    }
}

impl LineReader for ContainerReader {
    fn line(&mut self, line: &str, position: u64, out: &mut Output<'_>) {
        let (line, rest) = match self.runtime {
            FileFormat::Syslog => first_frame(line),
            _ => (line, ""),
        };
        self.one(line, position, out);
        if !rest.trim().is_empty() {
            self.line(rest, position, out);
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        for _ in self.partial.drain(..) {
            out.rejections.add(RejectReason::Truncated, 0, || "the last record has no end".into());
        }
        self.give(out);
        if let Some(inner) = &mut self.inner {
            inner.end(out);
        }
    }

    fn request_time(&self) -> Option<RequestTime> {
        self.inner.as_ref().and_then(|inner| inner.request_time())
    }

    fn notes(&self) -> Vec<String> {
        let zone = note_of_zone(self.zone).filter(|_| self.was_naive);
        let inner = self.inner.as_ref().map(|inner| inner.notes()).unwrap_or_default();
        inner.into_iter().chain(zone).chain(self.dates.note()).collect()
    }
}
