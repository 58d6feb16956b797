//! Simulated systems, evaluation against a truth, and the reference mode.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failing test may panic"
)]

mod evaluate;
#[cfg(feature = "simulate")]
mod reference;
#[cfg(feature = "simulate")]
mod reference_results;
#[cfg(feature = "simulate")]
mod simulate;
