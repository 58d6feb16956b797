//! Service level objectives: what of their budgets an incident took.

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

/// What a row of requests means for its entity's objectives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RowObjectives {
    /// The objectives.
    pub slo: SloConfig,
    /// Requests that took longer than the objective allows.
    pub slow: u64,
    /// Requests in the whole window at the traffic counted so far.
    pub window_requests: f64,
}

/// Bad requests against the budget of one objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Burn {
    /// Share of requests that are to be good.
    pub objective: f64,
    /// Requests that were not.
    pub bad: u64,
    /// All requests among which they were.
    pub requests: u64,
    /// Requests in the whole window at the traffic counted so far.
    pub window_requests: f64,
}

impl Burn {
    /// Part of the window's budget that the bad requests took; above 1 there was not enough. NaN
    /// without traffic.
    pub fn budget_share(&self) -> f64 {
        self.bad as f64 / ((1.0 - self.objective) * self.window_requests)
    }

    /// How many times as fast as the objective allows the budget was used; NaN without requests.
    pub fn rate(&self) -> f64 {
        self.bad as f64 / self.requests as f64 / (1.0 - self.objective)
    }

    fn add(&mut self, bad: u64, requests: u64, window_requests: f64) {
        self.bad = self.bad.saturating_add(bad);
        self.requests = self.requests.saturating_add(requests);
        self.window_requests = window_requests;
    }
}

/// What the flagged rows of one entity took of the budgets of its objectives.
///
/// # Examples
///
/// ```
/// use mad_core::incident::{RowObjectives, SloConfig, SloImpact};
///
/// let slo = SloConfig::default();
/// let row = RowObjectives { slo, slow: 40, window_requests: 1e6 };
/// let mut impact = SloImpact::new(&slo);
/// impact.add(&row, 200, 20);
/// assert!((impact.errors.budget_share() - 0.02).abs() < 1e-9);
/// assert!((impact.errors.rate() - 100.0).abs() < 1e-9);
/// assert!((impact.latency.budget_share() - 0.004).abs() < 1e-9);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SloImpact {
    /// Length of the window, days.
    pub window_days: f64,
    /// How long a request may take, ms.
    pub latency_ms: f64,
    /// Failed requests.
    pub errors: Burn,
    /// Slow requests.
    pub latency: Burn,
}

impl SloImpact {
    /// Nothing yet.
    pub fn new(slo: &SloConfig) -> Self {
        let unburnt =
            |objective| Burn { objective, bad: 0, requests: 0, window_requests: f64::NAN };
        Self {
            window_days: slo.window_days,
            latency_ms: slo.latency_objective_ms,
            errors: unburnt(slo.error_objective),
            latency: unburnt(slo.latency_objective),
        }
    }

    /// Adds a row of so many requests, so many of which failed.
    pub fn add(&mut self, row: &RowObjectives, requests: u64, errors: u64) {
        self.errors.add(errors, requests, row.window_requests);
        self.latency.add(row.slow, requests, row.window_requests);
    }

    /// The larger part of a budget that was taken.
    pub fn worst_share(&self) -> f64 {
        self.errors.budget_share().max(self.latency.budget_share())
    }
}

/// How much is asked of an entity: requests over time, of the window at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Traffic {
    requests: f64,
    seconds: f64,
}

impl Traffic {
    /// Adds requests of so many seconds; what is older than `window` seconds fades.
    pub fn add(&mut self, requests: u64, seconds: f64, window: f64) {
        self.requests += requests as f64;
        self.seconds += seconds;
        if self.seconds > window {
            self.requests *= window / self.seconds;
            self.seconds = window;
        }
    }

    /// Requests that so many seconds bring.
    pub fn expected(&self, seconds: f64) -> f64 {
        self.requests / self.seconds * seconds
    }
}
