//! A signal of an incident at its worst.

use serde::{Deserialize, Serialize};

use crate::history::FlaggedSignal;
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
    /// The usual value: the one expected in the first row in which the signal was flagged. Later rows
    /// learn from the incident. Where the extreme is a fall against its own row and a rise against that
    /// value, or the other way round, the usual value is that of its row.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub usual: f64,
    /// Whether the signal is flagged in this row, and not only in other rows of the incident.
    pub is_flagged: bool,
}

impl Peak {
    /// The first row of a signal.
    pub(crate) fn new(at: Timestamp, signal: &FlaggedSignal) -> Self {
        Self {
            at,
            signal: signal.clone(),
            neg_log10_p: signal.neg_log10_p,
            usual: signal.expected,
            is_flagged: true,
        }
    }

    /// Takes another row of the same signal.
    pub(super) fn add(&mut self, at: Timestamp, signal: &FlaggedSignal) {
        if self.is_exceeded_by(signal) {
            self.move_to(at, signal, true);
        }
        self.neg_log10_p = self.neg_log10_p.max(signal.neg_log10_p);
    }

    /// Takes a row of the incident in which the signal is not flagged by itself.
    pub(super) fn add_unflagged(&mut self, at: Timestamp, signal: &FlaggedSignal) {
        if (signal.z < 0.0) == (self.signal.z < 0.0) && self.is_exceeded_by(signal) {
            self.move_to(at, signal, false);
        }
    }

    /// Takes the extreme of earlier rows in which the signal was not flagged, in the same direction.
    pub(super) fn add_earlier(&mut self, earlier: &Self) {
        if (earlier.signal.z < 0.0) == (self.signal.z < 0.0) {
            self.usual = earlier.usual;
            self.add_unflagged(earlier.at, &earlier.signal);
        }
    }

    /// Moves to a more extreme row. A slow change that continues has lasted until then.
    fn move_to(&mut self, at: Timestamp, signal: &FlaggedSignal, is_flagged: bool) {
        let longer = self.signal.drifting_for.map(|lasted| lasted + at.duration_since(self.at));
        let drifting_for = signal.drifting_for.or(longer.filter(|lasted| !lasted.is_zero()));
        (self.at, self.is_flagged) = (at, is_flagged);
        self.usual = usual_beside(self.usual, signal);
        self.signal = FlaggedSignal { drifting_for, ..signal.clone() };
    }

    /// Whether a row is more extreme. Of a rise and a fall the one with more evidence counts.
    fn is_exceeded_by(&self, now: &FlaggedSignal) -> bool {
        let then = &self.signal;
        if now.tail_ms != then.tail_ms {
            // shares of requests beyond different limits do not compare
            return false;
        }
        if (now.z < 0.0) != (then.z < 0.0) {
            return now.neg_log10_p > self.neg_log10_p;
        }
        if now.z < 0.0 { now.value < then.value } else { now.value > then.value }
    }
}

/// The usual value that a text names beside a value: the earlier one, unless the value lies on the
/// other side of it than of the value expected in its row.
pub(crate) fn usual_beside(usual: f64, signal: &FlaggedSignal) -> f64 {
    let is_other_side =
        (signal.z < 0.0 && signal.value > usual) || (signal.z > 0.0 && signal.value < usual);
    if is_other_side { signal.expected } else { usual }
}
