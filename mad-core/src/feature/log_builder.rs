//! Event time of log lines: lines in, counts of each level per service and step out.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::FeaturePoint;
use super::intake::{HeldRecord, Intake, Offered};
use crate::config::FeatureConfig;
use crate::error::Result;
use crate::limits::Limits;
use crate::series::{EntityId, EntityTable, LOG_ERRORS, LOG_WARNINGS, Sample, SeriesTable};
use crate::telemetry::{LogLevel, LogLine, Rejections};
use crate::time::Timestamp;

/// Empty steps between two of a service that count as 0.
const MOST_EMPTY: i64 = 60;

/// Counts the error and warning lines of each service and step, in event time by the rules of
/// [`FeatureBuilder`](super::FeatureBuilder).
///
/// Each step in which a service wrote a line gives two points of the service as a whole,
/// [`LOG_ERRORS`] and [`LOG_WARNINGS`]. Steps between two such are counts of 0, the last
/// 60 of them, and come out with the next line of the service: a service that only writes when
/// something is wrong is not taken for one that is always wrong.
///
/// # Examples
///
/// ```
/// use mad_core::{
///     EntityTable, FeatureConfig, Limits, LogBuilder, LogLine, Rejections, SeriesTable, Timestamp,
/// };
///
/// let mut builder = LogBuilder::new(FeatureConfig::default(), &Limits::default())?;
/// let (mut entities, mut series) = (EntityTable::new(100), SeriesTable::new(100));
/// let (mut points, mut rejections) = (Vec::new(), Rejections::default());
/// for (second, level) in [(0, "INFO"), (130, "ERROR"), (150, "error")] {
///     let line = LogLine::new(Timestamp::from_seconds(second), "payments", level, "refused");
///     builder.push(&line, 1, &mut entities, &mut series, &mut points, &mut rejections);
/// }
/// builder.finish(&entities, &mut series, &mut points, &mut rejections);
/// let errors: Vec<f64> = points.iter().step_by(2).map(|point| point.sample.value).collect();
/// assert_eq!(errors, [0.0, 0.0, 2.0]);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogBuilder {
    config: FeatureConfig,
    open: BTreeMap<Timestamp, BTreeMap<EntityId, Lines>>,
    /// The newest closed step of each service.
    last: BTreeMap<EntityId, Timestamp>,
    intake: Intake<LogLevel>,
    accepted: u64,
    overflowed: u64,
}

/// Lines of one service in one step.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Lines {
    errors: u64,
    warnings: u64,
}

impl LogBuilder {
    /// An empty builder.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn new(config: FeatureConfig, limits: &Limits) -> Result<Self> {
        config.validate()?;
        limits.validate()?;
        Ok(Self {
            config,
            open: BTreeMap::new(),
            last: BTreeMap::new(),
            intake: Intake::new(config, limits),
            accepted: 0,
            overflowed: 0,
        })
    }

    /// Follows every jump of the event time ahead at once, as
    /// [`FeatureBuilder::bounded_input`](super::FeatureBuilder::bounded_input) does.
    #[must_use]
    pub fn bounded_input(mut self) -> Self {
        self.intake.bounded = true;
        self
    }

    /// Takes one line; counts of steps that it closes are added to `points`. `position` is where it
    /// stands in its source. A line of a service beyond [`Limits::entities`] is counted and not
    /// judged.
    pub fn push(
        &mut self,
        line: &LogLine<'_>,
        position: u64,
        entities: &mut EntityTable,
        names: &mut SeriesTable,
        points: &mut Vec<FeaturePoint>,
        rejections: &mut Rejections,
    ) {
        if let Err((reason, field)) = line.check() {
            rejections.add(reason, position, || field.to_owned());
            return;
        }
        let entity = entities.id(line.service, "");
        if entities.is_overflow(entity) {
            self.overflowed += 1;
            return;
        }
        let what = LogLevel::of(line.level);
        let record = HeldRecord { timestamp: line.timestamp, entity, position, what };
        match self.intake.offer(record, rejections) {
            Offered::Now(record) => self.take(&record, entities, names, points, rejections),
            Offered::Believed(believed) => {
                for held in believed {
                    self.take(&held, entities, names, points, rejections);
                }
            }
        }
        self.take_due(entities, names, points, rejections);
    }

    /// Moves the watermark to `at`; steps before it close.
    pub fn advance(
        &mut self,
        at: Timestamp,
        entities: &EntityTable,
        names: &mut SeriesTable,
        points: &mut Vec<FeaturePoint>,
        rejections: &mut Rejections,
    ) {
        self.intake.raise(at);
        self.close(entities, names, points);
        self.take_due(entities, names, points, rejections);
    }

    /// Closes every open step: the stream has ended.
    pub fn finish(
        &mut self,
        entities: &EntityTable,
        names: &mut SeriesTable,
        points: &mut Vec<FeaturePoint>,
        rejections: &mut Rejections,
    ) {
        for held in self.intake.drain(rejections) {
            self.take(&held, entities, names, points, rejections);
        }
        if let Some(last) = self.open.keys().next_back().copied() {
            self.intake.raise(last.plus(self.config.step()));
            self.close(entities, names, points);
        }
    }

    /// Everything before this moment is closed.
    pub fn watermark(&self) -> Timestamp {
        self.intake.watermark()
    }

    /// The newest event time taken.
    pub fn newest(&self) -> Option<Timestamp> {
        self.intake.newest()
    }

    /// Lines taken.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Lines and counts of services beyond the limits.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// The services with a line in a step that is not closed, held ones included.
    pub(crate) fn in_flight(&self) -> impl Iterator<Item = EntityId> {
        let open = self.open.values().flat_map(|step| step.keys().copied());
        open.chain(self.intake.held().map(|record| record.entity))
    }

    /// Raises the watermark while nothing is open.
    pub(crate) fn raise(&mut self, watermark: Timestamp) {
        self.intake.raise(watermark);
    }

    pub(crate) fn count_anew(&mut self) {
        self.accepted = 0;
        self.overflowed = 0;
    }

    /// Forgets services: their ids will be others'.
    pub(crate) fn forget(&mut self, gone: &BTreeSet<EntityId>) {
        self.intake.forget(gone);
        self.last.retain(|entity, _| !gone.contains(entity));
    }

    /// The newest closed step of a service.
    pub(crate) fn last_bucket(&self, entity: EntityId) -> Option<Timestamp> {
        self.last.get(&entity).copied()
    }

    /// Says which step of a service was the newest to close.
    pub(crate) fn set_last_bucket(&mut self, entity: EntityId, bucket: Option<Timestamp>) {
        match bucket {
            Some(bucket) => drop(self.last.insert(entity, bucket)),
            None => drop(self.last.remove(&entity)),
        }
    }

    fn take_due(
        &mut self,
        entities: &EntityTable,
        names: &mut SeriesTable,
        points: &mut Vec<FeaturePoint>,
        rejections: &mut Rejections,
    ) {
        for held in self.intake.due() {
            self.take(&held, entities, names, points, rejections);
        }
    }

    fn take(
        &mut self,
        record: &HeldRecord<LogLevel>,
        entities: &EntityTable,
        names: &mut SeriesTable,
        points: &mut Vec<FeaturePoint>,
        rejections: &mut Rejections,
    ) {
        let step = self.config.step();
        let bucket = record.timestamp.floor(step);
        if bucket.plus(step) <= self.intake.watermark() {
            self.intake.reject_late(record, rejections);
            return;
        }
        let lines = self.open.entry(bucket).or_default().entry(record.entity).or_default();
        match record.what {
            LogLevel::Error => lines.errors += 1,
            LogLevel::Warning => lines.warnings += 1,
            LogLevel::Other => {}
        }
        self.accepted += 1;
        if self.intake.saw(record.timestamp) {
            self.close(entities, names, points);
        }
    }

    /// Closes the steps that the watermark has passed; services by name.
    fn close(
        &mut self,
        entities: &EntityTable,
        names: &mut SeriesTable,
        points: &mut Vec<FeaturePoint>,
    ) {
        let step = self.config.step();
        while let Some(first) = self.open.first_entry() {
            let bucket = *first.key();
            if bucket.plus(step) > self.intake.watermark() {
                return;
            }
            let closing = first.remove();
            let mut services: Vec<(EntityId, Lines)> = closing.into_iter().collect();
            services.sort_by_key(|(entity, _)| entities.get(*entity));
            for (entity, lines) in services {
                let last = self.last.insert(entity, bucket);
                let empty = last.map_or(0, |last| (bucket.since(last) / step - 1).max(0));
                for before in (1..=empty.min(MOST_EMPTY)).rev() {
                    let at = bucket.plus(-step.saturating_mul(before));
                    self.count(at, entity, Lines::default(), entities, names, points);
                }
                self.count(bucket, entity, lines, entities, names, points);
            }
        }
    }

    fn count(
        &mut self,
        bucket: Timestamp,
        entity: EntityId,
        lines: Lines,
        entities: &EntityTable,
        names: &mut SeriesTable,
        points: &mut Vec<FeaturePoint>,
    ) {
        for (signal, count) in [(LOG_ERRORS, lines.errors), (LOG_WARNINGS, lines.warnings)] {
            let Some(series) = names.id(entity, signal, entities) else {
                self.overflowed += 1;
                continue;
            };
            let sample = Sample { value: count as f64, n: 1 };
            let step = self.config.step();
            points.push(FeaturePoint { bucket, entity, series, sample, gap: 0, step });
        }
    }
}
