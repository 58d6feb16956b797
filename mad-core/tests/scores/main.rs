//! Scorers and the statistics they are built from.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failing test may panic"
)]

mod robust;
mod scorers;
mod single_scorers;
mod slow_rows;
