//! Judged rows of series, and as a table with one line for each value.

use std::sync::Arc;

use mad_core::{Entity, JudgedRow, JudgedSignal, Timestamp};
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::tables::table::{Table, flags, floats, integers, strings, times};

/// A judged value of a series.
#[derive(Clone, Serialize, Deserialize)]
pub struct Point {
    pub at: Timestamp,
    pub entity: Arc<Entity>,
    pub signal: JudgedSignal,
}

/// Judged values of series.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Points(pub Vec<Point>);

impl Points {
    /// Adds the values of a row.
    pub fn push(&mut self, row: JudgedRow) {
        let JudgedRow { entity, head, signals, .. } = row;
        let point = |signal| Point { at: head.at, entity: Arc::clone(&entity), signal };
        self.0.extend(signals.into_iter().map(point));
    }

    /// A table with the columns of the scored file of metrics.
    pub fn to_table(&self) -> PyResult<Table> {
        let rows = || self.0.iter();
        let signals = || self.0.iter().map(|row| &row.signal);
        Table::new(vec![
            ("bucket_ts", times(rows().map(|row| row.at))),
            ("service", strings(rows().map(|row| &*row.entity.service))),
            ("resource", strings(rows().map(|row| &*row.entity.endpoint))),
            ("metric", strings(signals().map(|one| one.name.as_str()))),
            ("value", floats(signals().map(|one| one.sample.value))),
            ("z", floats(signals().map(|one| one.score.z))),
            ("is_anomaly", flags(signals().map(|one| one.is_anomaly))),
            ("severity", strings(signals().map(|one| one.severity.as_str()))),
            ("score", floats(signals().map(|one| one.score.value()))),
            ("reason", strings(signals().map(|one| one.reason.as_str()))),
            ("expected_low", floats(signals().map(|one| one.score.low))),
            ("expected_high", floats(signals().map(|one| one.score.high))),
            ("expected", floats(signals().map(|one| one.score.expected))),
            ("n", integers(signals().map(|one| one.sample.n))),
            ("gap_steps", integers(signals().map(|one| u64::from(one.gap)))),
            ("alarm_score", floats(signals().map(|one| one.alarm_score))),
            ("is_alarm", flags(signals().map(|one| one.is_alarm))),
        ])
    }
}
