//! Judged points of metrics, and as a table.

use mad_core::pipeline::JudgedPoint;
use mad_core::{EntityTable, SeriesTable};
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::table::{Table, flags, floats, integers, strings, times};

/// Judged points with the names of their series.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Points {
    pub entities: EntityTable,
    pub series: SeriesTable,
    pub points: Vec<JudgedPoint>,
}

impl Points {
    /// Of a pipeline.
    pub fn of(pipeline: &mad_core::Pipeline, points: Vec<JudgedPoint>) -> Self {
        Self { entities: pipeline.entities().clone(), series: pipeline.series().clone(), points }
    }

    /// A table with the columns of the scored file of metrics.
    pub fn to_table(&self) -> PyResult<Table> {
        let rows = || self.points.iter();
        let entity = |judged: &JudgedPoint| self.entities.get(judged.point.entity);
        let metric = |judged: &JudgedPoint| self.series.get(judged.point.series);
        Table::new(vec![
            ("bucket_ts", times(rows().map(|row| row.point.bucket))),
            ("service", strings(rows().map(|row| entity(row).map_or("", |e| &*e.service)))),
            ("resource", strings(rows().map(|row| entity(row).map_or("", |e| &*e.endpoint)))),
            ("metric", strings(rows().map(|row| metric(row).map_or("", |name| &*name.metric)))),
            ("value", floats(rows().map(|row| row.point.sample.value))),
            ("z", floats(rows().map(|row| row.score.z))),
            ("is_anomaly", flags(rows().map(|row| row.verdict.is_anomaly))),
            ("severity", strings(rows().map(|row| row.verdict.severity.as_str()))),
            ("score", floats(rows().map(|row| row.score.value()))),
            ("reason", strings(rows().map(|row| row.verdict.reason.as_str()))),
            ("expected_low", floats(rows().map(|row| row.score.low))),
            ("expected_high", floats(rows().map(|row| row.score.high))),
            ("expected", floats(rows().map(|row| row.score.expected))),
            ("n", integers(rows().map(|row| row.point.sample.n))),
            ("gap_steps", integers(rows().map(|row| row.point.gap))),
        ])
    }
}
