//! Kinds of signals, the direction in which a signal is anomalous, and one value of a signal.

use serde::{Deserialize, Serialize};

/// The value of a signal and the number of observations behind it.
///
/// An unknown value is NaN with `n` of 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The value, in the unit of the signal.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub value: f64,
    /// Number of observations behind it, such as the requests of an error rate.
    pub n: u64,
}

/// The kind of the values of a signal. It selects the likelihood of the scorer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    /// Positive and skewed values, judged by their logarithm.
    Latency,
    /// Shares of `n` trials, 0 to 1, judged by a binomial tail.
    Rate,
    /// Numbers of independent events, judged after a square-root transform (Anscombe).
    Count,
    /// Numbers of rare independent events, judged over several steps together (Poisson).
    Events,
    /// Any other values, judged as they are.
    Gauge,
}

/// The direction in which a deviation is anomalous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Only values above the expected one.
    Up,
    /// Only values below.
    Down,
    /// Both sides. The probability is doubled for the two tails.
    Both,
}
