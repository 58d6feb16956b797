//! Feature rows of requests, log lines and spans; the service graph.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failing test may panic"
)]

mod features;
mod graph;
mod logs;
#[cfg(feature = "simulate")]
mod missing_spans;
