//! Error budgets: how much of them an incident used up.

use serde::{Deserialize, Serialize};

use crate::config::SloConfig;

/// The objectives of a row of requests with the counts that their budgets need.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RowObjectives {
    /// The objectives.
    pub slo: SloConfig,
    /// Requests that took longer than the objective allows.
    pub slow: u64,
    /// Expected requests in the whole window, from the traffic so far.
    pub window_requests: f64,
}

/// The bad requests of an incident and the error budget of one objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Burn {
    /// Share of requests that have to be good.
    pub objective: f64,
    /// Number of bad requests.
    pub bad: u64,
    /// Number of all requests.
    pub requests: u64,
    /// Expected requests in the whole window, from the traffic so far.
    pub window_requests: f64,
}

impl Burn {
    /// Share of the budget of the window that the bad requests used up; above 1 if they exceed it. NaN
    /// without traffic.
    pub fn budget_share(&self) -> f64 {
        // The budget of a window is the share of its requests that may be bad.
        self.bad as f64 / ((1.0 - self.objective) * self.window_requests)
    }

    /// Burn rate: 1 uses up the budget exactly within the window. NaN without requests.
    pub fn rate(&self) -> f64 {
        // The bad share, in units of the allowed share (Google SRE workbook, chapter 5).
        self.bad as f64 / self.requests as f64 / (1.0 - self.objective)
    }

    fn add(&mut self, bad: u64, requests: u64, window_requests: f64) {
        self.bad = self.bad.saturating_add(bad);
        self.requests = self.requests.saturating_add(requests);
        // The newest row has seen the most traffic, so that its estimate replaces the earlier ones.
        self.window_requests = window_requests;
    }

    fn merge(&mut self, other: &Self) {
        self.bad = self.bad.saturating_add(other.bad);
        self.requests = self.requests.saturating_add(other.requests);
        self.window_requests += other.window_requests;
    }
}

/// The error budgets that the flagged rows of one entity used up.
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
    /// Longest latency of a request that is in time, ms.
    pub latency_ms: f64,
    /// Budget of failed requests.
    pub errors: Burn,
    /// Budget of slow requests.
    pub latency: Burn,
}

impl SloImpact {
    /// An impact without requests.
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

    /// Adds the requests of another entity. Returns false, and changes nothing, where its objectives are
    /// others, because their budgets have no sum.
    pub fn merge(&mut self, other: &Self) -> bool {
        let objectives = |one: &Self| {
            let Self { window_days, latency_ms, errors, latency } = one;
            [*window_days, *latency_ms, errors.objective, latency.objective].map(f64::to_bits)
        };
        if objectives(self) != objectives(other) {
            return false;
        }
        self.errors.merge(&other.errors);
        self.latency.merge(&other.latency);
        true
    }

    /// The larger of both shares of the budgets.
    pub fn worst_share(&self) -> f64 {
        self.errors.budget_share().max(self.latency.budget_share())
    }
}
