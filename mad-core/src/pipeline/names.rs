//! The tables of names: entities and their series by id.

use serde::{Deserialize, Serialize};

use crate::limits::Limits;
use crate::series::{EntityTable, SeriesTable};

/// Names of entities and of their series, with the ids that rows carry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Names {
    pub entities: EntityTable,
    pub series: SeriesTable,
}

impl Names {
    pub fn new(limits: &Limits) -> Self {
        Self {
            entities: EntityTable::new(limits.entities),
            series: SeriesTable::new(limits.series),
        }
    }
}
