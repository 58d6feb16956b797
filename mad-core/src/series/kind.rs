//! Kinds of signals, the direction in which a signal is anomalous, and one value of a signal.

use serde::{Deserialize, Serialize};

/// A value and how many observations stand behind it.
///
/// `n` is 0 where there is nothing to say; the value is then NaN.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The value, in the signal's unit.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub value: f64,
    /// Observations behind it.
    pub n: u64,
}

/// What kind of number a signal is: which likelihood its scorer uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    /// Positive, skewed, multiplicative: judged by its logarithm.
    Latency,
    /// A share of `n` trials, 0 to 1: judged by a binomial tail.
    Rate,
    /// A number of independent events: judged by a Poisson-like tail.
    Count,
    /// Anything else: judged as it is.
    Gauge,
}

/// Which way out of the band counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Only values above the expected one.
    Up,
    /// Only values below.
    Down,
    /// Either; the probability is doubled for the two tails.
    Both,
}
