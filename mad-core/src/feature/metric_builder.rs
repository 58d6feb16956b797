//! Event time of metrics: points in, points in order out.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::FeaturePoint;
use super::intake::{HeldRecord, Intake, Offered};
use super::point::StepFinder;
use crate::config::FeatureConfig;
use crate::error::Result;
use crate::limits::Limits;
use crate::series::{EntityId, EntityTable, Sample, SeriesId, SeriesTable};
use crate::telemetry::{MetricPoint, RejectReason, Rejections};
use crate::time::Timestamp;

/// Puts the points of metrics in order, whatever the order in which they come within the allowed
/// lateness, and finds each series' step.
///
/// Points of one time come out together once the watermark has passed it, by service, resource and
/// metric. The rules for late records and for those dated far ahead are those of
/// [`FeatureBuilder`](super::FeatureBuilder). A second point of a series at one time is a `duplicate`:
/// the first one counts.
///
/// # Examples
///
/// ```
/// use mad_core::feature::MetricBuilder;
/// use mad_core::{EntityTable, FeatureConfig, Limits, MetricPoint, Rejections, SeriesTable, Timestamp};
///
/// let mut builder = MetricBuilder::new(FeatureConfig::default(), &Limits::default())?;
/// let (mut entities, mut series) = (EntityTable::new(100), SeriesTable::new(100));
/// let (mut points, mut rejections) = (Vec::new(), Rejections::default());
/// for (minute, value) in [(0, 0.2), (10, 0.3), (5, 0.1)] {
///     let at = Timestamp::from_seconds(60 * minute);
///     let point = MetricPoint::new(at, "payments", "cpu", value);
///     builder.push(&point, 1, &mut entities, &mut series, &mut points, &mut rejections);
/// }
/// builder.finish(&mut series, &mut points, &mut rejections);
/// assert_eq!(points.iter().map(|p| p.sample.value).collect::<Vec<_>>(), [0.2, 0.1, 0.3]);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MetricBuilder {
    config: FeatureConfig,
    steps: Vec<StepFinder>,
    open: BTreeMap<Timestamp, Vec<HeldRecord<Measured>>>,
    #[serde(skip)]
    spare: Vec<Vec<HeldRecord<Measured>>>,
    intake: Intake<Measured>,
    accepted: u64,
    overflowed: u64,
}

/// What a point says beside its time and names.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Measured {
    series: SeriesId,
    sample: Sample,
}

impl MetricBuilder {
    /// An empty builder; of the config it takes `lateness_seconds` and `max_ahead_seconds`.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn new(config: FeatureConfig, limits: &Limits) -> Result<Self> {
        config.validate()?;
        limits.validate()?;
        Ok(Self {
            config,
            steps: Vec::new(),
            open: BTreeMap::new(),
            spare: Vec::new(),
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

    /// Takes one point; points that are now in order are added to `points`. `position` is where
    /// it stands in its source. A point of a series beyond [`Limits::series`], or of an entity
    /// beyond [`Limits::entities`], is counted and not judged: values of different series have no
    /// common sense.
    pub fn push(
        &mut self,
        point: &MetricPoint<'_>,
        position: u64,
        entities: &mut EntityTable,
        names: &mut SeriesTable,
        points: &mut Vec<FeaturePoint>,
        rejections: &mut Rejections,
    ) {
        if let Err((reason, field)) = point.check() {
            rejections.add(reason, position, || describe(point, field));
            return;
        }
        let of = (point.service, point.resource, point.metric);
        let found = names.guess(of, entities).or_else(|| {
            let entity = entities.id(point.service, point.resource);
            let own = !entities.is_overflow(entity);
            let series = own.then(|| names.id(entity, point.metric, entities)).flatten();
            series.map(|series| (entity, series))
        });
        let Some((entity, series)) = found else {
            self.overflowed += 1;
            return;
        };
        names.came(series);
        let sample = Sample { value: point.value, n: point.n };
        let what = Measured { series, sample };
        let record = HeldRecord { timestamp: point.timestamp, entity, position, what };
        match self.intake.offer(record, rejections) {
            Offered::Now(record) => self.take(record, names, points, rejections),
            Offered::Believed(believed) => {
                for held in believed {
                    self.take(held, names, points, rejections);
                }
            }
        }
        for held in self.intake.due() {
            self.take(held, names, points, rejections);
        }
    }

    /// Moves the watermark to `at`: points before it are in order.
    pub fn advance(
        &mut self,
        at: Timestamp,
        names: &mut SeriesTable,
        points: &mut Vec<FeaturePoint>,
        rejections: &mut Rejections,
    ) {
        self.intake.raise(at);
        self.close(names, points, rejections);
        for held in self.intake.due() {
            self.take(held, names, points, rejections);
        }
    }

    /// The stream has ended: everything is in order.
    pub fn finish(
        &mut self,
        names: &mut SeriesTable,
        points: &mut Vec<FeaturePoint>,
        rejections: &mut Rejections,
    ) {
        for held in self.intake.drain(rejections) {
            self.take(held, names, points, rejections);
        }
        if let Some(last) = self.open.keys().next_back().copied() {
            self.intake.raise(last.plus(1));
            self.close(names, points, rejections);
        }
    }

    /// The series with a point that is not in order yet, held ones included, and their entities.
    pub(crate) fn in_flight(&self) -> impl Iterator<Item = (EntityId, SeriesId)> {
        let open = self.open.values().flatten().chain(self.intake.held());
        open.map(|record| (record.entity, record.what.series))
    }

    /// Raises the watermark while nothing is open.
    pub(crate) fn raise(&mut self, watermark: Timestamp) {
        self.intake.raise(watermark);
    }

    pub(crate) fn count_anew(&mut self) {
        self.accepted = 0;
        self.overflowed = 0;
    }

    /// Forgets series and entities: their ids will be others'.
    pub(crate) fn forget(&mut self, entities: &BTreeSet<EntityId>, series: &BTreeSet<SeriesId>) {
        self.intake.forget(entities);
        for id in series {
            if let Some(step) = self.steps.get_mut(id.index()) {
                *step = StepFinder::default();
            }
        }
    }

    /// The step of a series, as far as it is known.
    pub(crate) fn step_of(&self, series: SeriesId) -> StepFinder {
        self.steps.get(series.index()).copied().unwrap_or_default()
    }

    /// Says what is known of the step of a series.
    pub(crate) fn set_step(&mut self, series: SeriesId, step: StepFinder) {
        if self.steps.len() <= series.index() {
            self.steps.resize(series.index() + 1, StepFinder::default());
        }
        if let Some(known) = self.steps.get_mut(series.index()) {
            *known = step;
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

    /// Points taken.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Points of series beyond the limits.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    fn take(
        &mut self,
        record: HeldRecord<Measured>,
        names: &mut SeriesTable,
        points: &mut Vec<FeaturePoint>,
        rejections: &mut Rejections,
    ) {
        if record.timestamp < self.intake.watermark() {
            self.intake.reject_late(&record, rejections);
            return;
        }
        let at = record.timestamp;
        let spare = &mut self.spare;
        self.open.entry(at).or_insert_with(|| spare.pop().unwrap_or_default()).push(record);
        if self.intake.saw(at) {
            self.close(names, points, rejections);
        }
    }

    /// Closes the times that the watermark has passed.
    fn close(
        &mut self,
        names: &mut SeriesTable,
        points: &mut Vec<FeaturePoint>,
        rejections: &mut Rejections,
    ) {
        while let Some(first) = self.open.first_entry() {
            if *first.key() >= self.intake.watermark() {
                return;
            }
            let mut closing = first.remove();
            let ranks = names.ranks();
            let rank = |series: SeriesId| ranks.get(series.index()).copied().unwrap_or(u32::MAX);
            // stable: of two points of a series the first to come counts
            closing.sort_by_key(|record| rank(record.what.series));
            self.steps.resize(names.slots(), StepFinder::default());
            let mut last = None;
            for record in closing.drain(..) {
                let HeldRecord { timestamp: bucket, entity, position, what } = record;
                let Measured { series, sample } = what;
                if last == Some(series) {
                    rejections.add(RejectReason::Duplicate, position, || {
                        format!("timestamp = {bucket}, value = {}", sample.value)
                    });
                    continue;
                }
                last = Some(series);
                self.accepted += 1;
                let Some(finder) = self.steps.get_mut(series.index()) else { continue };
                let (step, gap) = finder.next(bucket, self.config.step());
                points.push(FeaturePoint { bucket, entity, series, sample, gap, step });
            }
            self.spare.push(closing);
        }
    }
}

fn describe(point: &MetricPoint<'_>, field: &str) -> String {
    match field {
        "service" => format!("service = {:?}", point.service),
        "resource" => format!("resource = {:?}", point.resource),
        "metric" => format!("metric = {:?}", point.metric),
        _ => format!("value = {}", point.value),
    }
}
