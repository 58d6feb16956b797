//! The part that knows which entities and incidents a delta checkpoint has to save, and which batches
//! were taken.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::feature::RecentIds;
use crate::series::EntityId;

/// Entities that changed since the last delta checkpoint, the parts of closed incidents in it, and
/// ids of recent batches.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Checkpointer {
    #[serde(skip)]
    dirty: BTreeSet<EntityId>,
    /// Checksums of the saved parts of closed incidents by id; None where the part was not stored.
    #[serde(skip)]
    incidents: BTreeMap<String, Option<u32>>,
    batches: RecentIds,
}

impl Checkpointer {
    /// Marks entities as changed.
    pub fn mark_dirty(&mut self, entities: impl IntoIterator<Item = EntityId>) {
        self.dirty.extend(entities);
    }

    /// The changed entities. None is marked as changed afterwards.
    pub fn take_dirty(&mut self) -> BTreeSet<EntityId> {
        std::mem::take(&mut self.dirty)
    }

    /// Marks closed incidents as changed.
    pub fn mark_incidents(&mut self, ids: impl IntoIterator<Item = String>) {
        self.incidents.extend(ids.into_iter().map(|id| (id, None)));
    }

    /// Of the encoded parts of all closed incidents those that differ from the saved ones, and the
    /// ids of saved ones that are gone. All parts count as saved afterwards.
    pub fn changed_incidents(
        &mut self,
        parts: Vec<(String, Vec<u8>)>,
    ) -> Vec<(String, Option<Vec<u8>>)> {
        let mut before = std::mem::take(&mut self.incidents);
        let mut changed = Vec::new();
        for (id, part) in parts {
            let checksum = Some(crc32fast::hash(&part));
            if before.remove(&id).flatten() != checksum {
                changed.push((id.clone(), Some(part)));
            }
            self.incidents.insert(id, checksum);
        }
        changed.extend(before.into_keys().map(|id| (id, None)));
        changed
    }

    /// Notes the part of a closed incident that was read.
    pub fn restored_incident(&mut self, id: &str, part: &[u8]) {
        self.incidents.insert(id.to_owned(), Some(crc32fast::hash(part)));
    }

    /// Remembers the id of a batch and returns whether it is new. At most `limit` ids are kept.
    pub fn remember_batch(&mut self, id: &str, limit: usize) -> bool {
        self.batches.remember(id, limit)
    }

    pub fn has_batch(&self, id: &str) -> bool {
        self.batches.contains(id)
    }

    /// Takes over the batch ids of another pipeline.
    pub fn absorb(&mut self, other: Self, limit: usize) {
        for batch in Vec::from(other.batches) {
            self.batches.remember(&batch, limit);
        }
    }
}
