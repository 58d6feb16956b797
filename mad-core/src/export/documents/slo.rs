//! The use of error budgets by an incident, as reports and files show it.

use serde::Serialize;

use crate::slo::{Burn, SloImpact};

/// The use of an entity's error budgets by its flagged rows.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct SloDocument {
    pub window_days: f64,
    pub latency_ms: f64,
    pub errors: BurnDocument,
    pub latency: BurnDocument,
}

/// Bad requests against the budget of one objective.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct BurnDocument {
    pub objective: f64,
    pub bad: u64,
    pub requests: u64,
    pub budget_share: f64,
    pub burn_rate: f64,
}

impl From<&SloImpact> for SloDocument {
    fn from(impact: &SloImpact) -> Self {
        let SloImpact { window_days, latency_ms, errors, latency } = impact;
        Self {
            window_days: *window_days,
            latency_ms: *latency_ms,
            errors: errors.into(),
            latency: latency.into(),
        }
    }
}

impl From<&Burn> for BurnDocument {
    fn from(burn: &Burn) -> Self {
        let Burn { objective, bad, requests, .. } = *burn;
        Self { objective, bad, requests, budget_share: burn.budget_share(), burn_rate: burn.rate() }
    }
}
