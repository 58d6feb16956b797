//! Service level objectives of requests.

use serde::{Deserialize, Serialize};

use super::check::{above_zero, between_zero_and_one};
use crate::error::Result;

/// Service level objectives: which share of requests has to succeed, and which share in time.
///
/// An objective leaves an error budget. Of 1,000,000 requests in the window, an objective of
/// 99.9 % lets 1,000 fail.
///
/// # Examples
///
/// ```
/// use mad_core::SloConfig;
///
/// let strict = SloConfig { latency_objective_ms: 200.0, ..SloConfig::default() };
/// assert!(strict.validate().is_ok());
/// assert!(SloConfig { error_objective: 1.0, ..strict }.validate().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SloConfig {
    /// Share of requests that have to succeed, above 0 and below 1. Default 0.999.
    pub error_objective: f64,
    /// Share of requests that have to be answered within `latency_objective_ms`, above 0 and
    /// below 1. Default 0.99.
    pub latency_objective: f64,
    /// Longest time in which a request is answered in time, ms, above 0, at most 1e9. Default 500.
    pub latency_objective_ms: f64,
    /// Length of the window of the budgets, days, above 0, at most 3,650. Default 30.
    pub window_days: f64,
}

impl Default for SloConfig {
    fn default() -> Self {
        Self {
            error_objective: 0.999,
            latency_objective: 0.99,
            latency_objective_ms: 500.0,
            window_days: 30.0,
        }
    }
}

impl SloConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// Names the field, its value and its range.
    pub fn validate(&self) -> Result<()> {
        let expected = "a share above 0 and below 1";
        between_zero_and_one("slo.error_objective", self.error_objective, expected)?;
        between_zero_and_one("slo.latency_objective", self.latency_objective, expected)?;
        let expected = "above 0, at most 1e9 ms";
        above_zero("slo.latency_objective_ms", self.latency_objective_ms, 1e9, expected)?;
        let expected = "above 0, at most 3650 days";
        above_zero("slo.window_days", self.window_days, 3_650.0, expected)
    }

    /// The window in seconds.
    pub fn window_seconds(&self) -> f64 {
        self.window_days * 86_400.0
    }
}
