//! What a ranking says.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::guard::Severity;
use crate::series::{Entity, EntityId, SignalName};
use crate::telemetry::ChangeEvent;
use crate::time::Timestamp;

/// What one signal says against a culprit: its strongest row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Which signal.
    pub signal: SignalName,
    /// In how many flagged rows it was flagged.
    pub rows: u64,
    /// The row in which it was strongest.
    pub at: Timestamp,
    /// Its value there.
    pub value: f64,
    /// What was expected there.
    pub expected: f64,
    /// Lower end of the expected band there.
    pub low: f64,
    /// Upper end of the expected band there.
    pub high: f64,
    /// Distance from what was expected, in scales.
    pub z: f64,
    /// Minus log10 of its probability.
    pub neg_log10_p: f64,
}

/// One suspect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Culprit {
    /// Who.
    pub entity: Entity,
    /// Its id in its pipeline.
    pub entity_id: EntityId,
    /// The signal with the strongest evidence against it.
    pub metric: SignalName,
    /// Its share of the evidence of all suspects in the window, 0 to 1.
    pub score: f64,
    /// Start of its first flagged row in the window.
    pub onset: Timestamp,
    /// Start of its last flagged row in the window.
    pub last: Timestamp,
    /// Flagged rows in the window.
    pub rows: u64,
    /// Its worst severity.
    pub severity: Severity,
    /// Highest error rate of a flagged row.
    pub peak_error_rate: f64,
    /// What speaks against it, strongest signal first.
    pub evidence: Vec<Evidence>,
    /// A service that it calls and whose anomalies began no later: what is seen here may come from
    /// there, and weighs a quarter.
    pub explained_by: Option<Arc<str>>,
    /// A service that it calls, where its calls took longer on their way there and back, no later: it
    /// weighs a quarter beside them.
    pub slow_calls_to: Option<Arc<str>>,
    /// Why it may never have been called, where requests that did not come or missing spans are all
    /// that speaks against it: it weighs a quarter.
    pub not_called: Option<NotCalled>,
    /// The last change of its service in the half hour before its first flagged row: its evidence
    /// weighs half as much again.
    pub change: Option<ChangeEvent>,
}

/// Why a service may never have been called: a caller gave up before it came to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotCalled {
    /// The service that calls it, directly or through others, and that went bad.
    pub caller: Arc<str>,
    /// Another service that this one calls, whose anomalies began no later.
    pub because_of: Arc<str>,
}

/// Suspects, the likeliest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// Start of the look-back window.
    pub from: Timestamp,
    /// Its end.
    pub at: Timestamp,
    /// Flagged rows within it.
    pub rows: u64,
    /// The likeliest suspects.
    pub culprits: Vec<Culprit>,
    /// Whether nobody is named because nothing stands out.
    pub abstained: bool,
}
