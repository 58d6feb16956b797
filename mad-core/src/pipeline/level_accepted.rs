//! The event that a new level of a signal became its baseline.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::series::{Entity, SignalName};
use crate::time::Timestamp;

/// A new level of a signal that became its baseline: values like these are normal from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LevelAccepted {
    /// The entity.
    pub entity: Arc<Entity>,
    /// The signal, or the metric.
    pub signal: SignalName,
    /// When the level was accepted.
    pub at: Timestamp,
    /// The first anomalous value of the level.
    pub since: Option<Timestamp>,
    /// The value that was expected before, in the signal's unit.
    pub before: f64,
    /// The median of the new level, in the signal's unit.
    pub level: f64,
    /// Whether a command accepted it. Otherwise the level was stable and harmless for long enough.
    pub by_command: bool,
}
