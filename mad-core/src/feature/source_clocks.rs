//! Sources of records, and those among them whose clock is wrong.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::series::{EntityId, NameHash};

/// Wrong times of a source before it is named.
const NAMED_FROM: u64 = 16;
/// A source is named where at least one of this many of its records has a wrong time.
const NAMED_SHARE: u64 = 50;
/// Records with a right time after which a source is no longer named.
const FORGIVEN_AFTER: u64 = 1_000;

/// The source of a record: its host where that is given, else its entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum SourceId {
    Host(u32),
    Entity(EntityId),
}

/// The hosts that sent records, by number. Hosts beyond the cap have none.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "(usize, Vec<Arc<str>>)", into = "(usize, Vec<Arc<str>>)")]
pub(super) struct HostTable {
    cap: usize,
    names: Vec<Arc<str>>,
    places: HashMap<Arc<str>, u32, NameHash>,
}

impl HostTable {
    pub fn new(cap: usize) -> Self {
        Self { cap, ..Self::default() }
    }

    /// The source of a record.
    pub fn source(&mut self, host: &str, entity: EntityId) -> SourceId {
        if host.is_empty() {
            return SourceId::Entity(entity);
        }
        if let Some(place) = self.places.get(host) {
            return SourceId::Host(*place);
        }
        if self.names.len() >= self.cap {
            return SourceId::Entity(entity);
        }
        let (name, place) = (Arc::<str>::from(host), self.names.len() as u32);
        self.names.push(Arc::clone(&name));
        self.places.insert(name, place);
        SourceId::Host(place)
    }

    fn name(&self, place: u32) -> Option<&Arc<str>> {
        self.names.get(place as usize)
    }
}

impl From<(usize, Vec<Arc<str>>)> for HostTable {
    fn from((cap, names): (usize, Vec<Arc<str>>)) -> Self {
        let places = names.iter().cloned().zip(0..).collect();
        Self { cap, names, places }
    }
}

impl From<HostTable> for (usize, Vec<Arc<str>>) {
    fn from(table: HostTable) -> Self {
        (table.cap, table.names)
    }
}

/// A source whose records have wrong times.
///
/// A wrong time is one that is later than the clock by more than the lateness and the usual lag of
/// the clock, or so early that its step is closed. A source is named from 16 wrong times on, where
/// they are at least 2 % of its records, until 1,000 of its records in a row have a right one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockFault {
    /// The host; `None` where its records name none.
    pub host: Option<Arc<str>>,
    /// The entity, where the records name no host: some of those who write its records are wrong.
    pub entity: Option<EntityId>,
    /// Records with a wrong time.
    pub wrong: u64,
    /// Records since the first of them.
    pub records: u64,
    /// The smallest and the largest offset from the clock, nanoseconds: negative is behind.
    pub offset: (i64, i64),
    /// Whether its time stood still while that of the others did not.
    pub frozen: bool,
}

impl ClockFault {
    /// Adds the same source's wrong times of another kind of record.
    pub(crate) fn add(&mut self, other: &Self) {
        self.wrong += other.wrong;
        self.records += other.records;
        self.offset = (self.offset.0.min(other.offset.0), self.offset.1.max(other.offset.1));
        self.frozen |= other.frozen;
    }
}

/// Wrong times of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "`wrong` is the count, as `records` is")]
struct Wrong {
    wrong: u64,
    records: u64,
    right_in_a_row: u64,
    /// Wrong times since the clock jumped last.
    since_jump: u64,
    offset: (i64, i64),
    frozen: bool,
}

impl Wrong {
    fn is_named(&self) -> bool {
        // Both: a few wrong times happen everywhere, and a small share of a busy source is many.
        self.wrong >= NAMED_FROM && self.wrong.saturating_mul(NAMED_SHARE) >= self.records
    }
}

/// The sources with wrong times.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "(usize, Vec<(SourceId, Wrong)>)", into = "(usize, Vec<(SourceId, Wrong)>)")]
pub(super) struct SourceClocks {
    cap: usize,
    wrong: BTreeMap<SourceId, Wrong>,
}

impl From<(usize, Vec<(SourceId, Wrong)>)> for SourceClocks {
    fn from((cap, wrong): (usize, Vec<(SourceId, Wrong)>)) -> Self {
        Self { cap, wrong: wrong.into_iter().collect() }
    }
}

impl From<SourceClocks> for (usize, Vec<(SourceId, Wrong)>) {
    fn from(clocks: SourceClocks) -> Self {
        (clocks.cap, clocks.wrong.into_iter().collect())
    }
}

impl SourceClocks {
    pub fn new(cap: usize) -> Self {
        Self { cap, wrong: BTreeMap::new() }
    }

    /// Counts a record of a source.
    pub fn saw(&mut self, source: SourceId) {
        if self.wrong.is_empty() {
            return;
        }
        if let Some(known) = self.wrong.get_mut(&source) {
            known.records += 1;
            known.right_in_a_row += 1;
            if known.right_in_a_row > FORGIVEN_AFTER {
                self.wrong.remove(&source);
            }
        }
    }

    /// Notes that the record that was counted last has a wrong time.
    pub fn off(&mut self, source: SourceId, offset: i64) {
        let is_full = self.wrong.len() >= self.cap;
        let known = match self.wrong.get_mut(&source) {
            Some(known) => known,
            None if is_full => return,
            None => self.wrong.entry(source).or_insert(Wrong {
                wrong: 0,
                records: 1,
                right_in_a_row: 0,
                since_jump: 0,
                offset: (offset, offset),
                frozen: false,
            }),
        };
        known.wrong += 1;
        known.since_jump += 1;
        // One wrong time ends the run of right ones that would clear the source.
        known.right_in_a_row = 0;
        let (low, high) = known.offset;
        known.offset = (low.min(offset), high.max(offset));
    }

    /// Notes that a source stands still.
    pub fn frozen(&mut self, source: SourceId, offset: i64) {
        self.off(source, offset);
        if let Some(known) = self.wrong.get_mut(&source) {
            known.frozen = true;
        }
    }

    /// Whether a source has wrong times enough to be named.
    pub fn is_named(&self, source: SourceId) -> bool {
        self.wrong.get(&source).is_some_and(Wrong::is_named)
    }

    /// Whether records of a source are refused that are far ahead: it has wrong times enough, and the
    /// clock did not jump since, so that the others did not follow it.
    pub fn is_refused(&self, source: SourceId) -> bool {
        let known = self.wrong.get(&source);
        known.is_some_and(|known| known.since_jump >= NAMED_FROM && known.is_named())
    }

    /// Notes that the clock jumped: those that were ahead may have been right.
    pub fn jumped(&mut self) {
        for known in self.wrong.values_mut() {
            known.since_jump = 0;
        }
    }

    pub fn forget(&mut self, gone: &dyn Fn(SourceId) -> bool) {
        self.wrong.retain(|source, _| !gone(*source));
    }

    /// Starts the counts of wrong times at zero.
    pub fn reset(&mut self) {
        self.wrong.clear();
    }

    /// The sources that are named, hosts first.
    pub fn faults<'a>(&'a self, hosts: &'a HostTable) -> impl Iterator<Item = ClockFault> + 'a {
        let named = self.wrong.iter().filter(|(_, wrong)| wrong.is_named());
        named.map(|(source, known)| {
            let (host, entity) = match source {
                SourceId::Host(place) => (hosts.name(*place).cloned(), None),
                SourceId::Entity(entity) => (None, Some(*entity)),
            };
            let &Wrong { wrong, records, offset, frozen, .. } = known;
            ClockFault { host, entity, wrong, records, offset, frozen }
        })
    }
}
