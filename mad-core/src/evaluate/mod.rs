//! Precision, recall, delay and ranking against a known truth.

mod truth;

pub use truth::{Truth, TruthIncident};
