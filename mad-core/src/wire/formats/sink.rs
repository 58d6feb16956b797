//! What takes the records of a decoder.

use super::unit::Unit;
use crate::telemetry::Record;

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
