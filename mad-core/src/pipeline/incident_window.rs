//! What is kept of an incident for its report.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::culprit::Ranking;
use crate::history::{HistoryEntry, HistoryPoint, HistoryRow, Ring};
use crate::series::EntityId;

/// Rows before an incident that its report shows.
const LEAD_ROWS: usize = 60;
/// Rows after its end.
const TAIL_ROWS: u32 = 10;
/// Rows kept at most; a longer incident is thinned to every second row, again and again.
const MOST_ROWS: usize = 360;
/// Metrics shown at most.
const MOST_METRICS: usize = 8;

/// Rows around an incident, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "T: HistoryEntry")]
pub struct WindowRows<T> {
    /// The rows.
    pub rows: Ring<T>,
    /// Each row stands for so many steps (1 unless the incident is long).
    pub stride: u32,
    skipped: u32,
}

impl<T: Copy> WindowRows<T> {
    fn begin<'a>(recent: impl DoubleEndedIterator<Item = &'a T>) -> Self
    where
        T: 'a,
    {
        let mut rows: Ring<T> = Ring::default();
        for row in recent.rev().take(LEAD_ROWS) {
            rows.push_front(*row);
        }
        Self { rows, stride: 1, skipped: 0 }
    }

    fn push(&mut self, row: &T) {
        self.skipped += 1;
        if self.skipped >= self.stride {
            self.skipped = 0;
            self.rows.push_back(*row);
        }
        if self.rows.len() > MOST_ROWS {
            self.stride = self.stride.saturating_mul(2);
            let mut keep = false;
            self.rows.retain(|_| {
                keep = !keep;
                keep
            });
        }
    }
}

/// What is kept of an incident for its report: the rows around it, and the ranking at its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentWindow {
    /// Whose it is.
    pub entity: EntityId,
    /// The rows of requests around it.
    pub requests: WindowRows<HistoryRow>,
    /// The points around it of the metrics that were flagged.
    pub metrics: BTreeMap<Arc<str>, WindowRows<HistoryPoint>>,
    /// The ranking at its end, once it is closed.
    pub ranking: Option<Ranking>,
    pub(super) tail: u32,
}

impl IncidentWindow {
    pub(super) fn open<'a>(
        entity: EntityId,
        recent: impl DoubleEndedIterator<Item = &'a HistoryRow>,
    ) -> Self {
        let requests = WindowRows::begin(recent);
        Self { entity, requests, metrics: BTreeMap::new(), ranking: None, tail: 0 }
    }

    /// The incident goes on.
    pub(super) fn reopen(&mut self) {
        self.ranking = None;
        self.tail = 0;
    }

    /// Shows one more metric, unless it is shown already or there are too many.
    pub(super) fn show<'a>(
        &mut self,
        metric: &Arc<str>,
        recent: impl DoubleEndedIterator<Item = &'a HistoryPoint>,
    ) {
        if self.metrics.len() < MOST_METRICS && !self.metrics.contains_key(metric) {
            self.metrics.insert(Arc::clone(metric), WindowRows::begin(recent));
        }
    }

    /// Adds a row of requests of the entity; the answer is whether more are wanted.
    pub(super) fn push(&mut self, row: &HistoryRow) -> bool {
        self.requests.push(row);
        self.wants_more()
    }

    /// Adds a point of the entity, if its metric is shown.
    pub(super) fn push_point(&mut self, metric: &str, point: &HistoryPoint) {
        if let Some(trace) = self.metrics.get_mut(metric) {
            trace.push(point);
        }
    }

    /// After a step of the entity: whether more rows are wanted.
    pub(super) fn wants_more(&mut self) -> bool {
        if self.ranking.is_some() {
            self.tail += 1;
        }
        self.tail < TAIL_ROWS
    }
}
