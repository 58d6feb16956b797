//! Records: decoding, rejections, routes, and settings of some entities.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failing test may panic"
)]

mod routes;
mod settings;
#[cfg(all(feature = "csv", feature = "jsonl"))]
mod wire;
