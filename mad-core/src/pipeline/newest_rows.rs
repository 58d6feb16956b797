//! The newest rows that were judged elsewhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::series::{EntityId, SeriesId};
use crate::time::Timestamp;

/// The newest rows that were judged elsewhere, by which idle entities and series are forgotten.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct NewestRows {
    pub rows: BTreeMap<EntityId, Timestamp>,
    pub points: BTreeMap<SeriesId, Timestamp>,
}

impl NewestRows {
    /// Whether an entity had rows, and none since a time.
    pub fn is_idle(&self, entity: EntityId, since: Timestamp) -> bool {
        self.rows.get(&entity).is_some_and(|last| *last < since)
    }

    /// Whether a series had points, and none since a time.
    pub fn is_idle_series(&self, series: SeriesId, since: Timestamp) -> bool {
        self.points.get(&series).is_some_and(|last| *last < since)
    }
}
