//! Service level objectives: what of their budgets an incident took.

use serde::{Deserialize, Serialize};

use crate::config::SloConfig;

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
/// use mad_core::config::SloConfig;
/// use mad_core::slo::{RowObjectives, SloImpact};
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

    /// Adds a row with its requests and errors.
    pub fn add(&mut self, row: &RowObjectives, requests: u64, errors: u64) {
        self.errors.add(errors, requests, row.window_requests);
        self.latency.add(row.slow, requests, row.window_requests);
    }

    /// The larger part of a budget that was taken.
    pub fn worst_share(&self) -> f64 {
        self.errors.budget_share().max(self.latency.budget_share())
    }
}
