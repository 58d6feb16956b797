//! The other entities of an incident.

use serde::{Deserialize, Serialize};

use super::peak::Peak;
use super::seen_rows::SeenRows;
use crate::feature::{StatusCounts, Subsets};
use crate::series::{Entity, SignalName};
use crate::slo::SloImpact;
use crate::time::Timestamp;

/// Members that an incident lists. Further members are only counted.
pub const MOST_MEMBERS: usize = 100;

/// Another entity of an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The entity.
    pub entity: Entity,
    /// When it joined: the end of the row with which it joined plus the allowed lateness.
    pub joined_at: Timestamp,
    /// Start of its first flagged row.
    pub start: Timestamp,
    /// End of its last flagged row.
    pub end: Timestamp,
    /// Number of its flagged rows.
    pub rows: u64,
    /// Requests in its flagged rows.
    pub requests: u64,
    /// Requests that failed in its flagged rows.
    pub errors: u64,
    /// Those of them without a response.
    pub no_response: u64,
    /// The most frequent statuses in its flagged rows that are no success.
    pub statuses: StatusCounts,
    /// The largest `-log10 p` of a row.
    pub neg_log10_p: f64,
    /// The signal with the largest `-log10 p`.
    pub signal: SignalName,
    /// The strongest signal of its first flagged row.
    pub onset: Option<Peak>,
    /// The error budgets that its rows used up; none without requests.
    pub slo: Option<SloImpact>,
    /// The requests in its flagged rows by version and by host, where these are known.
    pub subsets: Subsets,
    /// Its flagged signals, each in its most extreme row, the signal with most evidence first.
    pub peaks: Vec<Peak>,
    /// Its rows so far.
    pub seen: SeenRows,
}
