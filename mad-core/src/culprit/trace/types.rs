//! What a ranking over traces says.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::time::Timestamp;

/// How culprits are ranked over traces.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceRankerConfig {
    /// Scales above its usual own time (that without its children's) from which a span is slow; above 0,
    /// at most 1e6. A scale is at least a quarter of it, so that the default of 6 is 2.5 times the
    /// usual. Default 6.
    pub slow_effect: f64,
    /// Own time from which a span is slow where its past has fewer than five spans, ms; above 0.
    /// Default 5,000.
    pub slow_ms: f64,
    /// Failing traces from which a culprit is named, 1 to 1e9. Default 1.
    pub min_traces: u64,
    /// How many culprits are named, 1 to 1,000. Default 10.
    pub top_k: usize,
}

impl Default for TraceRankerConfig {
    fn default() -> Self {
        Self { slow_effect: 6.0, slow_ms: 5_000.0, min_traces: 1, top_k: 10 }
    }
}

impl TraceRankerConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// Names the field, its value and its range.
    pub fn validate(&self) -> Result<()> {
        if !(self.slow_effect > 0.0 && self.slow_effect <= 1e6) {
            return Err(Error::config(
                "slow_effect",
                self.slow_effect,
                "above 0, at most 1e6 scales",
            ));
        }
        if !(self.slow_ms.is_finite() && self.slow_ms > 0.0) {
            return Err(Error::config("slow_ms", self.slow_ms, "a finite number of ms above 0"));
        }
        if !(1..=1_000_000_000).contains(&self.min_traces) {
            let expected = "an integer from 1 to 1000000000";
            return Err(Error::config("min_traces", self.min_traces, expected));
        }
        if !(1..=1_000).contains(&self.top_k) {
            return Err(Error::config("top_k", self.top_k, "an integer from 1 to 1000"));
        }
        Ok(())
    }
}

/// What is wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceFault {
    /// It fails.
    Error,
    /// It takes far longer than usual.
    Slow,
    /// It fails or is slow for its caller, and its callee is well: what lies between them.
    Network,
    /// It is usually there and is not.
    Missing,
}

impl TraceFault {
    /// Its name in files and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Slow => "slow",
            Self::Network => "network",
            Self::Missing => "missing",
        }
    }
}

/// One suspect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceCulprit {
    /// The service at fault.
    pub service: Arc<str>,
    /// What it was asked to do.
    pub operation: Arc<str>,
    /// What is wrong with it.
    pub fault: TraceFault,
    /// Failing traces in which it is the first cause, and their share of all failing traces.
    pub traces: u64,
    /// That share, 0 to 1: how sure the answer is.
    pub share: f64,
    /// The first failing call, strays long before the others left aside.
    pub onset: Timestamp,
    /// Median duration of the failing calls, ms; NaN for missing ones.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub duration_ms: f64,
    /// Its usual duration, ms; NaN where it has too little past.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub expected_ms: f64,
    /// The first failing traces from the onset on, at most five.
    pub sample_traces: Vec<Arc<str>>,
    /// How the fault reached the entry, as most traces have it: services from the entry to the culprit.
    pub chain: Vec<Arc<str>>,
}

/// Suspects, the likeliest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceRanking {
    /// The likeliest suspects: one a service, operation and fault.
    pub culprits: Vec<TraceCulprit>,
    /// Whether nobody is named, because nothing fails or no more than it used to.
    pub abstained: bool,
    /// Traces looked at.
    pub traces: u64,
    /// Those in which a call fails, is slow or is missing.
    pub failing: u64,
}
