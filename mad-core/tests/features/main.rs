//! Feature rows of requests, log lines and spans; the service graph.
// A failing test may panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;

mod clocks;
mod features;
mod graph;
mod log_rates;
mod log_templates;
mod logs;
#[cfg(feature = "simulate")]
mod missing_spans;
mod new_errors;
mod outages;
