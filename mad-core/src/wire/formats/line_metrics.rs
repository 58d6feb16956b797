//! Metrics as lines: the line protocol of InfluxDB, and the plain text of Graphite.

use std::borrow::Cow;

use super::lines::LineReader;
use super::memory::TelemetryMemory;
use super::naming::Naming;
use super::output::Output;
use super::prometheus::{SampleType, Series};
use super::service::Services;
use super::{FileFormat, FormatOptions, Unit};
use crate::telemetry::{RecordKind, RejectReason};
use crate::time::Timestamp;

/// The name and value of a label.
type Label<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Reads lines of metrics.
#[derive(Debug)]
pub(super) struct MetricLines {
    format: FileFormat,
    naming: Naming,
    services: Services,
    memory: TelemetryMemory,
}

/// One line: its labels, the names and values of its fields, and its time.
#[derive(Debug, PartialEq)]
struct Points<'a> {
    labels: Vec<Label<'a>>,
    fields: Vec<(String, f64)>,
    time: Option<Timestamp>,
}

impl MetricLines {
    pub fn new(format: FileFormat, options: &FormatOptions) -> Self {
        Self {
            format,
            naming: Naming::new(options),
            services: Services::new(options, format.as_str()),
            memory: TelemetryMemory::default(),
        }
    }
}

impl LineReader for MetricLines {
    fn line(&mut self, text: &str, position: u64, out: &mut Output<'_>) {
        if text.starts_with('#') {
            return;
        }
        let read = if self.format == FileFormat::Influx { influx(text) } else { graphite(text) };
        let Some(points) = read else { return out.refuse(text, position) };
        let Some(time) = points.time.filter(|time| time.is_accepted()) else {
            return out.rejections.add(RejectReason::BadTimestamp, position, || text.to_owned());
        };
        for (name, value) in points.fields {
            let mut labels = points.labels.clone();
            labels.push((Cow::Borrowed("__name__"), Cow::Owned(name)));
            let named = Series::new(&labels, SampleType::Gauge, &self.naming);
            let series = if named.stated.is_empty() && self.naming.named().is_none() {
                let service = self.services.of("").to_owned();
                labels.push((Cow::Borrowed("job"), Cow::Owned(service)));
                Series::new(&labels, SampleType::Gauge, &self.naming)
            } else {
                named.clone()
            };
            out.sink.unit(&Unit {
                time: Some(time),
                service: &named.stated,
                series: Some(named.key),
                ..Unit::new(RecordKind::Metrics)
            });
            series.give(time, value, position, &mut self.memory, out.sink);
        }
    }
}

/// The format of a line.
pub(super) fn metric_line(line: &str) -> Option<FileFormat> {
    // without a time, or with text alone, a line is too much like others
    let is_metric = |points: &Points<'_>| points.time.is_some() && !points.fields.is_empty();
    if influx(line).as_ref().is_some_and(is_metric) {
        Some(FileFormat::Influx)
    } else {
        graphite(line).filter(is_metric).map(|_| FileFormat::Graphite)
    }
}

/// `measurement,tag=value field=1,other=2i 1767696300000000000`. A time is nanoseconds, unless its
/// size shows another unit.
fn influx(line: &str) -> Option<Points<'_>> {
    let mut parts = split_unescaped(line.trim(), ' ').into_iter().filter(|part| !part.is_empty());
    let (head, fields, time) = (parts.next()?, parts.next()?, parts.next());
    if parts.next().is_some() || !fields.contains('=') {
        return None;
    }
    let mut tags = split_unescaped(head, ',').into_iter();
    let measurement =
        unescaped(tags.next().filter(|name| !name.is_empty() && !name.contains('='))?);
    let mut labels = Vec::new();
    for tag in tags {
        let [key, value] = split_unescaped(tag, '=').try_into().ok()?;
        let key = if key == "host" { "instance" } else { key };
        labels.push((Cow::Borrowed(key), Cow::Owned(unescaped(value))));
    }
    let mut found = Vec::new();
    for field in split_unescaped(fields, ',') {
        let [key, value] = split_unescaped(field, '=').try_into().ok()?;
        let number = value.strip_suffix(['i', 'u']).unwrap_or(value);
        let value = match (value, number.parse::<f64>()) {
            (_, Ok(number)) if !number.is_nan() => number,
            ("t" | "T" | "true" | "True" | "TRUE", _) => 1.0,
            ("f" | "F" | "false" | "False" | "FALSE", _) => 0.0,
            (text, _) if text.len() > 1 && text.starts_with('"') && text.ends_with('"') => continue,
            _ => return None,
        };
        let key = unescaped(key);
        found.push(if key == "value" {
            (measurement.clone(), value)
        } else {
            (format!("{measurement}_{key}"), value)
        });
    }
    let time = time.map(str::parse::<i64>).transpose().ok()?;
    let time = time.and_then(|time| Timestamp::from_epoch(time).ok());
    Some(Points { labels, fields: found, time })
}

/// `servers.web1.cpu;env=prod 12.5 1767696300`, with seconds.
fn graphite(line: &str) -> Option<Points<'_>> {
    let mut parts = line.split_ascii_whitespace();
    let (path, value, time) = (parts.next()?, parts.next()?, parts.next()?);
    let mut tags = path.split(';');
    let name = tags.next()?;
    let is_name = name.contains('.')
        && name.bytes().any(|b| b.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:%".contains(&b))
        && !name.contains("..");
    if parts.next().is_some() || !is_name {
        return None;
    }
    let value: f64 = value.parse().ok()?;
    let seconds: f64 = time.parse().ok()?;
    let labels = tags
        .map(|tag| tag.split_once('='))
        .map(|tag| tag.map(|(key, value)| (Cow::Borrowed(key), Cow::Borrowed(value))))
        .collect::<Option<Vec<Label<'_>>>>()?;
    // -1 asks the server for its own time
    let time = Timestamp::from_epoch_f64(seconds).ok().filter(|_| seconds > 1e8);
    Some(Points { labels, fields: vec![(name.to_owned(), value)], time })
}

/// The parts of a text between separators that are neither escaped nor within quotes.
fn split_unescaped(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut escaped, mut quoted) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            c if c == separator && !quoted => {
                parts.extend(text.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..));
    parts
}

/// A name without the backslashes before commas, spaces and equals signs.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\\' && rest.peek().is_some_and(|next| matches!(next, ',' | ' ' | '=')) {
            continue;
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_influx() {
        let line = r#"http\ req,service=pay,host=a\,b count=3i,ok=true,msg="a, b",value=1.5 1767696300000000000"#;
        let found = influx(line).unwrap();
        let fields: Vec<(&str, f64)> = found.fields.iter().map(|(k, v)| (k.as_str(), *v)).collect();
        assert_eq!(fields, [("http req_count", 3.0), ("http req_ok", 1.0), ("http req", 1.5)]);
        assert_eq!(found.labels[1], (Cow::from("instance"), Cow::from("a,b")));
        assert_eq!(found.time, Some(Timestamp::from_seconds(1_767_696_300)));
        for line in ["", "a", "a b", "a b=c", "a=1 b=1", "a b=1 x", "a b=1 1 2", "a,b c=1"] {
            assert_eq!(influx(line), None, "{line}");
        }
    }

    #[test]
    fn other_lines_are_no_metrics() {
        for line in
            ["<?xml version=\"1.0\"?>", "a b=1", "a b=\"x\" 1767696300000000000", "a.b 1 -1"]
        {
            assert_eq!(metric_line(line), None, "{line}");
        }
        assert_eq!(metric_line("a b=1 1767696300000000000"), Some(FileFormat::Influx));
    }

    #[test]
    fn lines_of_graphite() {
        let found = graphite("shop.pay.latency;env=prod 12 1767696300").unwrap();
        assert_eq!((found.fields[0].1, found.labels.len()), (12.0, 1));
        assert!(graphite("a.b 1 -1").unwrap().time.is_none());
        for line in ["", "a 1 2", "1.2 3 4", "a.b x 1767696300", "a..b 1 1767696300", "a.b 1 2 3"] {
            assert_eq!(graphite(line), None, "{line}");
        }
    }
}
