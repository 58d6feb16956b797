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
    /// Points that were merged with others of their series and time, because senders share a name.
    pub merged: u64,
    /// The first series with such points.
    pub merged_series: Option<SeriesId>,
}

/// Mean of the different values of one series and time, weighted by observations.
struct Mean {
    /// The values; most often one.
    values: Vec<Sample>,
    first: Sample,
}

impl Mean {
    fn new(first: Sample) -> Self {
        Self { values: Vec::new(), first }
    }

    /// Whether it has this value. A gap is a gap whatever else is there.
    fn has(&self, value: f64) -> bool {
        let same = |known: f64| known == value || value.is_nan();
        same(self.first.value) || self.values.iter().any(|known| same(known.value))
    }

    fn add(&mut self, sample: Sample) {
        self.values.push(sample);
    }

    /// The mean. It does not depend on the order of arrival.
    fn sample(&self) -> Sample {
        let mut all: Vec<Sample> = self.values.clone();
        all.push(self.first);
        all.retain(|sample| !sample.value.is_nan());
        // In order of value, because a sum of floats depends on the order of arrival.
        all.sort_by(|a, b| a.value.total_cmp(&b.value));
        let n: u64 = all.iter().map(|sample| sample.n).fold(0, u64::saturating_add);
        // Points with counts weigh by them; without any count they weigh alike.
        let weight = |sample: &Sample| if n == 0 { 1.0 } else { sample.n as f64 };
        let total: f64 = all.iter().map(weight).sum();
        // Weights first: the sum of large values would overflow.
        let value = all.iter().map(|sample| sample.value * (weight(sample) / total)).sum();
        Sample { value, n }
    }
}

impl MetricMemory {
    pub fn new(unknown_step: i64) -> Self {
        Self {
            unknown_step,
            steps: Vec::new(),
            points: 0,
            overflowed: 0,
            merged: 0,
            merged_series: None,
        }
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
        self.merged_series = self.merged_series.filter(|series| !gone.contains(series));
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
        // the sort is stable, so that of two equal points of a series the first to arrive counts
        self.points.sort_by_key(|record| rank(record.item.series));
        memory.steps.resize(slots, StepFinder::default());
        let mut points = self.points.drain(..).peekable();
        while let Some(record) = points.next() {
            let Measured { series, mut sample } = record.item;
            let mut merged = Mean::new(sample);
            while let Some(other) = points.next_if(|other| other.item.series == series) {
                let Sample { value, .. } = other.item.sample;
                // An equal value of one time is a repeated delivery, another one is of another sender.
                if merged.has(value) {
                    sink.rejections.add(RejectReason::Duplicate, other.position, || {
                        format!("timestamp = {}, value = {value}", closed.at)
                    });
                } else {
                    merged.add(other.item.sample);
                    memory.merged += 1;
                    memory.points += 1;
                    memory.merged_series.get_or_insert(series);
                    sample = merged.sample();
                }
            }
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
