//! Judged points of metrics, and as a table.

use mad_core::pipeline::JudgedPoint;
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::tables::table::{Table, flags, floats, integers, strings, times};

/// Judged points.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Points(pub Vec<JudgedPoint>);

impl Points {
    /// A table with the columns of the scored file of metrics.
    pub fn to_table(&self) -> PyResult<Table> {
        let rows = || self.0.iter();
        Table::new(vec![
            ("bucket_ts", times(rows().map(|row| row.point.bucket))),
            ("service", strings(rows().map(|row| &*row.entity.service))),
            ("resource", strings(rows().map(|row| &*row.entity.endpoint))),
            ("metric", strings(rows().map(|row| &*row.metric))),
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
            ("alarm_score", floats(rows().map(|row| row.alarm_score))),
            ("is_alarm", flags(rows().map(|row| row.is_alarm))),
        ])
    }
}
