//! Decoders of the files that other tools write: access logs, container logs, traces, metrics and
//! results of load tests.
//!
//! [`FileFormat::detect`] finds the format from the name and the first bytes of a file.
//! [`decoder`] makes the [`FormatDecoder`] of a format. A decoder is fed the bytes of the file, cut
//! anywhere, and gives two things to a [`FormatSink`]:
//!
//! - [`Record`]s of any kind with their positions: what a pipeline judges;
//! - [`Unit`]s: one for each item that the file holds (a log line, a span, a data point), with the
//!   facts that an [`Inspection`] shows and a record does not carry. One unit may give no record, or
//!   several.
//!
//! To add a format: a variant of [`FileFormat`], a rule in `detect.rs`, a decoder in a separate
//! file, and its arm in [`decoder`].

#![allow(clippy::doc_markdown, reason = "products and fields of their logs are named in prose")]

mod access;
mod buckets;
mod container;
mod detect;
mod elastic;
mod format;
mod inspection;
mod jaeger;
mod json_documents;
mod json_logs;
mod lines;
mod load;
mod memory;
mod metric_series;
mod naming;
mod nginx_status;
mod options;
mod otlp;
mod own;
mod prometheus;
mod quantile;
mod service;
mod table;
mod text_level;
mod text_log;
mod trace_span;
mod unit;
mod zipkin;

use std::fmt;

use crate::error::{Error, Result};
use crate::telemetry::{Record, Rejections, RequestTime};
use lines::LineReader;

pub use format::FileFormat;
pub use inspection::{EdgeDocument, Inspection, InspectionDocument};
pub use memory::TelemetryMemory;
pub use options::FormatOptions;
pub use own::own_share;
pub use unit::{Code, Link, Unit};

/// Bytes of a file from which its format is detected; fewer where the file is shorter.
pub const DETECT_BYTES: usize = 64 * 1024;

/// Takes what a decoder reads.
pub trait FormatSink {
    /// A record to be judged, and its position (a line, or the number of the item).
    fn record(&mut self, record: Record<'_>, position: u64);

    /// One item of the file. A sink that only needs records ignores it.
    fn unit(&mut self, _: &Unit<'_>) {}
}

impl<F: FnMut(Record<'_>, u64)> FormatSink for F {
    fn record(&mut self, record: Record<'_>, position: u64) {
        self(record, position);
    }
}

/// Reads the bytes of a file of one [`FileFormat`].
pub trait FormatDecoder: fmt::Debug + Send + Sync {
    /// Takes the next bytes, cut anywhere. The result never depends on the cuts. An item that
    /// cannot be read is counted in `rejections` and stops nothing.
    ///
    /// # Errors
    ///
    /// The input as a whole cannot be read. Every later call gives the same error.
    fn feed(
        &mut self,
        bytes: &[u8],
        sink: &mut dyn FormatSink,
        rejections: &mut Rejections,
    ) -> Result<()>;

    /// Takes the end of the input. A second call does nothing.
    ///
    /// # Errors
    ///
    /// As [`feed`](Self::feed).
    fn finish(&mut self, sink: &mut dyn FormatSink, rejections: &mut Rejections) -> Result<()>;

    /// Whether requests of this format are dated by their start or their end; `None` where the
    /// format does not define it.
    fn request_time(&self) -> Option<RequestTime> {
        None
    }

    /// Exchanges what the decoder remembers of metrics and versions with `memory`, so that the
    /// bodies of one source continue each other. Formats without such a memory do nothing.
    fn swap_memory(&mut self, _: &mut TelemetryMemory) {}

    /// What a user should know about the way the input is read, such as an inferred unit.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The decoder of a format. `first` is the beginning of the input, at most [`DETECT_BYTES`] of it,
/// from which a decoder may infer a layout; the same bytes have to be fed afterwards.
///
/// # Examples
///
/// ```
/// use mad_core::Rejections;
/// use mad_core::wire::formats::{DETECT_BYTES, FileFormat, FormatOptions, Inspection, decoder};
///
/// let file = b"timestamp,service,endpoint,status_code,latency_ms\n\
///     2026-01-06T10:45:00Z,payments,/pay,200,215.25\n";
/// let format = FileFormat::detect("requests.csv", file).unwrap_or(FileFormat::Csv);
/// let mut decoder = decoder(format, &FormatOptions::default(), file)?;
/// let (mut seen, mut rejections) = (Inspection::default(), Rejections::default());
/// decoder.feed(file, &mut seen, &mut rejections)?;
/// decoder.finish(&mut seen, &mut rejections)?;
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
    let text = || String::from_utf8_lossy(first);
    Ok(match format {
        FileFormat::Csv | FileFormat::JsonLines => {
            Box::new(own::OwnDecoder::new(format, options, first))
        }
        FileFormat::OtlpJson => Box::new(otlp::OtlpJsonDecoder::new(options)),
        FileFormat::OtlpPb => Box::new(otlp::OtlpDecoder::new(options)),
        FileFormat::Jaeger => Box::new(jaeger::JaegerDecoder::new(options)),
        FileFormat::Zipkin => Box::new(zipkin::ZipkinDecoder::new(options)),
        FileFormat::Elastic => Box::new(elastic::ElasticDecoder::new(options)),
        FileFormat::PrometheusApi => Box::new(prometheus::ApiDecoder::new(options)),
        FileFormat::PrometheusText => Box::new(prometheus::TextDecoder::new(options)),
        FileFormat::RemoteWrite => Box::new(prometheus::RemoteWriteDecoder::new(options)),
        FileFormat::Jmeter if text().trim_start().starts_with('<') => {
            Box::new(load::JmeterXmlDecoder::new(options))
        }
        FileFormat::Jmeter => {
            Box::new(table::TableDecoder::new(Box::new(load::JmeterReader::new(options))))
        }
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
        FileFormat::Cri | FileFormat::Docker | FileFormat::Kubectl => {
            Box::new(container::ContainerReader::new(format, options, first)?)
        }
        FileFormat::Kafka | FileFormat::TextLog => {
            Box::new(text_log::TextReader::new(format, options))
        }
        FileFormat::NginxStatus => Box::new(nginx_status::StatusReader::new(options)),
        FileFormat::K6 => Box::new(load::K6JsonReader::new(options)),
        FileFormat::Locust => Box::new(load::WorkersReader::new(options)),
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
            decoder.feed(body, &mut seen, &mut rejections)?;
            decoder.finish(&mut seen, &mut rejections)?;
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
