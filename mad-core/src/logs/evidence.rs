//! Counts how many words were seen in one place of otherwise equal lines.

use serde::{Deserialize, Serialize};

use super::key_map::{KeyMap, sorted};

/// Lines with one place open that are remembered, in each of two generations.
const MOST_OPEN: usize = 32_768;
/// Templates remembered for one open place.
const MOST_MEMBERS: usize = 24;

/// The templates that differ in one place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    /// The templates that differ in this place alone.
    members: Vec<u32>,
    /// Words after which the place counts as variable: the most that one of them asks for.
    needed: u8,
}

/// The places of recent lines, by the key of the line with the place left open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Evidence {
    #[serde(serialize_with = "sorted")]
    young: KeyMap<u64, Open>,
    #[serde(serialize_with = "sorted")]
    old: KeyMap<u64, Open>,
}

impl Evidence {
    /// Notes that a template has one more word in a place; returns all of the templates that differ
    /// there when the place counts as variable.
    pub fn add(&mut self, open: u64, member: u32, needed: u8) -> Option<Vec<u32>> {
        if self.young.len() >= MOST_OPEN {
            self.old = std::mem::take(&mut self.young);
        }
        let entry = match self.old.remove(&open) {
            Some(entry) => self.young.entry(open).or_insert(entry),
            None => self.young.entry(open).or_default(),
        };
        entry.needed = entry.needed.max(needed);
        if entry.members.len() < MOST_MEMBERS {
            entry.members.push(member);
        }
        (entry.members.len() >= usize::from(entry.needed)).then(|| entry.members.clone())
    }

    /// The templates that differ in a place.
    pub fn members(&self, open: u64) -> &[u32] {
        let entry = self.young.get(&open).or_else(|| self.old.get(&open));
        entry.map_or(&[], |entry| entry.members.as_slice())
    }

    /// Whether saved evidence keeps the limits.
    pub fn is_bounded(&self) -> bool {
        [&self.young, &self.old].iter().all(|half| {
            half.len() <= MOST_OPEN && half.values().all(|open| open.members.len() <= MOST_MEMBERS)
        })
    }
}
