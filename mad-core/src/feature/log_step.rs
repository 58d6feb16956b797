//! The log lines of one step by level, before it closes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event_time_window::{Accumulator, ClosedStep, FeatureSink};
use super::row_buffer::RowKind;
use super::window_clock::Timed;
use crate::series::{EntityId, LOG_ERRORS, LOG_WARNINGS, Sample};
use crate::telemetry::LogLevel;
use crate::time::Timestamp;

/// Most empty steps between two rows of a service that become counts of 0.
const MOST_EMPTY: i64 = 60;

/// Lines of one service in one step.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Lines {
    errors: u64,
    warnings: u64,
}

/// One step of all services.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct LogStep {
    services: BTreeMap<EntityId, Lines>,
}

/// What outlives a step of logs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct LogMemory {
    /// Start of the newest closed step of each service.
    pub last: BTreeMap<EntityId, Timestamp>,
    pub lines: u64,
    /// Lines and counts of services beyond the limits.
    pub overflowed: u64,
}

impl LogStep {
    /// The services with lines.
    pub fn entities(&self) -> impl Iterator<Item = EntityId> {
        self.services.keys().copied()
    }
}

impl Accumulator for LogStep {
    type Item = LogLevel;
    type Memory = LogMemory;

    fn add(&mut self, record: Timed<LogLevel>, memory: &mut LogMemory) {
        memory.lines += 1;
        let lines = self.services.entry(record.entity).or_default();
        match record.item {
            LogLevel::Error => lines.errors += 1,
            LogLevel::Warning => lines.warnings += 1,
            LogLevel::Other => {}
        }
    }

    fn close(&mut self, closed: ClosedStep, memory: &mut LogMemory, sink: &mut FeatureSink<'_>) {
        let ClosedStep { at, step, .. } = closed;
        let mut services: Vec<(EntityId, Lines)> =
            std::mem::take(&mut self.services).into_iter().collect();
        services.sort_by_key(|(entity, _)| sink.entities.get(*entity));
        for (entity, lines) in services {
            let last = memory.last.insert(entity, at);
            let empty = last.map_or(0, |last| (at.since(last) / step - 1).max(0));
            for before in (1..=empty.min(MOST_EMPTY)).rev() {
                let at = at.plus(-step.saturating_mul(before));
                memory.overflowed += count(at, step, entity, Lines::default(), sink);
            }
            memory.overflowed += count(at, step, entity, lines, sink);
        }
    }
}

/// Writes the row of one service; returns how many of its counts are beyond the limits.
fn count(
    at: Timestamp,
    step: i64,
    entity: EntityId,
    lines: Lines,
    sink: &mut FeatureSink<'_>,
) -> u64 {
    let mut overflowed = 0;
    for (signal, count) in [(LOG_ERRORS, lines.errors), (LOG_WARNINGS, lines.warnings)] {
        match sink.series.id(entity, signal, sink.entities) {
            Some(series) => {
                let sample = Sample { value: count as f64, n: 1 };
                sink.rows.add_sample(RowKind::Logs, entity, at, step, (series, sample, 0));
            }
            None => overflowed += 1,
        }
    }
    overflowed
}
