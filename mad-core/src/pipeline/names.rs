//! The tables of names: entities and their series by id.

use serde::{Deserialize, Serialize};

use crate::feature::{FeatureSink, RowBuffer};
use crate::limits::Limits;
use crate::series::{EntityTable, SeriesTable};
use crate::telemetry::Rejections;

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

    /// What a builder of rows writes to.
    pub fn sink<'a>(
        &'a mut self,
        rows: &'a mut RowBuffer,
        rejections: &'a mut Rejections,
    ) -> FeatureSink<'a> {
        FeatureSink { entities: &mut self.entities, series: &mut self.series, rows, rejections }
    }
}
