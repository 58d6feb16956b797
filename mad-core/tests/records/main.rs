//! Records: decoding, rejections, routes, and settings of some entities.
// A failing test may panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(feature = "formats")]
mod format_variants;
#[cfg(feature = "formats")]
mod formats;
#[cfg(feature = "formats")]
mod inspected;
#[cfg(feature = "formats")]
mod log_formats;
#[cfg(feature = "formats")]
mod other_formats;
mod routes;
mod settings;
#[cfg(all(feature = "csv", feature = "jsonl"))]
mod wire;
