//! Where decoders put what they read.

use super::sink::FormatSink;
use crate::telemetry::{RejectReason, Rejections};
use crate::time::{TimeError, Timestamp};
use crate::wire::time_reason;

/// Takes what a decoder reads: records and units, or the reason why an item is rejected.
///
/// # Examples
///
/// ```
/// use mad_core::Rejections;
/// use mad_core::wire::formats::{FileFormat, FormatOptions, Inspection, Output, decoder};
///
/// let file = b"caller,callee\ncart,payments\n";
/// let mut decoder = decoder(FileFormat::Csv, &FormatOptions::default(), file)?;
/// let (mut seen, mut rejections) = (Inspection::default(), Rejections::default());
/// let mut out = Output::new(&mut seen, &mut rejections);
/// decoder.feed(file, &mut out)?;
/// decoder.finish(&mut out)?;
/// assert_eq!(seen.document(FileFormat::Csv, &rejections).records, 1);
/// # Ok::<(), mad_core::Error>(())
/// ```
pub struct Output<'a> {
    /// Takes the records and units.
    pub sink: &'a mut dyn FormatSink,
    /// Counts the items that cannot be read.
    pub rejections: &'a mut Rejections,
}

impl<'a> Output<'a> {
    /// An output to `sink` that counts rejected items in `rejections`.
    pub fn new(sink: &'a mut dyn FormatSink, rejections: &'a mut Rejections) -> Self {
        Self { sink, rejections }
    }

    /// Counts a line that has not the layout of the format.
    pub(super) fn refuse(&mut self, line: &str, position: u64) {
        self.rejections.add(RejectReason::BadLine, position, || line.to_owned());
    }

    /// The time of a line; counts a line whose time, as `written`, cannot be read.
    pub(super) fn time(
        &mut self,
        found: Result<Timestamp, TimeError>,
        written: &str,
        position: u64,
    ) -> Option<Timestamp> {
        let refuse = |error| {
            self.rejections.add(time_reason(error), position, || format!("time = {written:?}"));
        };
        found.map_err(refuse).ok()
    }
}

impl std::fmt::Debug for Output<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("rejections", &self.rejections).finish_non_exhaustive()
    }
}
