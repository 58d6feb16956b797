//! Guardrails: rows of scores become verdicts, and anomalous rows that do not matter are suppressed.

mod effect;
mod guardrails;
mod judged_row;
mod verdict;

pub use effect::{SignalTraits, exceeds_min_effect};
pub use guardrails::{EntityMaturity, Guardrails, ScoredRow, ScoredSignal};
pub use judged_row::{JudgedRow, JudgedSignal};
pub use verdict::{Confidence, Reason, Severity, Verdict};
