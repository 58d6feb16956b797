//! The other entities of an incident, and its signals at their worst.

use serde::{Deserialize, Serialize};

use crate::history::FlaggedSignal;
use crate::series::{Entity, SignalName};
use crate::slo::SloImpact;
use crate::time::Timestamp;

/// A flagged signal in the row in which its value was most extreme: highest if it rose, lowest if it
/// fell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// Start of the row.
    pub at: Timestamp,
    /// The signal in that row.
    pub signal: FlaggedSignal,
    /// The largest `-log10 p` of the signal in any row.
    pub neg_log10_p: f64,
}

impl Peak {
    /// The first row of a signal.
    pub(super) fn new(at: Timestamp, signal: &FlaggedSignal) -> Self {
        Self { at, signal: signal.clone(), neg_log10_p: signal.neg_log10_p }
    }

    /// Takes another row of the same signal.
    pub(super) fn add(&mut self, at: Timestamp, signal: &FlaggedSignal) {
        if self.is_exceeded_by(signal) {
            (self.at, self.signal) = (at, signal.clone());
        }
        self.neg_log10_p = self.neg_log10_p.max(signal.neg_log10_p);
    }

    /// Whether a row is more extreme. A slow change counts more than a single row, and of a rise and
    /// a fall the one with more evidence counts.
    fn is_exceeded_by(&self, now: &FlaggedSignal) -> bool {
        let then = &self.signal;
        let is_slow = |signal: &FlaggedSignal| signal.drifting_for.is_some();
        if is_slow(now) != is_slow(then) || (now.z < 0.0) != (then.z < 0.0) {
            return now.neg_log10_p > self.neg_log10_p;
        }
        if now.z < 0.0 { now.value < then.value } else { now.value > then.value }
    }
}

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
    /// The largest `-log10 p` of a row.
    pub neg_log10_p: f64,
    /// The signal with the largest `-log10 p`.
    pub signal: SignalName,
    /// The strongest signal of its first flagged row.
    pub onset: Option<Peak>,
    /// The error budgets that its rows used up; none without requests.
    pub slo: Option<SloImpact>,
}
