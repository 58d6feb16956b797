//! The result of a batch, a tick or a command: judged rows and points, and incident changes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::feature::{FeaturePoint, FeatureRow};
use crate::guard::Verdict;
use crate::incident::IncidentChange;
use crate::score::{RowScores, Score};
use crate::series::Entity;
use crate::telemetry::Rejections;

/// A row of requests with its scores and its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgedRow {
    /// The entity.
    pub entity: Arc<Entity>,
    /// The signals of the step.
    pub row: FeatureRow,
    /// One score for each signal.
    pub scores: RowScores,
    /// The verdict of the guardrails.
    pub verdict: Verdict,
}

/// A point of a metric with its score and its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgedPoint {
    /// The entity.
    pub entity: Arc<Entity>,
    /// The metric.
    pub metric: Arc<str>,
    /// The judged value. For a running total it is the increase per second.
    pub point: FeaturePoint,
    /// The score of the value.
    pub score: Score,
    /// The verdict of the guardrails.
    pub verdict: Verdict,
    /// Score of the point as an alarm, 0 to 1. For a gauge it rates a level that lasts, for other
    /// kinds it is the score. It is 0 in the cooldown after an alarm.
    pub alarm_score: f64,
    /// Whether the point raises an alarm: its alarm score reaches the threshold, no guardrail
    /// suppresses it, and the cooldown after the previous alarm has passed.
    pub is_alarm: bool,
}

/// The result of a batch of telemetry, a tick or a command.
///
/// # Examples
///
/// ```
/// use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
///
/// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
/// let at = Timestamp::from_seconds(0);
/// pipeline.ingest([Request::new(at, "payments", "/pay", 200, 80.0)]);
/// let update = pipeline.finish();
/// assert_eq!(update.rows[0].row.count, 1);
/// assert!(update.changes.is_empty());
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Update {
    /// Judged rows of requests, ordered by step, service and endpoint.
    pub rows: Vec<JudgedRow>,
    /// Judged points of metrics, ordered by time, service, resource and metric.
    pub points: Vec<JudgedPoint>,
    /// Changes of incidents, in order.
    pub changes: Vec<IncidentChange>,
    /// Rejected records.
    pub rejected: Rejections,
    /// Whether the batch was a repetition, so that nothing of it was taken.
    pub repeated: bool,
}
