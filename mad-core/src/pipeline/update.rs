//! The result of a batch, a tick or a command: judged rows and incident changes.

use super::LevelAccepted;
use crate::guard::JudgedRow;
use crate::incident::IncidentChange;
use crate::telemetry::Rejections;

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
/// assert_eq!(update.rows[0].requests.map(|facts| facts.requests), Some(1));
/// assert!(update.changes.is_empty());
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Update {
    /// Judged rows of all kinds. Those of one kind are ordered by time, service, and endpoint or
    /// resource. A row of a whole service ([`RowKind::Services`](crate::RowKind::Services)) counts
    /// the requests of the service's endpoints again, so add up rows of one kind only.
    pub rows: Vec<JudgedRow>,
    /// Changes of incidents, in order.
    pub changes: Vec<IncidentChange>,
    /// New levels that became the baseline of their signals, in order.
    pub levels: Vec<LevelAccepted>,
    /// Rejected records.
    pub rejected: Rejections,
    /// Whether the batch was a repetition, so that nothing of it was taken.
    pub repeated: bool,
}
