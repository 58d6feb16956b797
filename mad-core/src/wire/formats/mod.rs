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

mod detect;
mod format;
mod inspection;
mod options;
mod own;
mod unit;

use std::fmt;

use crate::error::Result;
use crate::telemetry::{Record, Rejections, RequestTime};

pub use format::FileFormat;
pub use inspection::{EdgeDocument, Inspection, InspectionDocument};
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
    }
}
