//! What a batch of telemetry brought about.

use crate::feature::FeatureRow;
use crate::guard::Verdict;
use crate::incident::IncidentChange;
use crate::score::RowScores;
use crate::telemetry::Rejections;

/// A row with its scores and the verdict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgedRow {
    /// What happened.
    pub row: FeatureRow,
    /// How unlikely each signal is.
    pub scores: RowScores,
    /// What was decided.
    pub verdict: Verdict,
}

/// What a batch of telemetry, a tick or a command brought about.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Update {
    /// Rows that closed, judged; by step, then service and endpoint.
    pub rows: Vec<JudgedRow>,
    /// What happened to incidents, in order.
    pub changes: Vec<IncidentChange>,
    /// Records that were not taken.
    pub rejected: Rejections,
}
