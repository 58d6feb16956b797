//! Event-time windows: requests in, closed rows out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::held::{Held, HeldRecord};
use super::open_step::OpenStep;
use super::recent_ids::RecentIds;
use super::{FeatureConfig, FeatureRow};
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
/// use mad_core::{FeatureBuilder, FeatureConfig, Limits, Rejections, Request, Timestamp};
///
/// let mut builder = FeatureBuilder::new(FeatureConfig::default(), &Limits::default())?;
/// let (mut rows, mut rejections) = (Vec::new(), Rejections::default());
/// for (second, latency) in [(0, 10.0), (30, 30.0), (90, 20.0)] {
///     let request = Request::new(Timestamp::from_seconds(second), "a", "/x", 200, latency);
///     builder.push(&request, 1, &mut rows, &mut rejections);
/// }
/// builder.finish(&mut rows, &mut rejections);
/// assert_eq!(rows.iter().map(|row| row.p50).collect::<Vec<_>>(), [20.0, 20.0]);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FeatureBuilder {
    config: FeatureConfig,
    window_samples: usize,
    held_records: usize,
    request_ids: usize,
    entities: EntityTable,
    /// Entities by name: the order of rows within a step.
    order: Vec<EntityId>,
    last_bucket: Vec<Option<Timestamp>>,
    open: BTreeMap<Timestamp, OpenStep>,
    #[serde(skip)]
    spare: Vec<OpenStep>,
    held: Held,
    /// Whether a jump ahead is believed at once: a file read to its end has no later evidence.
    trusting: bool,
    newest: Option<Timestamp>,
    watermark: Timestamp,
    ids: RecentIds,
    accepted: u64,
    errors: u64,
    samples_dropped: u64,
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
            held_records: limits.held_records,
            request_ids: limits.request_ids,
            entities: EntityTable::new(limits.entities),
            order: Vec::new(),
            last_bucket: Vec::new(),
            open: BTreeMap::new(),
            spare: Vec::new(),
            held: Held::default(),
            trusting: false,
            newest: None,
            watermark: Timestamp::MIN,
            ids: RecentIds::default(),
            accepted: 0,
            errors: 0,
            samples_dropped: 0,
        })
    }

    /// Believes every jump ahead at once. For input that is read to its end in time order, where
    /// a record dated far ahead is simply the last one.
    #[must_use]
    pub fn trusting_the_clock(mut self) -> Self {
        self.trusting = true;
        self
    }

    /// Takes one request; rows of steps that it closes are added to `rows`. `position` is where
    /// it stands in its source, for the list of rejected records.
    pub fn push(
        &mut self,
        request: &Request<'_>,
        position: u64,
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
        let known_entities = self.entities.len();
        let entity = self.entity(request.service, request.endpoint);
        let record = HeldRecord {
            timestamp: request.timestamp,
            entity,
            error: request.is_error(),
            latency_ms: request.latency_ms,
            position,
        };
        if !self.trusting && self.is_ahead(request.timestamp) {
            let believed = self.held.hold(record, self.config.max_ahead(), known_entities);
            for held in believed {
                self.take(&held, rows, rejections);
            }
            if self.held.len() > self.held_records
                && let Some(held) = self.held.furthest()
            {
                reject_future(&held, rejections);
            }
        } else {
            self.held.on_time(entity);
            self.take(&record, rows, rejections);
        }
        self.take_due(rows, rejections);
    }

    /// Moves the watermark to `at`, as a tick of an idle source does; steps before it close.
    pub fn advance(
        &mut self,
        at: Timestamp,
        rows: &mut Vec<FeatureRow>,
        rejections: &mut Rejections,
    ) {
        self.raise_watermark(at, rows);
        self.take_due(rows, rejections);
    }

    /// Closes every open step: the stream has ended. The one it ended in is not whole. Records still
    /// held are rejected as `future`, unless nothing else was ever seen.
    pub fn finish(&mut self, rows: &mut Vec<FeatureRow>, rejections: &mut Rejections) {
        for held in self.held.drain() {
            if self.newest.is_none() || !self.is_ahead(held.timestamp) {
                self.take(&held, rows, rejections);
            } else {
                reject_future(&held, rejections);
            }
        }
        if let Some(last) = self.open.keys().next_back().copied() {
            let reached = self.newest.map_or(self.watermark, |newest| newest.max(self.watermark));
            self.watermark = self.watermark.max(last.plus(self.config.step()));
            self.close_steps(reached, rows);
        }
    }

    /// The entities seen so far.
    pub fn entities(&self) -> &EntityTable {
        &self.entities
    }

    /// How rows are built.
    pub fn config(&self) -> &FeatureConfig {
        &self.config
    }

    /// Everything before this moment is closed.
    pub fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// The newest event time taken.
    pub fn newest(&self) -> Option<Timestamp> {
        self.newest
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

    fn entity(&mut self, service: &str, endpoint: &str) -> EntityId {
        if let Some(id) = self.entities.find(service, endpoint) {
            return id;
        }
        let id = self.entities.id(service, endpoint);
        if self.last_bucket.len() < self.entities.len() {
            let named = |id: EntityId| self.entities.get(id);
            let place = self.order.partition_point(|known| named(*known) < named(id));
            self.order.insert(place, id);
            self.last_bucket.resize(self.entities.len(), None);
        }
        id
    }

    fn is_ahead(&self, time: Timestamp) -> bool {
        self.newest.is_none() || time > self.watermark.plus(self.config.max_ahead())
    }

    fn take_due(&mut self, rows: &mut Vec<FeatureRow>, rejections: &mut Rejections) {
        let Some(newest) = self.newest else { return };
        if self.held.is_empty() {
            return;
        }
        // not a moment earlier: alone it must not move the watermark
        for held in self.held.due(newest.max(self.watermark)) {
            self.take(&held, rows, rejections);
        }
    }

    fn take(
        &mut self,
        record: &HeldRecord,
        rows: &mut Vec<FeatureRow>,
        rejections: &mut Rejections,
    ) {
        let step = self.config.step();
        let bucket = record.timestamp.floor(step);
        if bucket.plus(step) <= self.watermark {
            rejections.add(RejectReason::Late, record.position, || {
                format!("timestamp = {}, watermark = {}", record.timestamp, self.watermark)
            });
            return;
        }
        let spare = &mut self.spare;
        let open = self.open.entry(bucket).or_insert_with(|| spare.pop().unwrap_or_default());
        if !open.add(record.entity, record.error, record.latency_ms, self.window_samples) {
            self.samples_dropped += 1;
        }
        self.accepted += 1;
        self.errors += u64::from(record.error);
        if self.newest.is_none_or(|newest| record.timestamp > newest) {
            self.newest = Some(record.timestamp);
            self.raise_watermark(record.timestamp.plus(-self.config.lateness()), rows);
        }
    }

    fn raise_watermark(&mut self, to: Timestamp, rows: &mut Vec<FeatureRow>) {
        self.watermark = self.watermark.max(to);
        self.close_steps(self.watermark, rows);
    }

    /// Closes what the watermark has passed; time itself has come to `reached`.
    fn close_steps(&mut self, reached: Timestamp, rows: &mut Vec<FeatureRow>) {
        let step = self.config.step();
        while let Some(first) = self.open.first_entry() {
            let bucket = *first.key();
            if bucket.plus(step) > self.watermark {
                return;
            }
            let whole = bucket.plus(step) <= reached;
            let mut closing = first.remove();
            for id in self.order.iter().copied() {
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
                rows.extend(closing.close(bucket, id, gap, whole));
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

fn reject_future(held: &HeldRecord, rejections: &mut Rejections) {
    rejections
        .add(RejectReason::Future, held.position, || format!("timestamp = {}", held.timestamp));
}
