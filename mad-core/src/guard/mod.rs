//! Rows of scores to verdicts: what is worth anyone's attention, and why the rest is not.

mod guardrails;
mod verdict;

pub use guardrails::{EntityMaturity, Guardrails};
pub use verdict::{Confidence, PointVerdict, Reason, Severity, Verdict};
