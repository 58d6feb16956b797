//! Records: what is read, what is rejected, routes and the settings of some entities.
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
