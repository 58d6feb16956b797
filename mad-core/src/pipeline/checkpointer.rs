//! The part that knows which entities a delta checkpoint has to save, and which batches were taken.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::feature::RecentIds;
use crate::series::EntityId;

/// Entities that changed since the last delta checkpoint, and ids of recent batches.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Checkpointer {
    #[serde(skip)]
    dirty: BTreeSet<EntityId>,
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
