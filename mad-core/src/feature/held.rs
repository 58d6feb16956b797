//! Records dated too far ahead, held until others agree with them.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::series::EntityId;
use crate::time::Timestamp;

/// Entities that must agree before a jump in time is believed.
const AGREEING_ENTITIES: usize = 3;
/// Records in a row of one entity that are believed alone.
const AGREEING_RECORDS: u32 = 5;

/// A record without its names.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct HeldRecord {
    pub timestamp: Timestamp,
    pub entity: EntityId,
    pub error: bool,
    pub latency_ms: f64,
    pub position: u64,
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
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub(super) struct Held {
    records: BTreeMap<(Timestamp, u64), HeldRecord>,
    in_a_row: BTreeMap<EntityId, InARow>,
    arrivals: u64,
}

/// What is saved: JSON has no pairs for keys.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Held", deny_unknown_fields)]
struct Saved {
    records: Vec<(u64, HeldRecord)>,
    in_a_row: BTreeMap<EntityId, InARow>,
    arrivals: u64,
}

impl From<Saved> for Held {
    fn from(Saved { records, in_a_row, arrivals }: Saved) -> Self {
        let keyed = |(arrival, held): (u64, HeldRecord)| ((held.timestamp, arrival), held);
        Self { records: records.into_iter().map(keyed).collect(), in_a_row, arrivals }
    }
}

impl From<Held> for Saved {
    fn from(Held { records, in_a_row, arrivals }: Held) -> Self {
        let records = records.into_iter().map(|((_, arrival), held)| (arrival, held)).collect();
        Self { records, in_a_row, arrivals }
    }
}

impl Held {
    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// An entity sent a record that is on time: its run of early ones is over.
    pub fn on_time(&mut self, entity: EntityId) {
        if !self.in_a_row.is_empty() {
            self.in_a_row.remove(&entity);
        }
    }

    /// Holds a record. The answer is what is now believed, in time order, or nothing: all held
    /// records within `reach` of this one, once enough entities stand behind them, or enough
    /// records in a row of its entity, which then come along from their first one on.
    pub fn hold(
        &mut self,
        record: HeldRecord,
        reach: i64,
        known_entities: usize,
    ) -> Vec<HeldRecord> {
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
        let believed: Vec<HeldRecord> =
            near.iter().filter_map(|key| self.records.remove(key)).collect();
        for held in &believed {
            self.in_a_row.remove(&held.entity);
        }
        believed
    }

    /// Takes out what is dated at or before `until`, in time order.
    pub fn due(&mut self, until: Timestamp) -> Vec<HeldRecord> {
        match self.records.first_key_value() {
            Some(((first, _), _)) if *first <= until => {}
            _ => return Vec::new(),
        }
        let later = self.records.split_off(&(until.plus(1), 0));
        std::mem::replace(&mut self.records, later).into_values().collect()
    }

    /// Takes out the record dated furthest ahead.
    pub fn furthest(&mut self) -> Option<HeldRecord> {
        self.records.pop_last().map(|(_, held)| held)
    }

    /// Takes out everything.
    pub fn drain(&mut self) -> Vec<HeldRecord> {
        self.in_a_row.clear();
        std::mem::take(&mut self.records).into_values().collect()
    }
}
