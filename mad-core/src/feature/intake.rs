//! Event time: the watermark, and records dated too far ahead of it, held until others agree.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use crate::config::FeatureConfig;
use crate::limits::Limits;
use crate::series::EntityId;
use crate::telemetry::{RejectReason, Rejections};
use crate::time::Timestamp;

/// Entities that must agree before a jump in time is believed.
const AGREEING_ENTITIES: usize = 3;
/// Records in a row of one entity that are believed alone.
const AGREEING_RECORDS: u32 = 5;

/// A record without its names.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct HeldRecord<T> {
    pub timestamp: Timestamp,
    pub entity: EntityId,
    pub position: u64,
    pub what: T,
}

/// Early records of one entity, one after the other, each within reach of the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct InARow {
    records: u32,
    earliest: Timestamp,
    last: Timestamp,
}

impl InARow {
    fn begin(at: Timestamp) -> Self {
        Self { records: 1, earliest: at, last: at }
    }

    /// With one more record; one out of reach begins a new row.
    fn and(self, at: Timestamp, reach: i64) -> Self {
        if at.since(self.last).unsigned_abs() > reach.unsigned_abs() {
            return Self::begin(at);
        }
        Self { records: self.records + 1, earliest: self.earliest.min(at), last: at }
    }
}

/// Held records in time order; those of one time in order of arrival.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Saved<T>", into = "Saved<T>", bound(serialize = "T: Clone + Serialize"))]
struct Held<T> {
    records: BTreeMap<(Timestamp, u64), HeldRecord<T>>,
    in_a_row: BTreeMap<EntityId, InARow>,
    arrivals: u64,
}

/// What is saved: JSON has no pairs for keys.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Held", deny_unknown_fields)]
struct Saved<T> {
    records: Vec<(u64, HeldRecord<T>)>,
    in_a_row: BTreeMap<EntityId, InARow>,
    arrivals: u64,
}

impl<T> From<Saved<T>> for Held<T> {
    fn from(Saved { records, in_a_row, arrivals }: Saved<T>) -> Self {
        let keyed = |(arrival, held): (u64, HeldRecord<T>)| ((held.timestamp, arrival), held);
        Self { records: records.into_iter().map(keyed).collect(), in_a_row, arrivals }
    }
}

impl<T> From<Held<T>> for Saved<T> {
    fn from(Held { records, in_a_row, arrivals }: Held<T>) -> Self {
        let records = records.into_iter().map(|((_, arrival), held)| (arrival, held)).collect();
        Self { records, in_a_row, arrivals }
    }
}

impl<T> Held<T> {
    fn new() -> Self {
        Self { records: BTreeMap::new(), in_a_row: BTreeMap::new(), arrivals: 0 }
    }

    fn len(&self) -> usize {
        self.records.len()
    }

    fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// An entity sent a record that is on time: its run of early ones is over.
    fn on_time(&mut self, entity: EntityId) {
        if !self.in_a_row.is_empty() {
            self.in_a_row.remove(&entity);
        }
    }

    /// Holds a record. The answer is what is now believed, in time order, or nothing: all held
    /// records within `reach` of this one, once enough entities stand behind them, or enough
    /// records in a row of its entity, which then come along from their first one on.
    fn hold(
        &mut self,
        record: HeldRecord<T>,
        reach: i64,
        known_entities: usize,
    ) -> Vec<HeldRecord<T>> {
        let at = record.timestamp;
        let run = self.in_a_row.get(&record.entity);
        let run = run.map_or_else(|| InARow::begin(at), |run| run.and(at, reach));
        self.in_a_row.insert(record.entity, run);
        self.arrivals += 1;
        self.records.insert((at, self.arrivals), record);
        let alone = run.records >= AGREEING_RECORDS;
        let from = if alone { at.plus(-reach).min(run.earliest) } else { at.plus(-reach) };
        let within = (from, 0)..=(at.plus(reach), u64::MAX);
        let near: Vec<(Timestamp, u64)> = self.records.range(within).map(|(key, _)| *key).collect();
        // two at least: one entity's clock is what this guards against
        let needed = if known_entities == 0 {
            AGREEING_ENTITIES
        } else {
            known_entities.clamp(2, AGREEING_ENTITIES)
        };
        let entities: HashSet<EntityId> =
            near.iter().filter_map(|key| self.records.get(key)).map(|held| held.entity).collect();
        if !alone && entities.len() < needed {
            return Vec::new();
        }
        let believed: Vec<HeldRecord<T>> =
            near.iter().filter_map(|key| self.records.remove(key)).collect();
        for held in &believed {
            self.in_a_row.remove(&held.entity);
        }
        believed
    }

    /// Takes out what is dated at or before `until`, in time order.
    fn due(&mut self, until: Timestamp) -> Vec<HeldRecord<T>> {
        match self.records.first_key_value() {
            Some(((first, _), _)) if *first <= until => {}
            _ => return Vec::new(),
        }
        let later = self.records.split_off(&(until.plus(1), 0));
        std::mem::replace(&mut self.records, later).into_values().collect()
    }

    /// Takes out the record dated furthest ahead.
    fn furthest(&mut self) -> Option<HeldRecord<T>> {
        self.records.pop_last().map(|(_, held)| held)
    }

    /// Takes out everything.
    fn drain(&mut self) -> Vec<HeldRecord<T>> {
        self.in_a_row.clear();
        std::mem::take(&mut self.records).into_values().collect()
    }
}

/// Decides when a record is taken: the watermark, and what is held until it is believed.
///
/// The watermark is the newest event time less the lateness. A record more than `max_ahead` past
/// it, and every record before there is one, is held.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound(serialize = "T: Clone + Serialize"))]
pub(super) struct Intake<T> {
    config: FeatureConfig,
    held_records: usize,
    held: Held<T>,
    /// Entities that sent something, as many as have to agree.
    seen: BTreeSet<EntityId>,
    /// Whether a jump ahead is believed at once: a file read to its end has no later evidence.
    pub bounded: bool,
    newest: Option<Timestamp>,
    watermark: Timestamp,
}

impl<T> Intake<T> {
    pub fn new(config: FeatureConfig, limits: &Limits) -> Self {
        Self {
            config,
            held_records: limits.held_records,
            held: Held::new(),
            seen: BTreeSet::new(),
            bounded: false,
            newest: None,
            watermark: Timestamp::MIN,
        }
    }

    pub fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    pub fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// Offers a record; the answer is what is to be taken now, in order.
    pub fn offer(&mut self, record: HeldRecord<T>, rejections: &mut Rejections) -> Offered<T> {
        let known = self.seen.len();
        if known < AGREEING_ENTITIES {
            self.seen.insert(record.entity);
        }
        if self.bounded || !self.is_ahead(record.timestamp) {
            self.held.on_time(record.entity);
            return Offered::Now(record);
        }
        let believed = self.held.hold(record, self.config.max_ahead(), known);
        if self.held.len() > self.held_records
            && let Some(held) = self.held.furthest()
        {
            reject_future(&held, rejections);
        }
        Offered::Believed(believed)
    }

    /// A record of this time was taken; the answer is whether the watermark rose.
    pub fn saw(&mut self, time: Timestamp) -> bool {
        if self.newest.is_some_and(|newest| time <= newest) {
            return false;
        }
        self.newest = Some(time);
        self.raise(time.plus(-self.config.lateness()))
    }

    /// Raises the watermark; the answer is whether it was lower.
    pub fn raise(&mut self, to: Timestamp) -> bool {
        let rises = to > self.watermark;
        self.watermark = self.watermark.max(to);
        rises
    }

    /// Held records that time has come to.
    pub fn due(&mut self) -> Vec<HeldRecord<T>> {
        match self.newest {
            // not a moment earlier: alone they must not move the watermark
            Some(newest) if !self.held.is_empty() => self.held.due(newest.max(self.watermark)),
            _ => Vec::new(),
        }
    }

    /// The stream has ended: what of the held is near enough to be taken, or nothing else was
    /// ever seen. The rest is rejected.
    pub fn drain(&mut self, rejections: &mut Rejections) -> Vec<HeldRecord<T>> {
        let mut taken = Vec::new();
        let mut newest = self.newest;
        for held in self.held.drain() {
            let reach = newest.map(|newest| {
                newest
                    .plus(-self.config.lateness())
                    .max(self.watermark)
                    .plus(self.config.max_ahead())
            });
            if reach.is_none_or(|reach| held.timestamp <= reach) {
                newest = newest.max(Some(held.timestamp));
                taken.push(held);
            } else {
                reject_future(&held, rejections);
            }
        }
        taken
    }

    fn is_ahead(&self, time: Timestamp) -> bool {
        self.newest.is_none() || time > self.watermark.plus(self.config.max_ahead())
    }

    /// The held records.
    pub fn held(&self) -> impl Iterator<Item = &HeldRecord<T>> {
        self.held.records.values()
    }

    /// Forgets entities that have no record here: their ids will be others'.
    pub fn forget(&mut self, gone: &BTreeSet<EntityId>) {
        self.held.in_a_row.retain(|entity, _| !gone.contains(entity));
        self.seen.retain(|entity| !gone.contains(entity));
    }

    /// Counts a record that came after the watermark had passed it.
    pub fn reject_late(&self, record: &HeldRecord<T>, rejections: &mut Rejections) {
        rejections.add(RejectReason::Late, record.position, || {
            format!("timestamp = {}, watermark = {}", record.timestamp, self.watermark)
        });
    }
}

/// What is to be taken.
pub(super) enum Offered<T> {
    /// The record itself.
    Now(HeldRecord<T>),
    /// What is now believed, or nothing.
    Believed(Vec<HeldRecord<T>>),
}

fn reject_future<T>(held: &HeldRecord<T>, rejections: &mut Rejections) {
    rejections
        .add(RejectReason::Future, held.position, || format!("timestamp = {}", held.timestamp));
}
