//! Rings of recent rows.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::{FlaggedRow, HistoryPoint, HistoryRow, Ring};
use crate::limits::Limits;
use crate::series::{EntityId, SeriesId};
use crate::telemetry::ChangeEvent;
use crate::time::Timestamp;

/// The last rows of each entity, the last points of each series, and the last flagged rows of all.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct History {
    rows_per_entity: usize,
    flagged_rows: usize,
    recent: Vec<Ring<HistoryRow>>,
    points: Vec<Ring<HistoryPoint>>,
    flagged: VecDeque<FlaggedRow>,
    flagged_dropped: u64,
    /// Changes of services by time.
    changes: VecDeque<ChangeEvent>,
    most_changes: usize,
}

impl History {
    /// An empty history.
    pub fn new(limits: &Limits) -> Self {
        Self {
            rows_per_entity: limits.history_rows,
            flagged_rows: limits.flagged_rows,
            recent: Vec::new(),
            points: Vec::new(),
            flagged: VecDeque::new(),
            flagged_dropped: 0,
            changes: VecDeque::new(),
            most_changes: limits.changes,
        }
    }

    /// Adds a row.
    pub fn push(&mut self, entity: EntityId, row: HistoryRow) {
        push(&mut self.recent, entity.index(), row, self.rows_per_entity);
    }

    /// Adds a point.
    pub fn push_point(&mut self, series: SeriesId, point: HistoryPoint) {
        push(&mut self.points, series.index(), point, self.rows_per_entity);
    }

    /// Adds a flagged row. Rows of requests and metrics do not come in the order of their time.
    pub fn push_flagged(&mut self, row: FlaggedRow) {
        if self.flagged.len() >= self.flagged_rows {
            self.flagged.pop_front();
            self.flagged_dropped += 1;
        }
        let place = self.flagged.partition_point(|known| known.bucket <= row.bucket);
        self.flagged.insert(place, row);
    }

    /// Adds a change; the oldest leaves when there are too many.
    pub fn push_change(&mut self, change: ChangeEvent) {
        let place = self.changes.partition_point(|known| known.at <= change.at);
        self.changes.insert(place, change);
        if self.changes.len() > self.most_changes {
            self.changes.pop_front();
        }
    }

    /// The changes kept, oldest first.
    pub fn changes(&self) -> impl DoubleEndedIterator<Item = &ChangeEvent> {
        self.changes.iter()
    }

    pub(crate) fn take_changes(&mut self) -> VecDeque<ChangeEvent> {
        std::mem::take(&mut self.changes)
    }

    /// The rows kept of an entity, oldest first.
    pub fn recent(&self, entity: EntityId) -> impl DoubleEndedIterator<Item = &HistoryRow> {
        self.recent.get(entity.index()).into_iter().flat_map(|ring| ring.iter())
    }

    /// The points kept of a series, oldest first.
    pub fn points(&self, series: SeriesId) -> impl DoubleEndedIterator<Item = &HistoryPoint> {
        self.points.get(series.index()).into_iter().flat_map(|ring| ring.iter())
    }

    /// Flagged rows of all entities with a step that starts in `[from, to]`, oldest first.
    pub fn flagged(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = &FlaggedRow> {
        let first = self.flagged.partition_point(|row| row.bucket < from);
        self.flagged.range(first..).take_while(move |row| row.bucket <= to)
    }

    /// Forgets entities and series: their ids will be others'.
    pub fn forget(&mut self, entities: &BTreeSet<EntityId>, series: &BTreeSet<SeriesId>) {
        for id in entities {
            drop(self.take_recent(*id));
        }
        for id in series {
            drop(self.take_points(*id));
        }
        if !entities.is_empty() {
            self.flagged.retain(|row| !entities.contains(&row.entity));
        }
    }

    pub(crate) fn take_flagged(&mut self) -> VecDeque<FlaggedRow> {
        std::mem::take(&mut self.flagged)
    }

    /// The rows of entities and the points of series, out of here.
    pub(crate) fn take_rings(&mut self) -> (Vec<Ring<HistoryRow>>, Vec<Ring<HistoryPoint>>) {
        (std::mem::take(&mut self.recent), std::mem::take(&mut self.points))
    }

    pub(crate) fn put_rings(
        &mut self,
        recent: Vec<Ring<HistoryRow>>,
        points: Vec<Ring<HistoryPoint>>,
    ) {
        (self.recent, self.points) = (recent, points);
    }

    pub(crate) fn take_recent(&mut self, entity: EntityId) -> Ring<HistoryRow> {
        self.recent.get_mut(entity.index()).map(std::mem::take).unwrap_or_default()
    }

    pub(crate) fn take_points(&mut self, series: SeriesId) -> Ring<HistoryPoint> {
        self.points.get_mut(series.index()).map(std::mem::take).unwrap_or_default()
    }

    /// Flagged rows that were dropped for newer ones.
    pub fn flagged_dropped(&self) -> u64 {
        self.flagged_dropped
    }
}

fn push<T>(rings: &mut Vec<Ring<T>>, index: usize, item: T, most: usize) {
    if rings.len() <= index {
        rings.resize_with(index + 1, Ring::default);
    }
    if let Some(ring) = rings.get_mut(index) {
        if ring.len() >= most {
            ring.pop_front();
        }
        ring.push_back(item);
    }
}
