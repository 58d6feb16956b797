//! Methods that count: error lines of logs, and restarts.

use super::Judgement;
use crate::error::Result;
use crate::feature::RowKind;
use crate::guard::JudgedRow;
use crate::score::{LimitScorer, Scorer};
use crate::series::{LOG_ERRORS, Sample};
use crate::telemetry::Change;

/// `-log10 p` at the edge of a rule.
pub(super) const EDGE: f64 = 4.0;

/// Flags each step of a service with an error line.
#[derive(Debug)]
pub(super) struct LogLevelRule(LimitScorer);

impl LogLevelRule {
    pub fn new() -> Result<Self> {
        Ok(Self(LimitScorer::new(1.0)?))
    }

    pub fn judge(&self, row: &JudgedRow) -> Option<Judgement> {
        if row.head.kind != RowKind::Logs {
            return None;
        }
        let errors = row.signals.iter().find(|signal| signal.name.as_str() == LOG_ERRORS)?;
        let score = self.0.score(row.head.at, errors.sample);
        (score.points > 0)
            .then(|| Judgement::of_signal(LOG_ERRORS, errors.sample.value, &score, EDGE))
    }
}

/// Flags each change that is a restart.
#[derive(Debug)]
pub(super) struct EventKindRule(LimitScorer);

impl EventKindRule {
    pub fn new() -> Result<Self> {
        Ok(Self(LimitScorer::new(1.0)?))
    }

    pub fn judge(&self, change: &Change<'_>) -> Judgement {
        let is_restart = change.kind.to_ascii_lowercase().contains("restart");
        let sample = Sample { value: f64::from(u8::from(is_restart)), n: 1 };
        let score = self.0.score(change.timestamp, sample);
        Judgement::of_signal(change.kind, sample.value, &score, EDGE)
    }
}
