//! The requests of one step, before it closes.

use serde::{Deserialize, Serialize};

use super::FeatureRow;
use crate::robust::quantile_sorted;
use crate::series::EntityId;
use crate::time::Timestamp;

/// What one entity did in the step.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Tally {
    count: u64,
    errors: u64,
    latencies: Vec<f64>,
}

/// One step of all entities; `tallies` is indexed by entity id.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct OpenStep {
    tallies: Vec<Tally>,
}

impl OpenStep {
    /// Adds a request; the answer is whether its latency was kept.
    pub fn add(&mut self, entity: EntityId, error: bool, latency_ms: f64, cap: usize) -> bool {
        if self.tallies.len() <= entity.index() {
            self.tallies.resize_with(entity.index() + 1, Tally::default);
        }
        let Some(tally) = self.tallies.get_mut(entity.index()) else { return false };
        tally.count += 1;
        tally.errors += u64::from(error);
        let room = tally.latencies.len() < cap;
        if room {
            tally.latencies.push(latency_ms);
        }
        room
    }

    /// The row of one entity, if it had a request. Latencies are sorted first, so that the row
    /// does not depend on the order in which they came.
    pub fn close(
        &mut self,
        bucket: Timestamp,
        entity: EntityId,
        gap: u64,
        whole: bool,
        slow_ms: f64,
    ) -> Option<FeatureRow> {
        let tally = self.tallies.get_mut(entity.index())?;
        if tally.count == 0 {
            return None;
        }
        tally.latencies.sort_unstable_by(f64::total_cmp);
        let sorted = tally.latencies.as_slice();
        let n = sorted.len() as f64;
        let sum: f64 = sorted.iter().sum();
        let mean = if sum.is_finite() { sum / n } else { sorted.iter().map(|x| x / n).sum() };
        let mean = mean.min(f64::MAX);
        let row = FeatureRow {
            bucket,
            entity,
            gap,
            whole,
            count: tally.count,
            errors: tally.errors,
            slow: (sorted.len() - sorted.partition_point(|latency| *latency <= slow_ms)) as u64,
            samples: sorted.len() as u64,
            mean,
            p50: quantile_sorted(sorted, 0.50),
            p95: quantile_sorted(sorted, 0.95),
            p99: quantile_sorted(sorted, 0.99),
            max: sorted.last().copied().unwrap_or(f64::NAN),
        };
        tally.latencies.clear();
        tally.count = 0;
        tally.errors = 0;
        Some(row)
    }

    /// The entities with requests.
    pub fn entities(&self) -> impl Iterator<Item = EntityId> {
        let ids = (0..).map(EntityId);
        ids.zip(&self.tallies).filter(|(_, tally)| tally.count > 0).map(|(id, _)| id)
    }

    /// Whether an entity has requests here.
    pub fn has(&self, entity: EntityId) -> bool {
        self.tallies.get(entity.index()).is_some_and(|tally| tally.count > 0)
    }
}
