//! Counters and rejections of everything that a pipeline was given.

use serde::{Deserialize, Serialize};

use super::Counters;
use crate::guard::{JudgedRow, JudgedSignal};
use crate::telemetry::Rejections;
use crate::time::Timestamp;

/// Counts judged rows and points, repeated batches, forgotten entities and rejected records.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    counters: Counters,
    rejections: Rejections,
}

impl Tally {
    /// Counts a row of requests.
    pub fn row(&mut self, judged: &JudgedRow, suppressed: bool) {
        let verdict = &judged.verdict;
        self.counters.rows += 1;
        self.counters.flagged += u64::from(verdict.is_anomaly);
        self.counters.saw(judged.head.at, judged.head.end());
        if suppressed {
            *self.counters.suppressed.entry(verdict.reason).or_default() += 1;
        }
    }

    /// Counts a value of a series.
    pub fn point(&mut self, at: Timestamp, judged: &JudgedSignal, suppressed: bool) {
        self.counters.points += 1;
        self.counters.flagged_points += u64::from(judged.is_anomaly);
        self.counters.saw(at, at);
        if suppressed {
            *self.counters.suppressed.entry(judged.reason).or_default() += 1;
        }
    }

    /// Counts a batch that was sent again.
    pub fn repeated_batch(&mut self) {
        self.counters.batches_repeated += 1;
    }

    /// Counts entities and series that were forgotten because they were idle.
    pub fn forgotten(&mut self, entities: usize, series: usize) {
        self.counters.entities_forgotten += entities as u64;
        self.counters.series_forgotten += series as u64;
    }

    /// Adds rejected records.
    pub fn reject(&mut self, rejections: Rejections) {
        self.rejections.merge(rejections);
    }

    /// Adds the counts of another pipeline.
    pub fn absorb(&mut self, counters: &Counters, rejections: Rejections) {
        self.counters.add(counters);
        self.rejections.merge(rejections);
    }

    /// Starts all counts at zero.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    pub fn rejections(&self) -> &Rejections {
        &self.rejections
    }
}
