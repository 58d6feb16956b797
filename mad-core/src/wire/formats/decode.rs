//! What a decoder of files is.

use std::fmt;

use super::memory::TelemetryMemory;
use super::output::Output;
use crate::error::Result;
use crate::telemetry::RequestTime;

/// Reads the bytes of a file of one [`FileFormat`](super::FileFormat).
pub trait FormatDecoder: fmt::Debug + Send + Sync {
    /// Takes the next bytes, cut anywhere. The result never depends on the cuts. An item that
    /// cannot be read is counted in `rejections` and stops nothing.
    ///
    /// # Errors
    ///
    /// The input as a whole cannot be read. Every later call gives the same error.
    fn feed(&mut self, bytes: &[u8], out: &mut Output<'_>) -> Result<()>;

    /// Takes the end of the input. A second call does nothing.
    ///
    /// # Errors
    ///
    /// As [`feed`](Self::feed).
    fn finish(&mut self, out: &mut Output<'_>) -> Result<()>;

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
