//! The points of metrics of one time, before it closes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::event_time_window::{Accumulator, ClosedStep, FeatureSink};
use super::point::StepFinder;
use super::row_buffer::{RowKind, saturate};
use super::window_clock::Timed;
use crate::series::{Sample, SeriesId};
use crate::telemetry::RejectReason;

/// What a point adds to its time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Measured {
    pub series: SeriesId,
    pub sample: Sample,
}

/// The points of one time in order of arrival.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct MetricPoints {
    points: Vec<Timed<Measured>>,
}

/// What outlives a time of metrics.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct MetricMemory {
    /// Step of a series with one point, nanoseconds.
    unknown_step: i64,
    steps: Vec<StepFinder>,
    pub points: u64,
    /// Points of series beyond the limits.
    pub overflowed: u64,
}

impl MetricMemory {
    pub fn new(unknown_step: i64) -> Self {
        Self { unknown_step, steps: Vec::new(), points: 0, overflowed: 0 }
    }

    /// The step of a series as it is known so far.
    pub fn step_of(&self, series: SeriesId) -> StepFinder {
        self.steps.get(series.index()).copied().unwrap_or_default()
    }

    /// Sets the step of a series as it is known so far.
    pub fn set_step(&mut self, series: SeriesId, step: StepFinder) {
        if self.steps.len() <= series.index() {
            self.steps.resize(series.index() + 1, StepFinder::default());
        }
        if let Some(known) = self.steps.get_mut(series.index()) {
            *known = step;
        }
    }

    /// Forgets series, because their ids are given to others.
    pub fn forget(&mut self, gone: &BTreeSet<SeriesId>) {
        for id in gone {
            if let Some(step) = self.steps.get_mut(id.index()) {
                *step = StepFinder::default();
            }
        }
    }
}

impl MetricPoints {
    /// The points.
    pub fn iter(&self) -> impl Iterator<Item = &Timed<Measured>> {
        self.points.iter()
    }
}

impl Accumulator for MetricPoints {
    type Item = Measured;
    type Memory = MetricMemory;

    fn add(&mut self, record: Timed<Measured>, _: &mut MetricMemory) {
        self.points.push(record);
    }

    fn close(&mut self, closed: ClosedStep, memory: &mut MetricMemory, sink: &mut FeatureSink<'_>) {
        let slots = sink.series.slots();
        let ranks = sink.series.ranks();
        let rank = |series: SeriesId| ranks.get(series.index()).copied().unwrap_or(u32::MAX);
        // the sort is stable, so that of two points of a series the first to arrive counts
        self.points.sort_by_key(|record| rank(record.item.series));
        memory.steps.resize(slots, StepFinder::default());
        let mut last = None;
        for record in self.points.drain(..) {
            let Measured { series, sample } = record.item;
            if last == Some(series) {
                sink.rejections.add(RejectReason::Duplicate, record.position, || {
                    format!("timestamp = {}, value = {}", closed.at, sample.value)
                });
                continue;
            }
            last = Some(series);
            memory.points += 1;
            let Some(finder) = memory.steps.get_mut(series.index()) else { continue };
            let (step, gap) = finder.next(closed.at, memory.unknown_step);
            sink.rows.add_sample(
                RowKind::Metrics,
                record.entity,
                closed.at,
                step,
                (series, sample, saturate(gap)),
            );
        }
    }
}
