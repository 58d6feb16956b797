//! The scores of one value of a signal, and a level that became its baseline.

use serde::{Deserialize, Serialize};

use super::Score;
use super::block_cusum::DriftAlarm;
use super::gauge::GaugeView;
use super::phase_component::Phase;
use crate::time::Timestamp;

/// Scores of one value of one signal.
///
/// They keep what scoring has worked out, so that learning the value does not score it again.
#[derive(Debug, Clone, Copy)]
pub struct SignalScores {
    /// How unlikely the value is, with the rows before it taken into account.
    pub score: Score,
    /// How much the value is worth an alarm. For a gauge it is the score of a level that lasts;
    /// for other kinds it is `score`.
    pub alarm: Score,
    /// An alarm of the CUSUM, if the level is drifting.
    pub(crate) drift: Option<DriftAlarm>,
    /// The score of the value alone, without the rows before it and without other signals.
    pub(super) alone: Score,
    /// `-log10 p` by the signal's own evidence: the value and the rows before it.
    pub(super) own: f64,
    /// The season at the value's time.
    pub(super) phase: Phase,
    /// How the parts of a gauge see the value.
    pub(super) view: Option<GaugeView>,
}

impl SignalScores {
    /// The scores of a value about which nothing is known.
    pub const fn unknown() -> Self {
        let score = Score::unknown();
        Self {
            score,
            alarm: score,
            drift: None,
            alone: score,
            own: 0.0,
            phase: Phase { shift: 0.0, widen: 0.0, utc_offset: 0, replaces_hours: false },
            view: None,
        }
    }

    /// The scores of a value that is judged by an assumption, without a past.
    pub(super) fn of(score: Score) -> Self {
        Self { score, alarm: score, alone: score, own: score.neg_log10_p, ..Self::unknown() }
    }

    /// Since when the level has been drifting slowly, if it has.
    pub fn drift_since(&self) -> Option<Timestamp> {
        self.drift.and_then(|drift| drift.since)
    }
}

/// A level of a signal that became its baseline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NewLevel {
    /// Begin of the level: the first anomalous value.
    pub since: Option<Timestamp>,
    /// The value that was expected before, in the signal's unit.
    pub before: f64,
    /// The median of the level, in the signal's unit.
    pub level: f64,
}
