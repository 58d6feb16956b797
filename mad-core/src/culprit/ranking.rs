//! The result of a ranking: culprits and their evidence.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::guard::Severity;
use crate::logs::LogChange;
use crate::series::{Entity, EntityId, SignalName};
use crate::telemetry::ChangeEvent;
use crate::time::Timestamp;

/// The strongest row of one signal, as evidence against a culprit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The signal.
    pub signal: SignalName,
    /// Number of rows in which the signal was flagged.
    pub rows: u64,
    /// Start of the row with the strongest evidence.
    pub at: Timestamp,
    /// The value in that row.
    pub value: f64,
    /// The expected value.
    pub expected: f64,
    /// The usual value: the one expected in the first row in which the signal was flagged. Later rows
    /// learn from the fault.
    pub usual: f64,
    /// Lower end of the expected range.
    pub low: f64,
    /// Upper end of the expected range.
    pub high: f64,
    /// Distance from the expected value in scales.
    pub z: f64,
    /// Negative decimal logarithm of the probability of the value.
    pub neg_log10_p: f64,
}

/// One suspected entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Culprit {
    /// The entity.
    pub entity: Entity,
    /// Its id in the table of entities.
    pub entity_id: EntityId,
    /// The signal with the strongest evidence.
    pub metric: SignalName,
    /// Its share of the weight of all suspects, 0 to 1.
    pub score: f64,
    /// Start of its first flagged row in the window.
    pub onset: Timestamp,
    /// Start of its last flagged row in the window.
    pub last: Timestamp,
    /// Flagged rows in the window.
    pub rows: u64,
    /// Its highest severity.
    pub severity: Severity,
    /// Highest error rate of a flagged row.
    pub peak_error_rate: f64,
    /// The evidence, strongest signal first.
    pub evidence: Vec<Evidence>,
    /// A called service whose anomalies began no later and may explain those of this entity. The weight
    /// is then multiplied by 0.25.
    pub explained_by: Option<Arc<str>>,
    /// A called service for which calls spent longer in the network, no later. The weight is then
    /// multiplied by 0.25.
    pub slow_calls_to: Option<Arc<str>>,
    /// Why it may never have been called, if only missing requests or spans speak against it. The
    /// weight is then multiplied by 0.25.
    pub not_called: Option<NotCalled>,
    /// The changes of its service in the half hour before its first flagged row, at most ten: deploys
    /// first, then feature flags, then others, each the newest first. With any, the weight is
    /// multiplied by 1.5.
    pub changes: Vec<ChangeEvent>,
    /// The template of its service's log whose lines changed most in the incident. `None` without a
    /// clear change, and in a ranking that is not that of an incident.
    pub log: Option<LogChange>,
}

/// Why a service may never have been called: a caller failed before it made the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotCalled {
    /// The failed service that calls it directly or through others.
    pub caller: Arc<str>,
    /// Another service that the caller calls, whose anomalies began no later.
    pub because_of: Arc<str>,
}

/// Suspected entities, the likeliest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// Start of the look-back window.
    pub from: Timestamp,
    /// Its end.
    pub at: Timestamp,
    /// Flagged rows within it.
    pub rows: u64,
    /// The likeliest culprits.
    pub culprits: Vec<Culprit>,
    /// Whether no culprit is reported because no row of the window is flagged.
    pub abstained: bool,
}
