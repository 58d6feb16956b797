//! Guardrails, incidents, culprits and explanations.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failing test may panic"
)]

mod chain;
mod culprits;
mod guard_incident;
mod merge_incidents;
mod rank;
mod slo;
mod traces;
mod two_outages;
mod words;
