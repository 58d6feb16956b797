//! The pipeline as a whole: batches, streams, saved state, commands and health states.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failing test may panic"
)]

#[cfg(feature = "simulate")]
mod checkpoint;
#[cfg(feature = "simulate")]
mod delta;
mod metrics;
mod overrides;
#[cfg(feature = "simulate")]
mod pipeline;
#[cfg(feature = "simulate")]
mod state;
mod states;
