//! Tumbling windows in event time: the one protocol for requests, metrics and logs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::RowBuffer;
use super::quorum_clock::QuorumClock;
use super::source_clocks::SourceId;
use super::window_clock::{Offered, Timed, WindowClock};
use crate::config::FeatureConfig;
use crate::limits::Limits;
use crate::series::{EntityId, EntityTable, SeriesTable};
use crate::telemetry::Rejections;
use crate::time::Timestamp;

/// What a [`FeatureBuilder`](super::FeatureBuilder) writes to: the tables of names, the rows of
/// steps that close, and the records that are not taken. All calls of one builder take the same
/// tables.
#[derive(Debug)]
pub struct FeatureSink<'a> {
    /// Names of entities.
    pub entities: &'a mut EntityTable,
    /// Names of series.
    pub series: &'a mut SeriesTable,
    /// Rows of closed steps are added here.
    pub rows: &'a mut RowBuffer,
    /// Records that are not taken are counted here.
    pub rejections: &'a mut Rejections,
}

/// The content of one open step of all entities.
pub(super) trait Accumulator: Clone + fmt::Debug + Default {
    /// What a record adds.
    type Item: Clone + fmt::Debug;
    /// What outlives a step, such as the newest row of each entity.
    type Memory: Clone + fmt::Debug;

    /// Adds a record.
    fn add(&mut self, record: Timed<Self::Item>, memory: &mut Self::Memory);

    /// Writes the rows of the step and empties it, so that it can be used again.
    fn close(&mut self, step: ClosedStep, memory: &mut Self::Memory, sink: &mut FeatureSink<'_>);
}

/// A step that closes.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClosedStep {
    /// Its start.
    pub at: Timestamp,
    /// Its length, nanoseconds.
    pub step: i64,
    /// Whether it had ended.
    pub whole: bool,
}

/// Collects records into steps by their event time and closes the steps in order.
///
/// A step closes when the watermark has passed its end. A record of a closed step is late and
/// rejected. [`WindowClock`] decides when a record may enter its step.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound(
    serialize = "A: Serialize, A::Item: Serialize, A::Memory: Serialize",
    deserialize = "A: Deserialize<'de>, A::Item: Deserialize<'de>, A::Memory: Deserialize<'de>"
))]
pub(super) struct EventTimeWindow<A: Accumulator> {
    /// Length of a step, nanoseconds. Points of metrics keep their own times: their step is 1 ns.
    step: i64,
    clock: WindowClock<A::Item>,
    open: BTreeMap<Timestamp, A>,
    /// Emptied steps, kept for their memory.
    #[serde(skip)]
    spare: Vec<A>,
    pub memory: A::Memory,
}

impl<A: Accumulator> EventTimeWindow<A> {
    /// A window without records, with steps of `step` nanoseconds.
    pub fn new(step: i64, config: FeatureConfig, limits: &Limits, memory: A::Memory) -> Self {
        let (open, spare) = (BTreeMap::new(), Vec::new());
        Self { step, clock: WindowClock::new(&config, limits), open, spare, memory }
    }

    /// Follows every jump ahead in time at once.
    pub fn bound_input(&mut self) {
        self.clock.bounded_input = true;
    }

    /// Takes one record and closes the steps that the watermark then has passed. Returns whether
    /// the record was accepted; a held record is accepted.
    pub fn push(&mut self, record: Timed<A::Item>, sink: &mut FeatureSink<'_>) -> bool {
        let end = record.timestamp.floor(self.step).plus(self.step);
        let first_end = self.open.keys().next().map(|first| first.plus(self.step));
        let is_accepted = match self.clock.offer(record, end, first_end, sink.rejections) {
            Offered::Enters(record) => self.take(record, sink),
            Offered::Held => true,
            Offered::Rejected => false,
        };
        // The record may have moved the clock, so that the time of held ones has come.
        for record in self.clock.due(sink.rejections) {
            self.take(record, sink);
        }
        if self.clock.follow() {
            self.close_steps(self.clock.watermark(), sink);
        }
        is_accepted
    }

    /// Moves the watermark to `at` and closes the steps before it. A step that the records did not
    /// reach to its end was cut: its traffic is no evidence.
    pub fn advance(&mut self, at: Timestamp, sink: &mut FeatureSink<'_>) {
        for record in self.clock.advance(at, sink.rejections) {
            self.take(record, sink);
        }
        // A tick is a promise: no record before `at` is still to come.
        self.clock.raise(at);
        let reached = self.clock.newest().map_or(at, |newest| newest.plus(self.clock.slack()));
        self.close_steps(reached, sink);
    }

    /// Closes every open step at the end of the stream. The step in which it ends is not whole.
    pub fn finish(&mut self, sink: &mut FeatureSink<'_>) {
        for record in self.clock.drain(sink.rejections) {
            self.take(record, sink);
        }
        if let Some(last) = self.open.keys().next_back().copied() {
            let watermark = self.clock.watermark().max(self.clock.of_sorted());
            let reached = self.clock.newest().map_or(watermark, |newest| newest.max(watermark));
            self.clock.raise(last.plus(self.step));
            self.close_steps(reached, sink);
        }
    }

    /// Length of a step, nanoseconds.
    pub fn step(&self) -> i64 {
        self.step
    }

    /// All steps before this moment are closed.
    pub fn watermark(&self) -> Timestamp {
        self.clock.watermark()
    }

    /// The newest event time that was taken.
    pub fn newest(&self) -> Option<Timestamp> {
        self.clock.newest()
    }

    /// The event time that the sources agree on.
    pub fn clock(&self) -> Option<Timestamp> {
        self.clock.clock()
    }

    /// The clock of sources.
    pub fn quorum(&self) -> &QuorumClock {
        self.clock.quorum()
    }

    /// The clock of sources.
    pub fn quorum_mut(&mut self) -> &mut QuorumClock {
        self.clock.quorum_mut()
    }

    /// Keeps steps open (`true`) while records arrive out of order, or closes them again.
    pub fn pause(&mut self, on: bool) {
        self.clock.pause(on);
    }

    /// Whether steps are kept open.
    pub fn is_paused(&self) -> bool {
        self.clock.is_paused()
    }

    /// Raises the watermark while no step is open.
    pub fn raise(&mut self, watermark: Timestamp) {
        self.clock.raise(watermark);
    }

    /// The same input had records elsewhere, see [`WindowClock::reached`].
    pub fn reached(&mut self, newest: Option<Timestamp>, reading: Option<Timestamp>) {
        self.clock.reached(newest, reading);
    }

    /// The open steps.
    pub fn open(&self) -> impl Iterator<Item = &A> {
        self.open.values()
    }

    /// The held records.
    pub fn held(&self) -> impl Iterator<Item = &Timed<A::Item>> {
        self.clock.held()
    }

    /// Forgets entities without open or held records, because their ids are given to others.
    pub fn forget(&mut self, gone: &BTreeSet<EntityId>) {
        let is_gone = |source| matches!(source, SourceId::Entity(entity) if gone.contains(&entity));
        self.clock.quorum_mut().forget(&is_gone);
    }

    /// Adds a record to its step; returns false and rejects it where the step is closed.
    fn take(&mut self, record: Timed<A::Item>, sink: &mut FeatureSink<'_>) -> bool {
        let start = record.timestamp.floor(self.step);
        if start.plus(self.step) <= self.clock.watermark() {
            self.clock.reject_late(&record, sink.rejections);
            return false;
        }
        let spare = &mut self.spare;
        let open = self.open.entry(start).or_insert_with(|| spare.pop().unwrap_or_default());
        self.clock.saw(&record);
        open.add(record, &mut self.memory);
        true
    }

    /// Closes the steps that the watermark has passed; event time itself has come to `reached`.
    fn close_steps(&mut self, reached: Timestamp, sink: &mut FeatureSink<'_>) {
        while let Some(first) = self.open.first_entry() {
            let at = *first.key();
            let end = at.plus(self.step);
            if end > self.clock.watermark() {
                return;
            }
            let mut closing = first.remove();
            // A step that the data did not reach to its end has only a part of its requests.
            let step = ClosedStep { at, step: self.step, whole: end <= reached };
            closing.close(step, &mut self.memory, sink);
            self.spare.push(closing);
        }
    }
}
