//! The recent rows of all entities and series, the flagged rows, and the changes of services.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::{FlaggedRow, HistoryRing, HistoryRow};
use crate::limits::Limits;
use crate::series::{EntityId, SeriesId};
use crate::telemetry::ChangeEvent;
use crate::time::Timestamp;

/// The last rows of each entity, the last points of each series, and the last flagged rows of all.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct History {
    rows_per_entity: usize,
    flagged_rows: usize,
    recent: Vec<HistoryRing>,
    points: Vec<HistoryRing>,
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

    /// Adds a row of an entity. If it has `limits.history_rows` rows, the oldest one leaves.
    pub fn push(&mut self, entity: EntityId, row: HistoryRow<'_>) {
        push(&mut self.recent, entity.index(), row, self.rows_per_entity);
    }

    /// Adds a point of a series, in the same way.
    pub fn push_point(&mut self, series: SeriesId, point: HistoryRow<'_>) {
        push(&mut self.points, series.index(), point, self.rows_per_entity);
    }

    /// Adds a flagged row at its place in time, because rows of requests and metrics arrive out of
    /// order.
    pub fn push_flagged(&mut self, row: FlaggedRow) {
        if self.flagged.len() >= self.flagged_rows {
            self.flagged.pop_front();
            self.flagged_dropped += 1;
        }
        let place = self.flagged.partition_point(|known| known.bucket <= row.bucket);
        self.flagged.insert(place, row);
    }

    /// Adds a change of a service. If there are `limits.changes`, the oldest one leaves.
    pub fn push_change(&mut self, change: ChangeEvent) {
        let place = self.changes.partition_point(|known| known.at <= change.at);
        self.changes.insert(place, change);
        if self.changes.len() > self.most_changes {
            self.changes.pop_front();
        }
    }

    /// The changes, the oldest first.
    pub fn changes(&self) -> impl DoubleEndedIterator<Item = &ChangeEvent> {
        self.changes.iter()
    }

    pub(crate) fn take_changes(&mut self) -> VecDeque<ChangeEvent> {
        std::mem::take(&mut self.changes)
    }

    /// The recent rows of an entity, the oldest first.
    pub fn recent(&self, entity: EntityId) -> impl DoubleEndedIterator<Item = HistoryRow<'_>> {
        self.recent.get(entity.index()).into_iter().flat_map(super::ring::HistoryRing::iter)
    }

    /// The recent points of a series, the oldest first.
    pub fn points(&self, series: SeriesId) -> impl DoubleEndedIterator<Item = HistoryRow<'_>> {
        self.points.get(series.index()).into_iter().flat_map(super::ring::HistoryRing::iter)
    }

    /// The flagged rows of all entities whose steps start in `[from, to]`, the oldest first.
    pub fn flagged(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = &FlaggedRow> {
        let first = self.flagged.partition_point(|row| row.bucket < from);
        self.flagged.range(first..).take_while(move |row| row.bucket <= to)
    }

    /// Forgets entities and series. Their ids are given to others.
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

    /// Takes out the rows of entities and the points of series.
    pub(crate) fn take_rings(&mut self) -> (Vec<HistoryRing>, Vec<HistoryRing>) {
        (std::mem::take(&mut self.recent), std::mem::take(&mut self.points))
    }

    pub(crate) fn put_rings(&mut self, recent: Vec<HistoryRing>, points: Vec<HistoryRing>) {
        (self.recent, self.points) = (recent, points);
    }

    pub(crate) fn take_recent(&mut self, entity: EntityId) -> HistoryRing {
        self.recent.get_mut(entity.index()).map(std::mem::take).unwrap_or_default()
    }

    pub(crate) fn take_points(&mut self, series: SeriesId) -> HistoryRing {
        self.points.get_mut(series.index()).map(std::mem::take).unwrap_or_default()
    }

    /// Flagged rows that were dropped for newer ones.
    pub fn flagged_dropped(&self) -> u64 {
        self.flagged_dropped
    }
}

fn push(rings: &mut Vec<HistoryRing>, index: usize, row: HistoryRow<'_>, most: usize) {
    if rings.len() <= index {
        rings.resize_with(index + 1, HistoryRing::default);
    }
    if let Some(ring) = rings.get_mut(index) {
        ring.push(row, most);
    }
}
