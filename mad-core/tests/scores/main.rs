//! Scorers and the statistics they are built from.
// A failing test may panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;

mod classical;
mod forests;
mod learning;
mod lstm;
mod methods;
mod robust;
mod running_totals;
mod scorers;
mod seasons;
mod single_scorers;
mod slow_rows;
mod svm;
