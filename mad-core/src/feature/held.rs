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

/// Held records in time order; those of one time in order of arrival.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub(super) struct Held {
    records: BTreeMap<(Timestamp, u64), HeldRecord>,
    in_a_row: BTreeMap<EntityId, u32>,
    arrivals: u64,
}

/// What is saved: JSON has no pairs for keys.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Held", deny_unknown_fields)]
struct Saved {
    records: Vec<(u64, HeldRecord)>,
    in_a_row: BTreeMap<EntityId, u32>,
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

    /// Holds a record. The answer is what is now believed, in time order, or nothing:
    /// all held records within `reach` of this one, once enough entities or enough records in a
    /// row of its entity stand behind them.
    pub fn hold(
        &mut self,
        record: HeldRecord,
        reach: i64,
        known_entities: usize,
    ) -> Vec<HeldRecord> {
        let run = self.in_a_row.entry(record.entity).or_default();
        *run += 1;
        let run = *run;
        self.arrivals += 1;
        self.records.insert((record.timestamp, self.arrivals), record);
        let (from, to) = (record.timestamp.plus(-reach), record.timestamp.plus(reach));
        let near: Vec<(Timestamp, u64)> =
            self.records.range((from, 0)..=(to, u64::MAX)).map(|(key, _)| *key).collect();
        // two at least: one entity's clock is what this guards against
        let needed = if known_entities == 0 {
            AGREEING_ENTITIES
        } else {
            known_entities.clamp(2, AGREEING_ENTITIES)
        };
        let entities: HashSet<EntityId> =
            near.iter().filter_map(|key| self.records.get(key)).map(|held| held.entity).collect();
        if run < AGREEING_RECORDS && entities.len() < needed {
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
