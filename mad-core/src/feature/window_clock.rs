//! The clock of an event-time window: its watermark, and the records that are dated too far ahead
//! of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use crate::config::FeatureConfig;
use crate::limits::Limits;
use crate::series::EntityId;
use crate::telemetry::{RejectReason, Rejections};
use crate::time::Timestamp;

/// Entities that have to agree before the clock follows a jump ahead in time.
const AGREEING_ENTITIES: usize = 3;
/// Consecutive early records of one entity that the clock follows without other entities.
const AGREEING_RECORDS: u32 = 5;

/// What a record says beside its names, with its time and origin.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Timed<T> {
    pub timestamp: Timestamp,
    pub entity: EntityId,
    pub position: u64,
    pub item: T,
}

/// Consecutive early records of one entity, each within reach of the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct EarlyRun {
    records: u32,
    earliest: Timestamp,
    last: Timestamp,
}

impl EarlyRun {
    fn start(at: Timestamp) -> Self {
        Self { records: 1, earliest: at, last: at }
    }

    /// The run with one more record. A record out of reach starts a new run.
    fn with(self, at: Timestamp, reach: i64) -> Self {
        if at.since(self.last).unsigned_abs() > reach.unsigned_abs() {
            return Self::start(at);
        }
        Self { records: self.records + 1, earliest: self.earliest.min(at), last: at }
    }
}

/// Held records in time order; those of one time in order of arrival.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Saved<T>", into = "Saved<T>", bound(serialize = "T: Clone + Serialize"))]
struct Held<T> {
    records: BTreeMap<(Timestamp, u64), Timed<T>>,
    runs: BTreeMap<EntityId, EarlyRun>,
    arrivals: u64,
}

/// The saved form, because JSON has no pairs as keys.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Held", deny_unknown_fields)]
struct Saved<T> {
    records: Vec<(u64, Timed<T>)>,
    runs: BTreeMap<EntityId, EarlyRun>,
    arrivals: u64,
}

impl<T> From<Saved<T>> for Held<T> {
    fn from(Saved { records, runs, arrivals }: Saved<T>) -> Self {
        let keyed = |(arrival, held): (u64, Timed<T>)| ((held.timestamp, arrival), held);
        Self { records: records.into_iter().map(keyed).collect(), runs, arrivals }
    }
}

impl<T> From<Held<T>> for Saved<T> {
    fn from(Held { records, runs, arrivals }: Held<T>) -> Self {
        let records = records.into_iter().map(|((_, arrival), held)| (arrival, held)).collect();
        Self { records, runs, arrivals }
    }
}

impl<T> Held<T> {
    fn new() -> Self {
        Self { records: BTreeMap::new(), runs: BTreeMap::new(), arrivals: 0 }
    }

    fn len(&self) -> usize {
        self.records.len()
    }

    fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Ends the run of early records of an entity that sent a record on time.
    fn on_time(&mut self, entity: EntityId) {
        if !self.runs.is_empty() {
            self.runs.remove(&entity);
        }
    }

    /// Holds a record and returns the records that are released by it, in time order: all held
    /// records within `reach` of this one, once enough entities or enough consecutive records of
    /// its entity agree. In the second case the whole run of its entity is released.
    fn hold(&mut self, record: Timed<T>, reach: i64, known_entities: usize) -> Vec<Timed<T>> {
        let at = record.timestamp;
        let run = self.runs.get(&record.entity);
        let run = run.map_or_else(|| EarlyRun::start(at), |run| run.with(at, reach));
        self.runs.insert(record.entity, run);
        self.arrivals += 1;
        self.records.insert((at, self.arrivals), record);
        let alone = run.records >= AGREEING_RECORDS;
        let from = if alone { at.plus(-reach).min(run.earliest) } else { at.plus(-reach) };
        let within = (from, 0)..=(at.plus(reach), u64::MAX);
        let near: Vec<(Timestamp, u64)> = self.records.range(within).map(|(key, _)| *key).collect();
        // at least two, because the clock of one entity is what this guards against
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
        let released: Vec<Timed<T>> =
            near.iter().filter_map(|key| self.records.remove(key)).collect();
        for held in &released {
            self.runs.remove(&held.entity);
        }
        released
    }

    /// Takes out the records that are dated at or before `until`, in time order.
    fn due(&mut self, until: Timestamp) -> Vec<Timed<T>> {
        match self.records.first_key_value() {
            Some(((first, _), _)) if *first <= until => {}
            _ => return Vec::new(),
        }
        let later = self.records.split_off(&(until.plus(1), 0));
        std::mem::replace(&mut self.records, later).into_values().collect()
    }

    /// Takes out the record that is dated furthest ahead.
    fn furthest(&mut self) -> Option<Timed<T>> {
        self.records.pop_last().map(|(_, held)| held)
    }

    /// Takes out all records.
    fn drain(&mut self) -> Vec<Timed<T>> {
        self.runs.clear();
        std::mem::take(&mut self.records).into_values().collect()
    }
}

/// Decides when a record may enter its step.
///
/// The watermark is the newest event time less the lateness. A record more than `max_ahead` past
/// the watermark is held, and so is every record before there is a watermark. It is released when
/// enough other records agree with it, or when the time of the others reaches it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound(serialize = "T: Clone + Serialize"))]
pub(super) struct WindowClock<T> {
    config: FeatureConfig,
    held_records: usize,
    held: Held<T>,
    /// Entities that sent a record, as many as have to agree.
    seen: BTreeSet<EntityId>,
    /// Whether the input is read to its end in time order, so that a jump ahead is followed at
    /// once: no later record could confirm it.
    pub bounded_input: bool,
    newest: Option<Timestamp>,
    watermark: Timestamp,
}

impl<T> WindowClock<T> {
    pub fn new(config: FeatureConfig, limits: &Limits) -> Self {
        Self {
            config,
            held_records: limits.held_records,
            held: Held::new(),
            seen: BTreeSet::new(),
            bounded_input: false,
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

    /// Offers a record.
    pub fn offer(&mut self, record: Timed<T>, rejections: &mut Rejections) -> Offered<T> {
        let known = self.seen.len();
        if known < AGREEING_ENTITIES {
            self.seen.insert(record.entity);
        }
        if self.bounded_input || !self.is_ahead(record.timestamp) {
            self.held.on_time(record.entity);
            return Offered::OnTime(record);
        }
        let released = self.held.hold(record, self.config.max_ahead_nanos(), known);
        if self.held.len() > self.held_records
            && let Some(held) = self.held.furthest()
        {
            reject_future(&held, rejections);
        }
        Offered::Held(released)
    }

    /// Notes that a record of this time entered its step; returns whether the watermark rose.
    pub fn saw(&mut self, time: Timestamp) -> bool {
        if self.newest.is_some_and(|newest| time <= newest) {
            return false;
        }
        self.newest = Some(time);
        self.raise(time.plus(-self.config.lateness_nanos()))
    }

    /// Raises the watermark; returns whether it was lower.
    pub fn raise(&mut self, to: Timestamp) -> bool {
        let rises = to > self.watermark;
        self.watermark = self.watermark.max(to);
        rises
    }

    /// Takes out the held records whose time has come.
    pub fn due(&mut self) -> Vec<Timed<T>> {
        match self.newest {
            // not before the newest time, because a held record must not move the watermark alone
            Some(newest) if !self.held.is_empty() => self.held.due(newest.max(self.watermark)),
            _ => Vec::new(),
        }
    }

    /// Takes out the held records at the end of the stream that are within `max_ahead` of the
    /// others, or all where no other record was ever taken. The rest is rejected.
    pub fn drain(&mut self, rejections: &mut Rejections) -> Vec<Timed<T>> {
        let mut taken = Vec::new();
        let mut newest = self.newest;
        for held in self.held.drain() {
            let reach = newest.map(|newest| {
                newest
                    .plus(-self.config.lateness_nanos())
                    .max(self.watermark)
                    .plus(self.config.max_ahead_nanos())
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
        self.newest.is_none() || time > self.watermark.plus(self.config.max_ahead_nanos())
    }

    /// The held records.
    pub fn held(&self) -> impl Iterator<Item = &Timed<T>> {
        self.held.records.values()
    }

    /// Forgets entities that have no held record, because their ids are given to others.
    pub fn forget(&mut self, gone: &BTreeSet<EntityId>) {
        self.held.runs.retain(|entity, _| !gone.contains(entity));
        self.seen.retain(|entity| !gone.contains(entity));
    }

    /// Counts a record whose step the watermark has passed.
    pub fn reject_late(&self, record: &Timed<T>, rejections: &mut Rejections) {
        rejections.add(RejectReason::Late, record.position, || {
            format!("timestamp = {}, watermark = {}", record.timestamp, self.watermark)
        });
    }
}

/// What becomes of an offered record.
pub(super) enum Offered<T> {
    /// It may enter its step.
    OnTime(Timed<T>),
    /// It is held. These records may enter their steps, in this order; it may be among them.
    Held(Vec<Timed<T>>),
}

fn reject_future<T>(held: &Timed<T>, rejections: &mut Rejections) {
    rejections
        .add(RejectReason::Future, held.position, || format!("timestamp = {}", held.timestamp));
}
