//! The pipeline as a whole: batches, streams, saved state, commands and health states.
// A failing test may panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;

#[cfg(feature = "simulate")]
mod checkpoint;
#[cfg(feature = "simulate")]
mod delta;
mod exposition;
mod extreme_times;
mod first_sight;
mod metrics;
mod overrides;
#[cfg(feature = "simulate")]
mod pipeline;
mod shapes;
mod signals;
mod silence;
#[cfg(feature = "simulate")]
mod state;
mod states;
mod together;
