//! What an incident keeps of its rows beside its peaks: weak rows that may still count, and the
//! extremes of signals that were not flagged by themselves.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::peak::Peak;
use crate::history::{FlaggedRow, FlaggedSignal};
use crate::series::EntityId;
use crate::time::Timestamp;

/// Maximum of weak rows that wait for a row that extends the incident.
const MOST_WEAK: usize = 200;
/// Maximum of signals whose extremes are kept.
const MOST_SIGNALS: usize = 64;
/// Newest counted steps that are remembered, because requests, metrics and logs of one step arrive
/// one after the other, and a silence is known when it has lasted for some steps.
const RECENT: usize = 32;

/// Rows of one entity or incident that were seen so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SeenRows {
    weak: Vec<FlaggedRow>,
    extremes: Vec<Peak>,
    recent: VecDeque<Timestamp>,
}

impl SeenRows {
    /// Whether a step is counted for the first time. Rows of several kinds in one step count once.
    pub(super) fn count(&mut self, bucket: Timestamp) -> bool {
        if self.recent.contains(&bucket) {
            return false;
        }
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(bucket);
        true
    }

    /// Keeps a weak row until a row of the same entity extends the incident.
    pub(super) fn wait(&mut self, row: FlaggedRow) {
        if self.weak.len() < MOST_WEAK {
            self.weak.push(row);
        }
    }

    /// Takes out the weak rows of an entity.
    pub(super) fn take_weak(&mut self, entity: EntityId) -> Vec<FlaggedRow> {
        self.take_weak_before(entity, Timestamp::MAX)
    }

    /// Takes out the weak rows of an entity that start before `end`.
    pub(super) fn take_weak_before(&mut self, entity: EntityId, end: Timestamp) -> Vec<FlaggedRow> {
        let (own, others) = std::mem::take(&mut self.weak)
            .into_iter()
            .partition(|row: &FlaggedRow| row.entity == entity && row.bucket < end);
        self.weak = others;
        own
    }

    /// Takes over the weak rows of an incident that is merged into this one.
    pub(super) fn take_over_weak(&mut self, other: &mut Self) {
        for row in std::mem::take(&mut other.weak) {
            self.wait(row);
        }
    }

    /// Forgets the weak rows, because the incident has ended before them.
    pub(super) fn drop_weak(&mut self) {
        self.weak.clear();
    }

    /// Adds the signals of a row to the peaks. Signals that are not flagged in it move the peak of
    /// a flagged signal too, because a peak is the extreme of all rows of the incident.
    pub(super) fn add_to(&mut self, peaks: &mut Vec<Peak>, row: &FlaggedRow) {
        for other in &row.others {
            self.note(row.bucket, other);
            if let Some(known) = peaks.iter_mut().find(|peak| peak.signal.signal == other.signal) {
                known.add_unflagged(row.bucket, other);
            }
        }
        for signal in &row.signals {
            let known = peaks.iter_mut().find(|peak| peak.signal.signal == signal.signal);
            if let Some(known) = known {
                known.add(row.bucket, signal);
                continue;
            }
            let mut peak = Peak::new(row.bucket, signal);
            // The signal was extreme before it was flagged: the peak begins with that value.
            for known in &self.extremes {
                if known.signal.signal == signal.signal {
                    peak.add_earlier(known);
                }
            }
            peaks.push(peak);
        }
        peaks.sort_by(|a, b| b.neg_log10_p.total_cmp(&a.neg_log10_p));
    }

    /// Keeps the highest and the lowest value of a signal that is not flagged.
    fn note(&mut self, at: Timestamp, signal: &FlaggedSignal) {
        let is_full = self.extremes.len() >= 2 * MOST_SIGNALS;
        let is_same = |known: &&mut Peak| {
            known.signal.signal == signal.signal && (known.signal.z < 0.0) == (signal.z < 0.0)
        };
        match self.extremes.iter_mut().find(is_same) {
            Some(known) => known.add_unflagged(at, signal),
            None if !is_full => self.extremes.push(Peak::new(at, signal)),
            None => {}
        }
    }
}
