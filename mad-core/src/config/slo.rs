//! Service level objectives.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What callers were promised: that requests succeed, and that they are answered in time. What an
/// objective leaves is its budget: of 1,000,000 requests in the window, 99.9 % let 1,000 fail.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SloConfig {
    /// Share of requests that are to succeed, above 0 and below 1. Default 0.999.
    pub error_objective: f64,
    /// Share of requests that are to be answered within `latency_objective_ms`, above 0 and below
    /// 1. Default 0.99.
    pub latency_objective: f64,
    /// How long a request may take, ms, above 0, at most 1e9. Default 500.
    pub latency_objective_ms: f64,
    /// The time for which a budget is, days, above 0, at most 3,650. Default 30.
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
        for (field, value) in [
            ("slo.error_objective", self.error_objective),
            ("slo.latency_objective", self.latency_objective),
        ] {
            if !(value > 0.0 && value < 1.0) {
                return Err(Error::config(field, value, "a share above 0 and below 1"));
            }
        }
        for (field, value, most, expected) in [
            ("slo.latency_objective_ms", self.latency_objective_ms, 1e9, "above 0, at most 1e9 ms"),
            ("slo.window_days", self.window_days, 3_650.0, "above 0, at most 3650 days"),
        ] {
            if !(value > 0.0 && value <= most) {
                return Err(Error::config(field, value, expected));
            }
        }
        Ok(())
    }

    /// The window in seconds.
    pub fn window_seconds(&self) -> f64 {
        self.window_days * 86_400.0
    }
}
