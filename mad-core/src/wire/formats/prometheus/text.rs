//! Pages that Prometheus scrapes, in its text format and in `OpenMetrics`.
//!
//! Times are milliseconds in the text format and seconds in `OpenMetrics`, which ends in `# EOF`. A
//! sample without a time counts as read and gives no record, because Prometheus dates it by the
//! moment of its scrape.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::super::memory::TelemetryMemory;
use super::super::naming::Naming;
use super::super::{FormatDecoder, FormatOptions, Output, Unit};
use super::labels::{SampleType, Series};
use super::parse_value;
use crate::error::{Error, Result};
use crate::limits::{MAX_DOCUMENT_BYTES, MAX_LINE_BYTES};
use crate::telemetry::{RecordKind, RejectReason};
use crate::time::Timestamp;
use crate::wire::text::BOM;

/// Lines from which the format is detected, and metrics whose types are kept.
const LOOKED_AT: usize = 40;
const MOST_FAMILIES: usize = 100_000;

/// One sample of a page.
#[derive(Debug, PartialEq)]
struct Line<'a> {
    /// The labels with the name of the metric as `__name__`.
    labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    value: f64,
    time: Option<&'a str>,
}

/// Whether the first bytes of a file are a page of metrics.
pub(in super::super) fn is_text(first: &[u8]) -> bool {
    let text = String::from_utf8_lossy(first);
    let (mut samples, mut comments) = (0, 0);
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    let mut count = 0;
    while let Some(line) = lines.next() {
        count += 1;
        let is_last = lines.peek().is_none();
        if line.starts_with("# HELP ") || line.starts_with("# TYPE ") || line.starts_with("# EOF") {
            comments += 1;
        } else if line.starts_with('#') {
        } else if parse(line).is_some() {
            samples += 1;
        } else if !is_last || count == 1 {
            return false;
        }
        if count == LOOKED_AT {
            break;
        }
    }
    samples > 0 || comments > 0
}

/// Reads pages of metrics.
#[derive(Debug)]
pub(in super::super) struct TextDecoder {
    naming: Naming,
    memory: TelemetryMemory,
    held: Vec<u8>,
    undated: u64,
}

impl TextDecoder {
    pub fn new(options: &FormatOptions) -> Self {
        Self {
            naming: Naming::new(options),
            memory: TelemetryMemory::default(),
            held: Vec::new(),
            undated: 0,
        }
    }

    fn page(&mut self, page: &[u8], out: &mut Output<'_>) {
        let page = page.strip_prefix(&BOM).unwrap_or(page);
        let is_open = page.trim_ascii_end().ends_with(b"# EOF");
        let mut types: BTreeMap<String, SampleType> = BTreeMap::new();
        for (place, line) in page.split(|byte| *byte == b'\n').enumerate() {
            let position = place as u64 + 1;
            let Ok(line) = std::str::from_utf8(line) else {
                out.rejections.add(RejectReason::NotUtf8, position, || {
                    String::from_utf8_lossy(line).into_owned()
                });
                continue;
            };
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            if line.starts_with('#') {
                if types.len() < MOST_FAMILIES {
                    types.extend(family(line));
                }
                continue;
            }
            let read = if line.len() <= MAX_LINE_BYTES { parse(line) } else { None };
            let Some(read) = read else {
                out.rejections.add(RejectReason::BadValue, position, || line.to_owned());
                continue;
            };
            let time = match read.time {
                None => None,
                Some(written) => {
                    let Some(time) = time(written, is_open) else {
                        out.rejections
                            .add(RejectReason::BadTimestamp, position, || line.to_owned());
                        continue;
                    };
                    Some(time)
                }
            };
            let name = read.labels.first().map_or("", |(_, name)| name);
            let series = Series::new(&read.labels, type_of(name, &types), &self.naming);
            out.sink.unit(&Unit {
                time,
                service: &series.stated,
                series: Some(series.key),
                ..Unit::new(RecordKind::Metrics)
            });
            match time {
                Some(time) => series.give(time, read.value, position, &mut self.memory, out.sink),
                None => self.undated += 1,
            }
        }
    }
}

/// The metric and the type of a `# TYPE` line.
fn family(line: &str) -> Option<(String, SampleType)> {
    let mut words = line.trim_start_matches('#').split_whitespace();
    let name = (words.next()? == "TYPE").then(|| words.next())??;
    let kind = match words.next()? {
        "counter" => SampleType::Counter,
        "gauge" | "gaugehistogram" => SampleType::Gauge,
        "histogram" => SampleType::Histogram,
        "summary" => SampleType::Summary,
        "info" | "stateset" => SampleType::Info,
        _ => SampleType::Unknown,
    };
    Some((name.trim_matches('"').to_owned(), kind))
}

/// The type of a sample's metric, whose name may be longer than that of its family.
fn type_of(name: &str, types: &BTreeMap<String, SampleType>) -> SampleType {
    let parts =
        ["", "_total", "_bucket", "_count", "_sum", "_created", "_info", "_gcount", "_gsum"];
    let found = parts.iter().find_map(|part| types.get(name.strip_suffix(part)?));
    found.copied().unwrap_or_default()
}

/// A time: milliseconds, or seconds in `OpenMetrics`.
fn time(text: &str, is_open: bool) -> Option<Timestamp> {
    let nanos = if is_open || text.contains(['.', 'e', 'E']) {
        let seconds: f64 = text.parse().ok()?;
        // to the microsecond, the precision of f64 for present times
        ((seconds * 1e6).round() as i64).saturating_mul(1_000)
    } else {
        text.parse::<i64>().ok()?.checked_mul(1_000_000)?
    };
    Some(Timestamp::from_nanos(nanos))
}

/// A line of a sample: `name{label="value",...} value [time] [# exemplar]`. The name may also stand
/// in quotes within the braces.
fn parse(line: &str) -> Option<Line<'_>> {
    let line = line.trim();
    let end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, mut rest) = line.split_at_checked(end)?;
    let is_quoted = name.is_empty() && rest.starts_with('{');
    if !is_quoted && !is_name(name) {
        return None;
    }
    let mut labels = vec![(Cow::Borrowed("__name__"), Cow::Borrowed(name))];
    rest = rest.trim_start();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            if let Some(after) = rest.strip_prefix('"') {
                let (text, after) = quoted(after)?;
                rest = after.trim_start();
                if let Some(after) = rest.strip_prefix('=') {
                    let (value, after) = quoted(after.trim_start().strip_prefix('"')?)?;
                    labels.push((text, value));
                    rest = after;
                } else if let Some((_, name)) = labels.first_mut() {
                    *name = text;
                }
                continue;
            }
            let (label, after) = rest.split_once('=')?;
            let (value, after) = quoted(after.trim_start().strip_prefix('"')?)?;
            let label = label.trim();
            if !is_name(label) {
                return None;
            }
            labels.push((Cow::Borrowed(label), value));
            rest = after;
        }
    }
    if labels.first().is_none_or(|(_, name)| name.is_empty()) {
        return None;
    }
    let sample = rest.split_once(" #").map_or(rest, |(sample, _)| sample);
    let mut words = sample.split_whitespace();
    let value = parse_value(words.next()?)?;
    let time = words.next();
    words.next().is_none().then_some(Line { labels, value, time })
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_' || byte == b':')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
}

/// The text up to the closing quote, without its escapes, and what follows.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let end = text.find(['"', '\\'])?;
    if text.as_bytes().get(end) == Some(&b'"') {
        return Some((Cow::Borrowed(text.get(..end)?), text.get(end + 1..)?));
    }
    let mut value = String::with_capacity(text.len().min(256));
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => {
                escaped = false;
                value.push(if c == 'n' { '\n' } else { c });
            }
            '\\' => escaped = true,
            '"' => return Some((Cow::Owned(value), text.get(at + 1..)?)),
            c => value.push(c),
        }
    }
    None
}

impl FormatDecoder for TextDecoder {
    fn feed(&mut self, bytes: &[u8], _: &mut Output<'_>) -> Result<()> {
        if self.held.len().saturating_add(bytes.len()) > MAX_DOCUMENT_BYTES {
            let most = MAX_DOCUMENT_BYTES >> 20;
            return Err(Error::input(format!("the page is larger than {most} MiB")));
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self, out: &mut Output<'_>) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        self.page(&held, out);
        Ok(())
    }

    fn swap_memory(&mut self, memory: &mut TelemetryMemory) {
        std::mem::swap(&mut self.memory, memory);
    }

    fn notes(&self) -> Vec<String> {
        if self.undated == 0 {
            return Vec::new();
        }
        vec![format!(
            "samples without a time, which cannot be judged: {}; read them through Prometheus, or \
             write the page with times",
            self.undated
        )]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(line: &str) -> Vec<(String, String)> {
        let read = parse(line).unwrap();
        read.labels.into_iter().map(|(k, v)| (k.into_owned(), v.into_owned())).collect()
    }

    #[test]
    fn lines_of_samples_are_read_with_escapes_exemplars_and_quoted_names() {
        let read = parse(r#"m{path="C:\\D\"\n",} 1.5e3 -3982045 # {id="x"} 1"#).unwrap();
        assert_eq!((read.value, read.time), (1500.0, Some("-3982045")));
        assert_eq!(read.labels[1].1, "C:\\D\"\n");
        assert_eq!(labels(r#"{"http.server", a="b"} 1"#)[0].1, "http.server");
        assert_eq!(parse("up +Inf").unwrap().value, f64::INFINITY);
        for line in ["", "up", "up one", "up 1 2 3", "9x 1", r#"m{a="b} 1"#, "m{a=b} 1", "{} 1"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn times_are_milliseconds_or_seconds() {
        assert_eq!(time("1395066363000", false), Some(Timestamp::from_seconds(1_395_066_363)));
        let open = time("1700210681.366", true).unwrap();
        assert_eq!(open.to_string(), "2023-11-17T08:44:41.366Z");
    }

    #[test]
    fn pages_are_told_from_logs() {
        assert!(is_text(b"# HELP up x\n# TYPE up gauge\nup 1\n"));
        assert!(is_text(b"up 1\ndown{a=\"b\"} 2 1395066363000\n"));
        assert!(!is_text(b"127.0.0.1 - - [x] \"GET /\" 200\n"));
        assert!(!is_text(b"timestamp,service\n1,2\n"));
    }
}
