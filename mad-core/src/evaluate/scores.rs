//! Precision, recall and F1.

use serde::{Deserialize, Serialize};

/// Precision, recall and F1, each from 0 to 1; `None` if the denominator is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Share of correct alarms among all alarms.
    pub precision: Option<f64>,
    /// Share of correct alarms among all that should have been raised.
    pub recall: Option<f64>,
    /// Harmonic mean of both: `2 right / (2 right + wrong + missed)`.
    pub f1: Option<f64>,
}

impl Scores {
    /// Scores of correct, false and missed alarms.
    pub fn new(right: u64, wrong: u64, missed: u64) -> Self {
        let share = |part: u64, all: u64| (all > 0).then(|| part as f64 / all as f64);
        Self {
            precision: share(right, right + wrong),
            recall: share(right, right + missed),
            f1: share(2 * right, 2 * right + wrong + missed),
        }
    }
}
