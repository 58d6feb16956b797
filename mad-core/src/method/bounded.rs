//! State of each entity, for a bounded number of them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use crate::error::Result;
use crate::feature::RowKind;
use crate::guard::JudgedRow;
use crate::series::Entity;
use crate::time::{HOUR, Timestamp};

type Key = (Arc<Entity>, RowKind);

/// State by entity and kind of row. With too many of them, a new one takes the place of the one whose
/// last row is the oldest, if that row is an hour old; else it has no state.
#[derive(Debug)]
pub(super) struct Bounded<T> {
    most: usize,
    states: BTreeMap<Key, (Timestamp, T)>,
}

impl<T> Bounded<T> {
    pub fn new(most: usize) -> Self {
        Self { most, states: BTreeMap::new() }
    }

    /// The state of the entity of a row, made by `make` if it is new; `None` if there is no place, or
    /// if it cannot be made. A state that gives its place to another goes to `evicted`.
    pub fn of(
        &mut self,
        row: &JudgedRow,
        make: impl FnOnce() -> Result<T>,
        evicted: impl FnOnce(T),
    ) -> Option<&mut T> {
        let key = (Arc::clone(&row.entity), row.head.kind);
        if self.states.len() >= self.most && !self.states.contains_key(&key) {
            let oldest = self.states.iter().min_by_key(|(_, (last, _))| *last);
            let idle = oldest.filter(|(_, (last, _))| row.head.at.since(*last) >= HOUR);
            let idle = idle.map(|(key, _)| key.clone())?;
            if let Some((_, state)) = self.states.remove(&idle) {
                evicted(state);
            }
        }
        let (last, state) = match self.states.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert((row.head.at, make().ok()?)),
        };
        *last = row.head.at;
        Some(state)
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Arc<Entity>, &mut T)> {
        self.states.iter_mut().map(|((entity, _), (_, state))| (entity, state))
    }
}
