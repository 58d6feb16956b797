//! Simulated systems, evaluation against a truth, and the reference mode.
// A failing test may panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod evaluate;
#[cfg(feature = "simulate")]
mod reference;
#[cfg(feature = "simulate")]
mod reference_results;
mod services;
#[cfg(feature = "simulate")]
mod simulate;
#[cfg(feature = "simulate")]
mod systems;
