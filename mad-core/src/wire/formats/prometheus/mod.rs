//! Formats of Prometheus: answers of its HTTP API, pages that it scrapes, and `remote_write`.

mod api;
mod labels;
mod native;
mod remote_write;
mod samples;
mod series_cache;
mod snappy;
mod text;

pub(super) use api::{ApiReader, is_api};
pub(super) use labels::{SampleType, Series};
pub(super) use remote_write::{RemoteWriteDecoder, check_remote_write, is_remote_write};
pub(super) use series_cache::SeriesCache;
pub(super) use text::{TextDecoder, is_text};

/// The NaN with which Prometheus says that a series has ended.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// Whether a value says that the series has ended.
const fn stale(value: f64) -> bool {
    value.to_bits() == STALE
}

/// A value as Prometheus writes it.
fn parse_value(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}
