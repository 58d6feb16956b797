//! The rules that find the format of a file.

use super::access::{elb_format, is_clf, is_envoy, is_haproxy, is_iis, is_squid, is_uwsgi};
use super::container_line::runtime_of;
use super::format::FileFormat;
use super::json_logs::is_json_log;
use super::line_metrics::metric_line;
use super::load::{
    LocustTable, is_ab, is_gatling, is_hey, is_jmeter, is_k6, is_k6_json, is_report, is_vegeta,
    is_wrk,
};
use super::log_table::is_log_table;
use super::log_time::leading_time;
use super::nginx_status::is_status;
use super::text_log::{is_kafka, is_postgres};
use super::{
    elastic, jaeger, log_documents, metric_documents, otlp, prometheus, trace_documents, zipkin,
};
use crate::wire::Format;
use crate::wire::text::BOM;

/// Lines that are looked at.
const LINES: usize = 40;

/// Whether the first bytes are of a format.
type Test = fn(&[u8]) -> bool;

/// The formats in JSON, and those that are neither JSON nor lines of text. The first that fits is
/// taken.
const JSON: [(Test, FileFormat); 8] = [
    (otlp::is_json, FileFormat::OtlpJson),
    (jaeger::is_jaeger, FileFormat::Jaeger),
    (elastic::is_elastic, FileFormat::Elastic),
    (trace_documents::is_traces, FileFormat::TracesJson),
    (metric_documents::is_metrics, FileFormat::MetricsJson),
    (zipkin::is_zipkin, FileFormat::Zipkin),
    (log_documents::is_answer, FileFormat::JsonLogs),
    (prometheus::is_api, FileFormat::PrometheusApi),
];
const OTHERS: [(Test, FileFormat); 3] = [
    (otlp::is_protobuf, FileFormat::OtlpPb),
    (prometheus::is_remote_write, FileFormat::RemoteWrite),
    (prometheus::is_text, FileFormat::PrometheusText),
];

impl FileFormat {
    /// The format of a file, from its name (without folder; it may be empty) and its first bytes
    /// after decompression, [`DETECT_BYTES`](super::DETECT_BYTES) or all of them. `None` where no
    /// rule fits.
    ///
    /// The content decides; the name only decides between formats that the content leaves open.
    pub fn detect(name: &str, first: &[u8]) -> Option<Self> {
        detect(name, first)
    }
}

/// The format of a file: see [`FileFormat::detect`].
fn detect(name: &str, first: &[u8]) -> Option<FileFormat> {
    let first = first.strip_prefix(&BOM).unwrap_or(first);
    if first.trim_ascii().is_empty() {
        return None;
    }
    let found = if matches!(first.trim_ascii_start().first(), Some(b'{' | b'[')) {
        JSON.iter().find(|(is, _)| is(first))
    } else {
        OTHERS.iter().find(|(is, _)| is(first))
    };
    if let Some((_, format)) = found {
        return Some(*format);
    }
    let text = String::from_utf8_lossy(first);
    let text = text.trim_start();
    if text.starts_with('<') && text.contains("<testResults") {
        return Some(FileFormat::JmeterXml);
    }
    let header = text.lines().next().unwrap_or_default();
    if is_jmeter(header) {
        return Some(FileFormat::Jmeter);
    }
    if is_k6(header) {
        return Some(FileFormat::K6);
    }
    if is_locust(header) {
        return Some(FileFormat::Locust);
    }
    if is_gatling(header) {
        return Some(FileFormat::Gatling);
    }
    if is_hey(header) {
        return Some(FileFormat::Hey);
    }
    if is_ab(header) {
        return Some(FileFormat::Ab);
    }
    if is_log_table(header) {
        return Some(FileFormat::LogTable);
    }
    if is_wrk(header) || text.lines().take(5).any(is_wrk) {
        return Some(FileFormat::Wrk);
    }
    let found = of_lines(name, text);
    if found.is_none() && log_documents::is_log_document(first) {
        return Some(FileFormat::JsonLogs);
    }
    found.or(match Format::sniff(first) {
        Format::JsonLines => Some(FileFormat::JsonLines),
        Format::Csv if is_text(first) => Some(FileFormat::Csv),
        Format::Csv => None,
    })
}

/// Whether a line is the header of a table of Locust.
fn is_locust(header: &str) -> bool {
    header.contains(',') && LocustTable::of(header).is_some()
}

/// Whether the first line can be a header of CSV: text with a delimiter.
fn is_text(first: &[u8]) -> bool {
    let line = first.split(|byte| *byte == b'\n').next().unwrap_or_default();
    std::str::from_utf8(line)
        .is_ok_and(|line| !line.chars().any(|c| c.is_control() && c != '\t' && c != '\r'))
}

/// The format that most of the first lines have.
pub(super) fn of_lines(name: &str, text: &str) -> Option<FileFormat> {
    if text.starts_with("#Software:")
        || text.starts_with("#Fields:")
        || text.starts_with("#Version:")
    {
        return Some(FileFormat::Iis);
    }
    let lines: Vec<&str> =
        text.lines().filter(|line| !line.trim().is_empty()).take(LINES).collect();
    // the last line may be cut
    let lines = if lines.len() > 1 && lines.len() < LINES && !text.ends_with('\n') {
        lines.get(..lines.len() - 1).unwrap_or(&lines)
    } else {
        &lines
    };
    let rules: [fn(&str) -> Option<FileFormat>; 16] = [
        |line| is_report(line).then_some(FileFormat::Locust),
        |line| is_k6_json(line).then_some(FileFormat::K6),
        |line| is_vegeta(line).then_some(FileFormat::Vegeta),
        |line| is_status(line).then_some(FileFormat::NginxStatus),
        |line| is_envoy(line).then_some(FileFormat::Envoy),
        |line| is_haproxy(line).then_some(FileFormat::Haproxy),
        |line| is_clf(line).then_some(FileFormat::Combined),
        elb_format,
        |line| is_iis(line).then_some(FileFormat::Iis),
        |line| is_squid(line).then_some(FileFormat::Squid),
        |line| is_uwsgi(line).then_some(FileFormat::Uwsgi),
        metric_line,
        runtime_of,
        |line| is_json_log(line).then_some(FileFormat::JsonLogs),
        |line| is_kafka(line).then_some(FileFormat::Kafka),
        |line| {
            let time = leading_time(line)?;
            let is_log = time.rest.starts_with([' ', ':', '|', '\t', '['])
                || line.starts_with("# Time: ")
                || is_postgres(time.rest);
            is_log.then_some(FileFormat::TextLog)
        },
    ];
    for rule in rules {
        let found: Vec<FileFormat> = lines.iter().filter_map(|line| rule(line)).collect();
        let Some(format) = found.first() else { continue };
        // lines of a stack trace have no time
        let is_log = matches!(format, FileFormat::Kafka | FileFormat::TextLog);
        let enough =
            if is_log { found.len() * 10 >= lines.len() } else { found.len() * 2 >= lines.len() };
        if enough {
            return Some(by_name(name, *format));
        }
    }
    None
}

/// The Common Log Format by the name of its file.
fn by_name(name: &str, format: FileFormat) -> FileFormat {
    let name = name.to_ascii_lowercase();
    let is_of = |words: &[&str]| words.iter().any(|word| name.contains(word));
    match format {
        FileFormat::Combined if is_of(&["nginx", "ingress"]) => FileFormat::Nginx,
        FileFormat::Combined if is_of(&["apache", "httpd", "tomcat"]) => FileFormat::Apache,
        FileFormat::Combined if is_of(&["traefik"]) => FileFormat::Traefik,
        other => other,
    }
}
