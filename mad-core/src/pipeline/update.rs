//! What a batch of telemetry brought about.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::feature::{FeaturePoint, FeatureRow};
use crate::guard::Verdict;
use crate::incident::IncidentChange;
use crate::score::{RowScores, Score};
use crate::series::Entity;
use crate::telemetry::Rejections;

/// A row with its scores and the verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgedRow {
    /// Whose row it is.
    pub entity: Arc<Entity>,
    /// What happened.
    pub row: FeatureRow,
    /// How unlikely each signal is.
    pub scores: RowScores,
    /// What was decided.
    pub verdict: Verdict,
}

/// A point of a metric with its score and the verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgedPoint {
    /// Whose point it is.
    pub entity: Arc<Entity>,
    /// The metric.
    pub metric: Arc<str>,
    /// What was judged: of a running total its increase a second.
    pub point: FeaturePoint,
    /// How unlikely it is.
    pub score: Score,
    /// What was decided.
    pub verdict: Verdict,
    /// How much it is worth an alarm, 0 to 1: of a gauge how far a level that lasts lies out,
    /// otherwise the score; 0 within the pause after an alarm.
    pub alarm_score: f64,
    /// Whether it raises an alarm: it is worth one, nothing holds it back, and none was raised
    /// within the pause.
    pub is_alarm: bool,
}

/// What a batch of telemetry, a tick or a command brought about.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Update {
    /// Rows that closed, judged; by step, then service and endpoint.
    pub rows: Vec<JudgedRow>,
    /// Points of metrics that are in order, judged; by time, then service, resource and metric.
    pub points: Vec<JudgedPoint>,
    /// What happened to incidents, in order.
    pub changes: Vec<IncidentChange>,
    /// Records that were not taken.
    pub rejected: Rejections,
    /// Whether the batch was known already and nothing of it was taken.
    pub repeated: bool,
}
