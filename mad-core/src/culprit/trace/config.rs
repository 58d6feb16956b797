//! Configuration of the ranking over traces.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Configuration of a [`TraceRanker`](super::TraceRanker).
///
/// # Examples
///
/// ```
/// use mad_core::culprit::{TraceRanker, TraceRankerConfig};
///
/// let config = TraceRankerConfig { min_traces: 3, ..TraceRankerConfig::default() };
/// assert!(TraceRanker::new(config).is_ok());
/// let refused = TraceRankerConfig { slow_ms: 0.0, ..TraceRankerConfig::default() };
/// assert!(refused.validate().unwrap_err().to_string().contains("slow_ms"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceRankerConfig {
    /// Effect from which a span is slow: scales by which its self time (without its children) exceeds the usual
    /// self time. Above 0, at most 1e6. Default 6, which is at least 2.5 times the usual time, because a
    /// scale is at least a quarter of it.
    pub slow_effect: f64,
    /// Own time from which a span of an operation with fewer than five past spans is slow, ms, above 0.
    /// Default 5,000.
    pub slow_ms: f64,
    /// Smallest number of failing traces of a culprit, 1 to 1e9. Default 1.
    pub min_traces: u64,
    /// Largest number of culprits, 1 to 1,000. Default 10.
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
