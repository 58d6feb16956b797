//! Rings of recent rows.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{FlaggedRow, HistoryRow};
use crate::limits::Limits;
use crate::series::EntityId;
use crate::time::Timestamp;

/// The last rows of each entity, and the last flagged rows of all.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct History {
    rows_per_entity: usize,
    flagged_rows: usize,
    recent: Vec<VecDeque<HistoryRow>>,
    flagged: VecDeque<FlaggedRow>,
    flagged_dropped: u64,
}

impl History {
    /// An empty history.
    pub fn new(limits: &Limits) -> Self {
        Self {
            rows_per_entity: limits.history_rows,
            flagged_rows: limits.flagged_rows,
            recent: Vec::new(),
            flagged: VecDeque::new(),
            flagged_dropped: 0,
        }
    }

    /// Adds a row, and what was flagged of it.
    pub fn push(&mut self, entity: EntityId, row: HistoryRow, flagged: Option<FlaggedRow>) {
        if self.recent.len() <= entity.index() {
            self.recent.resize_with(entity.index() + 1, VecDeque::new);
        }
        if let Some(ring) = self.recent.get_mut(entity.index()) {
            if ring.len() >= self.rows_per_entity {
                ring.pop_front();
            }
            ring.push_back(row);
        }
        if let Some(flagged) = flagged {
            if self.flagged.len() >= self.flagged_rows {
                self.flagged.pop_front();
                self.flagged_dropped += 1;
            }
            self.flagged.push_back(flagged);
        }
    }

    /// The rows kept of an entity, oldest first.
    pub fn recent(&self, entity: EntityId) -> impl DoubleEndedIterator<Item = &HistoryRow> {
        self.recent.get(entity.index()).into_iter().flatten()
    }

    /// Flagged rows of all entities with a step that starts in `[from, to]`, oldest first.
    pub fn flagged(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = &FlaggedRow> {
        let first = self.flagged.partition_point(|row| row.bucket < from);
        self.flagged.range(first..).take_while(move |row| row.bucket <= to)
    }

    /// Flagged rows that were dropped for newer ones.
    pub fn flagged_dropped(&self) -> u64 {
        self.flagged_dropped
    }
}
