//! Guardrails, incidents, culprits and explanations.
// A failing test may panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;

mod chain;
mod culprits;
mod flapping;
mod front_door;
mod guard_incident;
mod hand_made;
mod merge_incidents;
mod rank;
mod rules;
mod slo;
mod standout;
mod traces;
mod two_outages;
mod words;
