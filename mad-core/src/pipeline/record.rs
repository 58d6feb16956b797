//! What is kept of an incident for its report.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::culprit::Ranking;
use crate::history::HistoryRow;
use crate::series::EntityId;

/// Rows before an incident that its report shows.
const LEAD_ROWS: usize = 60;
/// Rows after its end.
const TAIL_ROWS: u32 = 10;
/// Rows kept at most; a longer incident is thinned to every second row, again and again.
const MOST_ROWS: usize = 360;

/// What is kept of an incident for its report: the rows around it, and the ranking at its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentRecord {
    /// Whose it is.
    pub entity: EntityId,
    /// The rows around it, oldest first.
    pub rows: VecDeque<HistoryRow>,
    /// Each row stands for so many steps (1 unless the incident is long).
    pub stride: u32,
    /// The ranking at its end, once it is closed.
    pub ranking: Option<Ranking>,
    skipped: u32,
    tail: u32,
}

impl IncidentRecord {
    pub(super) fn open<'a>(
        entity: EntityId,
        recent: impl DoubleEndedIterator<Item = &'a HistoryRow>,
    ) -> Self {
        let mut rows: VecDeque<HistoryRow> = VecDeque::new();
        for row in recent.rev().take(LEAD_ROWS) {
            rows.push_front(*row);
        }
        Self { entity, rows, stride: 1, ranking: None, skipped: 0, tail: 0 }
    }

    /// Adds a row of the entity; the answer is whether more are wanted.
    pub(super) fn push(&mut self, row: &HistoryRow) -> bool {
        if self.ranking.is_some() {
            self.tail += 1;
        }
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
        self.tail < TAIL_ROWS
    }
}
