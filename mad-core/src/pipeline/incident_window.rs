//! The rows around an incident and its final ranking, for reports.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::culprit::Ranking;
use crate::history::{HistoryRing, HistoryRow};
use crate::series::EntityId;

/// Rows before the start of an incident that a report shows.
const LEAD_ROWS: usize = 60;
/// Rows after the end of an incident that a report shows.
const TAIL_ROWS: u32 = 10;
/// Maximum of kept rows. Beyond it every second row is dropped and the stride doubles.
const MOST_ROWS: usize = 360;
/// Maximum of metrics in one window.
const MOST_METRICS: usize = 8;

/// Rows around an incident, the oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowRows {
    /// The rows.
    pub rows: HistoryRing,
    /// Number of steps that each row stands for: 1 unless the incident is long.
    pub stride: u32,
    skipped: u32,
}

impl WindowRows {
    fn begin<'a>(recent: impl DoubleEndedIterator<Item = HistoryRow<'a>>) -> Self {
        let newest: Vec<HistoryRow<'a>> = recent.rev().take(LEAD_ROWS).collect();
        Self { rows: newest.into_iter().rev().collect(), stride: 1, skipped: 0 }
    }

    fn push(&mut self, row: HistoryRow<'_>) {
        self.skipped += 1;
        if self.skipped >= self.stride {
            self.skipped = 0;
            self.rows.push(row, usize::MAX);
        }
        if self.rows.len() > MOST_ROWS {
            self.stride = self.stride.saturating_mul(2);
            self.rows.thin();
        }
    }
}

/// The rows around an incident, and the ranking at its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentWindow {
    /// The entity that opened the incident.
    pub entity: EntityId,
    /// The rows of requests around it.
    pub requests: WindowRows,
    /// The points of the flagged metrics around it.
    pub metrics: BTreeMap<Arc<str>, WindowRows>,
    /// The ranking at its end, once it is closed.
    pub ranking: Option<Ranking>,
    pub(super) tail: u32,
}

impl IncidentWindow {
    pub(super) fn open<'a>(
        entity: EntityId,
        recent: impl DoubleEndedIterator<Item = HistoryRow<'a>>,
    ) -> Self {
        let requests = WindowRows::begin(recent);
        Self { entity, requests, metrics: BTreeMap::new(), ranking: None, tail: 0 }
    }

    /// Takes rows again, because the incident reopened.
    pub(super) fn reopen(&mut self) {
        self.ranking = None;
        self.tail = 0;
    }

    /// Adds a metric with its recent points, unless it is there or there are too many.
    pub(super) fn show<'a>(
        &mut self,
        metric: &Arc<str>,
        recent: impl DoubleEndedIterator<Item = HistoryRow<'a>>,
    ) {
        if self.metrics.len() < MOST_METRICS && !self.metrics.contains_key(metric) {
            self.metrics.insert(Arc::clone(metric), WindowRows::begin(recent));
        }
    }

    /// Adds a row of requests. Returns whether the window takes more rows.
    pub(super) fn push(&mut self, row: HistoryRow<'_>) -> bool {
        self.requests.push(row);
        self.wants_more()
    }

    /// Adds a point, if its metric is in the window.
    pub(super) fn push_point(&mut self, metric: &str, point: HistoryRow<'_>) {
        if let Some(rows) = self.metrics.get_mut(metric) {
            rows.push(point);
        }
    }

    /// Counts a row after the end of the incident. Returns whether the window takes more rows.
    pub(super) fn wants_more(&mut self) -> bool {
        if self.ranking.is_some() {
            self.tail += 1;
        }
        self.tail < TAIL_ROWS
    }
}
