//! Event-time windows: requests in, closed rows out.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::FeatureRow;
use super::intake::{HeldRecord, Intake, Offered};
use super::open_step::OpenStep;
use super::recent_ids::RecentIds;
use crate::config::{FeatureConfig, SloConfig};
use crate::error::Result;
use crate::limits::Limits;
use crate::series::{EntityId, EntityTable};
use crate::telemetry::{RejectReason, Rejections, Request};
use crate::time::Timestamp;

/// Builds one row per entity and step from requests in any order within the allowed lateness.
///
/// The watermark is the newest event time less `lateness`, and follows each record. A step closes
/// when the watermark has passed its end; its rows come out ordered by service and endpoint. A
/// record of a closed step is `late` and counted. A record more than `max_ahead` past the
/// watermark, and every record before there is a watermark, is held until three entities (two
/// where only two are known) or five records in a row of its own entity, each with the one before
/// it, agree within `max_ahead`. Alone it never moves the watermark: it is taken when the others
/// have come to its time, or at the end if it is within `max_ahead` then, and otherwise rejected
/// as `future`.
///
/// # Examples
///
/// ```
/// use mad_core::{EntityTable, FeatureBuilder, FeatureConfig, Limits, Rejections, Request, Timestamp};
///
/// let mut builder = FeatureBuilder::new(FeatureConfig::default(), &Limits::default())?;
/// let mut entities = EntityTable::new(100);
/// let (mut rows, mut rejections) = (Vec::new(), Rejections::default());
/// for (second, latency) in [(0, 10.0), (30, 30.0), (90, 20.0)] {
///     let request = Request::new(Timestamp::from_seconds(second), "a", "/x", 200, latency);
///     builder.push(&request, 1, &mut entities, &mut rows, &mut rejections);
/// }
/// builder.finish(&entities, &mut rows, &mut rejections);
/// assert_eq!(rows.iter().map(|row| row.p50).collect::<Vec<_>>(), [20.0, 20.0]);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FeatureBuilder {
    config: FeatureConfig,
    window_samples: usize,
    request_ids: usize,
    last_bucket: Vec<Option<Timestamp>>,
    open: BTreeMap<Timestamp, OpenStep>,
    #[serde(skip)]
    spare: Vec<OpenStep>,
    intake: Intake<Served>,
    ids: RecentIds,
    slow_ms: f64,
    slow_of: BTreeMap<EntityId, f64>,
    accepted: u64,
    errors: u64,
    samples_dropped: u64,
}

/// What a request says beside its time and names.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Served {
    error: bool,
    latency_ms: f64,
}

impl FeatureBuilder {
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
            window_samples: limits.window_samples,
            request_ids: limits.request_ids,
            last_bucket: Vec::new(),
            open: BTreeMap::new(),
            spare: Vec::new(),
            intake: Intake::new(config, limits),
            ids: RecentIds::default(),
            slow_ms: SloConfig::default().latency_objective_ms,
            slow_of: BTreeMap::new(),
            accepted: 0,
            errors: 0,
            samples_dropped: 0,
        })
    }

    /// Follows every jump of the event time ahead at once. For bounded input that is read to its
    /// end in time order, where a record dated far ahead is simply the last one.
    #[must_use]
    pub fn bounded_input(mut self) -> Self {
        self.intake.bounded = true;
        self
    }

    /// Requests that take longer than this, ms, are counted as slow in rows that close from now on;
    /// of one entity, or of all and until one is named again. At first 500.
    pub fn set_slow(&mut self, entity: Option<EntityId>, slow_ms: f64) {
        if let Some(entity) = entity {
            self.slow_of.insert(entity, slow_ms);
        } else {
            self.slow_ms = slow_ms;
            self.slow_of.clear();
        }
    }

    /// Takes one request; rows of steps that it closes are added to `rows`. `position` is where
    /// it stands in its source, for the list of rejected records. All calls of one builder take
    /// the same table of entities.
    pub fn push(
        &mut self,
        request: &Request<'_>,
        position: u64,
        entities: &mut EntityTable,
        rows: &mut Vec<FeatureRow>,
        rejections: &mut Rejections,
    ) {
        if let Err((reason, field)) = request.check() {
            rejections.add(reason, position, || describe(request, field));
            return;
        }
        if let Some(id) = request.request_id
            && !self.ids.remember(id, self.request_ids)
        {
            rejections.add(RejectReason::Duplicate, position, || format!("request_id = {id:?}"));
            return;
        }
        let record = HeldRecord {
            timestamp: request.timestamp,
            entity: entities.id(request.service, request.endpoint),
            position,
            what: Served { error: request.is_error(), latency_ms: request.latency_ms },
        };
        match self.intake.offer(record, rejections) {
            Offered::Now(record) => self.take(&record, entities, rows, rejections),
            Offered::Believed(believed) => {
                for held in believed {
                    self.take(&held, entities, rows, rejections);
                }
            }
        }
        self.take_due(entities, rows, rejections);
    }

    /// Moves the watermark to `at`, as a tick of an idle source does; steps before it close.
    pub fn advance(
        &mut self,
        at: Timestamp,
        entities: &EntityTable,
        rows: &mut Vec<FeatureRow>,
        rejections: &mut Rejections,
    ) {
        self.intake.raise(at);
        self.close_steps(self.intake.watermark(), entities, rows);
        self.take_due(entities, rows, rejections);
    }

    /// Closes every open step: the stream has ended. The one it ended in is not whole. Records still
    /// held are rejected as `future`, unless nothing else was ever seen.
    pub fn finish(
        &mut self,
        entities: &EntityTable,
        rows: &mut Vec<FeatureRow>,
        rejections: &mut Rejections,
    ) {
        for held in self.intake.drain(rejections) {
            self.take(&held, entities, rows, rejections);
        }
        if let Some(last) = self.open.keys().next_back().copied() {
            let watermark = self.intake.watermark();
            let reached = self.intake.newest().map_or(watermark, |newest| newest.max(watermark));
            self.intake.raise(last.plus(self.config.step()));
            self.close_steps(reached, entities, rows);
        }
    }

    /// How rows are built.
    pub fn config(&self) -> &FeatureConfig {
        &self.config
    }

    /// Everything before this moment is closed.
    pub fn watermark(&self) -> Timestamp {
        self.intake.watermark()
    }

    /// The newest event time taken.
    pub fn newest(&self) -> Option<Timestamp> {
        self.intake.newest()
    }

    /// Requests taken.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Requests taken that failed.
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// Latencies beyond [`Limits::window_samples`].
    pub fn samples_dropped(&self) -> u64 {
        self.samples_dropped
    }

    /// The entities with a request in a step that is not closed, held ones included.
    pub(crate) fn in_flight(&self) -> impl Iterator<Item = EntityId> {
        let open = self.open.values().flat_map(OpenStep::entities);
        open.chain(self.intake.held().map(|record| record.entity))
    }

    /// Raises the watermark while nothing is open.
    pub(crate) fn raise(&mut self, watermark: Timestamp) {
        self.intake.raise(watermark);
    }

    pub(crate) fn count_anew(&mut self) {
        self.accepted = 0;
        self.errors = 0;
        self.samples_dropped = 0;
    }

    /// Forgets entities: their ids will be others'.
    pub(crate) fn forget(&mut self, gone: &BTreeSet<EntityId>) {
        self.intake.forget(gone);
        for id in gone {
            self.set_last_bucket(*id, None);
            self.slow_of.remove(id);
        }
    }

    /// The newest closed step of an entity.
    pub(crate) fn last_bucket(&self, entity: EntityId) -> Option<Timestamp> {
        self.last_bucket.get(entity.index()).copied().flatten()
    }

    /// Says which step of an entity was the newest to close.
    pub(crate) fn set_last_bucket(&mut self, entity: EntityId, bucket: Option<Timestamp>) {
        if bucket.is_some() && self.last_bucket.len() <= entity.index() {
            self.last_bucket.resize(entity.index() + 1, None);
        }
        if let Some(last) = self.last_bucket.get_mut(entity.index()) {
            *last = bucket;
        }
    }

    fn take_due(
        &mut self,
        entities: &EntityTable,
        rows: &mut Vec<FeatureRow>,
        rejections: &mut Rejections,
    ) {
        for held in self.intake.due() {
            self.take(&held, entities, rows, rejections);
        }
    }

    fn take(
        &mut self,
        record: &HeldRecord<Served>,
        entities: &EntityTable,
        rows: &mut Vec<FeatureRow>,
        rejections: &mut Rejections,
    ) {
        let step = self.config.step();
        let bucket = record.timestamp.floor(step);
        if bucket.plus(step) <= self.intake.watermark() {
            self.intake.reject_late(record, rejections);
            return;
        }
        let spare = &mut self.spare;
        let open = self.open.entry(bucket).or_insert_with(|| spare.pop().unwrap_or_default());
        let Served { error, latency_ms } = record.what;
        if !open.add(record.entity, error, latency_ms, self.window_samples) {
            self.samples_dropped += 1;
        }
        self.accepted += 1;
        self.errors += u64::from(error);
        if self.intake.saw(record.timestamp) {
            self.close_steps(self.intake.watermark(), entities, rows);
        }
    }

    /// Closes what the watermark has passed; time itself has come to `reached`.
    fn close_steps(
        &mut self,
        reached: Timestamp,
        entities: &EntityTable,
        rows: &mut Vec<FeatureRow>,
    ) {
        let step = self.config.step();
        while let Some(first) = self.open.first_entry() {
            let bucket = *first.key();
            if bucket.plus(step) > self.intake.watermark() {
                return;
            }
            let whole = bucket.plus(step) <= reached;
            let mut closing = first.remove();
            if self.last_bucket.len() < entities.slots() {
                self.last_bucket.resize(entities.slots(), None);
            }
            for id in entities.in_order().iter().copied() {
                if !closing.has(id) {
                    continue;
                }
                let last = self.last_bucket.get_mut(id.index());
                let gap = match last.as_deref() {
                    Some(Some(last)) => (bucket.since(*last) / step - 1).max(0).unsigned_abs(),
                    _ => 0,
                };
                if let Some(last) = last {
                    *last = Some(bucket);
                }
                let slow_ms = self.slow_of.get(&id).copied().unwrap_or(self.slow_ms);
                rows.extend(closing.close(bucket, id, gap, whole, slow_ms));
            }
            self.spare.push(closing);
        }
    }
}

fn describe(request: &Request<'_>, field: &str) -> String {
    match field {
        "service" => format!("service = {:?}", request.service),
        "endpoint" => format!("endpoint = {:?}", request.endpoint),
        "status_code" => format!("status_code = {}", request.status_code),
        _ => format!("latency_ms = {}", request.latency_ms),
    }
}
