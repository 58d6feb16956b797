//! The decoder of each format.

use super::decode::FormatDecoder;
use super::document_decoder::DocumentDecoder;
use super::format::FileFormat;
use super::lines::LineReader;
use super::options::FormatOptions;
use super::output::Output;
use super::sink::FormatSink;
use super::unit::Unit;
use super::{
    access, container, detect, elastic, jaeger, json_logs, line_metrics, lines, load,
    log_documents, log_table, metric_documents, nginx_status, otlp, own, prometheus, table,
    text_log, trace_documents, zipkin,
};
use crate::error::{Error, Result};
use crate::telemetry::{Record, Rejections};
use crate::wire::text::BOM;

/// The decoder of a format. `first` is the beginning of the input, at most [`DETECT_BYTES`](super::DETECT_BYTES) of it,
/// from which a decoder may infer a layout; the same bytes have to be fed afterwards.
///
/// # Examples
///
/// ```
/// use mad_core::Rejections;
/// use mad_core::wire::formats::{DETECT_BYTES, FileFormat, FormatOptions, Inspection, Output, decoder};
///
/// let file = b"timestamp,service,endpoint,status_code,latency_ms\n\
///     2026-01-06T10:45:00Z,payments,/pay,200,215.25\n";
/// let format = FileFormat::detect("requests.csv", file).unwrap_or(FileFormat::Csv);
/// let mut decoder = decoder(format, &FormatOptions::default(), file)?;
/// let (mut seen, mut rejections) = (Inspection::default(), Rejections::default());
/// let mut out = Output::new(&mut seen, &mut rejections);
/// decoder.feed(file, &mut out)?;
/// decoder.finish(&mut out)?;
/// assert_eq!(seen.document(format, &rejections).records, 1);
/// # Ok::<(), mad_core::Error>(())
/// ```
///
/// # Errors
///
/// An option that the format cannot use, such as a pattern that is not valid.
pub fn decoder(
    format: FileFormat,
    options: &FormatOptions,
    first: &[u8],
) -> Result<Box<dyn FormatDecoder>> {
    let first = first.strip_prefix(&BOM).unwrap_or(first);
    let text = || String::from_utf8_lossy(first);
    Ok(match format {
        FileFormat::Csv | FileFormat::JsonLines => {
            Box::new(own::OwnDecoder::new(format, options, first))
        }
        FileFormat::OtlpJson => Box::new(DocumentDecoder::new(otlp::OtlpJsonReader::new(options))),
        FileFormat::OtlpPb => Box::new(otlp::OtlpDecoder::new(options)),
        FileFormat::Jaeger => Box::new(DocumentDecoder::new(jaeger::JaegerReader::new(options))),
        FileFormat::Zipkin => Box::new(DocumentDecoder::new(zipkin::ZipkinReader::new(options))),
        FileFormat::Elastic => Box::new(DocumentDecoder::new(elastic::ElasticReader::new(options))),
        FileFormat::PrometheusApi => {
            Box::new(DocumentDecoder::new(prometheus::ApiReader::new(options)))
        }
        FileFormat::TracesJson => {
            Box::new(DocumentDecoder::new(trace_documents::TraceDocuments::new(options)))
        }
        FileFormat::MetricsJson => {
            Box::new(DocumentDecoder::new(metric_documents::MetricDocuments::new(options)))
        }
        FileFormat::JsonLogs if log_documents::is_log_document(first) => {
            Box::new(DocumentDecoder::new(log_documents::LogDocuments::new(options, first)))
        }
        FileFormat::PrometheusText => Box::new(prometheus::TextDecoder::new(options)),
        FileFormat::RemoteWrite => Box::new(prometheus::RemoteWriteDecoder::new(options)),
        FileFormat::Jmeter if text().trim_start().starts_with('<') => {
            Box::new(load::JmeterXmlDecoder::new(options))
        }
        FileFormat::Jmeter => {
            Box::new(table::TableDecoder::new(Box::new(load::JmeterReader::new(options))))
        }
        FileFormat::Hey => {
            Box::new(table::TableDecoder::new(Box::new(load::HeyReader::new(options))))
        }
        FileFormat::Ab => {
            Box::new(table::TableDecoder::new(Box::new(load::AbReader::new(options))))
        }
        FileFormat::LogTable => Box::new(table::TableDecoder::new(Box::new(
            log_table::LogTableReader::new(options, &text()),
        ))),
        FileFormat::JmeterXml => Box::new(load::JmeterXmlDecoder::new(options)),
        FileFormat::K6 if !text().trim_start().starts_with('{') => {
            Box::new(table::TableDecoder::new(Box::new(load::K6Reader::new(options))))
        }
        FileFormat::Locust if !text().trim_start().starts_with('{') => {
            let header = text().lines().next().unwrap_or_default().to_owned();
            let found = load::LocustTable::of(&header).unwrap_or(load::LocustTable::Exceptions);
            Box::new(table::TableDecoder::new(Box::new(load::LocustReader::new(found, options))))
        }
        _ => match line_reader(format, options, &text())? {
            Some(reader) => Box::new(lines::LineDecoder::new(reader)),
            None => return Err(Error::input(format!("{format} is no format of lines"))),
        },
    })
}

/// The reader of a format whose records are lines; `None` for other formats. `first` is the
/// beginning of the content.
fn line_reader(
    format: FileFormat,
    options: &FormatOptions,
    first: &str,
) -> Result<Option<Box<dyn LineReader>>> {
    if let Some(pattern) = &options.pattern {
        return Ok(Some(Box::new(access::LayoutReader::new(pattern, options)?)));
    }
    Ok(Some(match format {
        FileFormat::Combined
        | FileFormat::Nginx
        | FileFormat::Apache
        | FileFormat::Traefik
        | FileFormat::Envoy
            if first.trim_start().starts_with('{') =>
        {
            Box::new(json_logs::JsonReader::new(options, first))
        }
        FileFormat::Combined | FileFormat::Nginx | FileFormat::Apache | FileFormat::Traefik => {
            Box::new(access::ClfReader::new(format, options, first))
        }
        FileFormat::Envoy => Box::new(access::EnvoyReader::new(options)),
        FileFormat::Alb | FileFormat::Clb => Box::new(access::ElbReader::new(options)),
        FileFormat::Haproxy => Box::new(access::HaproxyReader::new(options)),
        FileFormat::Iis => Box::new(access::IisReader::new(options)),
        FileFormat::Pattern => {
            return Err(Error::input("the format pattern needs a pattern: give it with --pattern"));
        }
        FileFormat::JsonLogs => Box::new(json_logs::JsonReader::new(options, first)),
        FileFormat::Cri | FileFormat::Docker | FileFormat::Kubectl | FileFormat::Syslog => {
            let content = container::content_of(format, first);
            let inner = detect::of_lines(&options.name, &content)
                .filter(|inner| container::can_hold(format, *inner))
                .map(|inner| line_reader(inner, options, &content))
                .transpose()?;
            Box::new(container::ContainerReader::new(format, options, inner.flatten()))
        }
        FileFormat::Kafka | FileFormat::TextLog => {
            Box::new(text_log::TextReader::new(format, options, first))
        }
        FileFormat::NginxStatus => Box::new(nginx_status::StatusReader::new(options)),
        FileFormat::K6 => Box::new(load::K6JsonReader::new(options)),
        FileFormat::Locust => Box::new(load::WorkersReader::new(options)),
        FileFormat::Gatling => Box::new(load::GatlingReader::new(options)),
        FileFormat::Vegeta => Box::new(load::VegetaReader::new(options)),
        FileFormat::Squid => Box::new(access::SquidReader::new(options)),
        FileFormat::Uwsgi => Box::new(access::UwsgiReader::new(options)),
        FileFormat::Influx | FileFormat::Graphite => {
            Box::new(line_metrics::MetricLines::new(format, options))
        }
        FileFormat::Wrk => Box::new(load::WrkReader::default()),
        _ => return Ok(None),
    }))
}

/// Checks that a body can be read at all, without its records: before it is stored, and as far as
/// that is quick.
///
/// Protobuf is checked in its outer messages, every other format by reading it. Items that cannot be
/// read do not matter, unless nothing else is there.
///
/// # Errors
///
/// The body is not of the format, or holds only items that cannot be read.
pub fn check(format: FileFormat, options: &FormatOptions, body: &[u8]) -> Result<()> {
    match format {
        FileFormat::OtlpPb => otlp::check(body),
        FileFormat::RemoteWrite => prometheus::check_remote_write(body),
        _ => {
            let mut decoder = decoder(format, options, body)?;
            let (mut seen, mut rejections) = (Counted::default(), Rejections::default());
            let mut out = Output::new(&mut seen, &mut rejections);
            decoder.feed(body, &mut out)?;
            decoder.finish(&mut out)?;
            let first = rejections.first().first().filter(|_| seen.units == 0);
            first.map_or(Ok(()), |first| {
                let (reason, detail) = (first.reason.describe(), &first.detail);
                Err(Error::input(format!("nothing can be read: {reason} ({detail})")))
            })
        }
    }
}

/// Counts the items of a body.
#[derive(Default)]
struct Counted {
    units: u64,
}

impl FormatSink for Counted {
    fn record(&mut self, _: Record<'_>, _: u64) {}

    fn unit(&mut self, unit: &Unit<'_>) {
        self.units += unit.count;
    }
}
