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

mod buckets;
mod detect;
mod elastic;
mod format;
mod inspection;
mod jaeger;
mod json_documents;
mod memory;
mod metric_series;
mod naming;
mod options;
mod otlp;
mod own;
mod prometheus;
mod quantile;
mod trace_span;
mod unit;
mod zipkin;

use std::fmt;

use crate::error::{Error, Result};
use crate::telemetry::{Record, Rejections, RequestTime};

pub use format::FileFormat;
pub use inspection::{EdgeDocument, Inspection, InspectionDocument};
pub use memory::TelemetryMemory;
pub use options::FormatOptions;
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
    match format {
        FileFormat::Csv | FileFormat::JsonLines => {
            Ok(Box::new(own::OwnDecoder::new(format, options, first)))
        }
        FileFormat::OtlpJson => Ok(Box::new(otlp::OtlpJsonDecoder::new(options))),
        FileFormat::OtlpPb => Ok(Box::new(otlp::OtlpDecoder::new(options))),
        FileFormat::Jaeger => Ok(Box::new(jaeger::JaegerDecoder::new(options))),
        FileFormat::Zipkin => Ok(Box::new(zipkin::ZipkinDecoder::new(options))),
        FileFormat::Elastic => Ok(Box::new(elastic::ElasticDecoder::new(options))),
        FileFormat::PrometheusApi => Ok(Box::new(prometheus::ApiDecoder::new(options))),
        FileFormat::PrometheusText => Ok(Box::new(prometheus::TextDecoder::new(options))),
        FileFormat::RemoteWrite => Ok(Box::new(prometheus::RemoteWriteDecoder::new(options))),
    }
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
