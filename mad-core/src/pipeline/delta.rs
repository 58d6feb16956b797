//! The delta checkpoint: the global state, and the entities and closed incidents that changed since
//! the last one.

use serde::{Deserialize, Serialize};

use super::Pipeline;
use super::incident_log::Rings;
use super::judge::{EntityState, SeriesState, States};
use crate::error::{Error, Result};
use crate::history::HistoryRing;
use crate::limits::Limits;
use crate::series::{EntityId, SeriesId};

/// The state that changed since the previous delta checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeltaCheckpoint {
    /// The state that belongs to no entity. It replaces the global part saved before.
    pub global: Vec<u8>,
    /// States of entities by number. Each replaces the one of its number, or removes it (`None`).
    pub entities: Vec<(u32, Option<Vec<u8>>)>,
    /// Closed incidents by id. Each replaces the one of its id, or removes it (`None`).
    pub incidents: Vec<(String, Option<Vec<u8>>)>,
}

/// The state that belongs to no entity, and the lengths of the tables of entities and series.
#[derive(Serialize)]
pub(super) struct Global<'a> {
    pub pipeline: &'a Pipeline,
    pub lengths: [usize; 4],
}

/// A global part that was read.
#[derive(Deserialize)]
pub(super) struct SavedGlobal {
    pub pipeline: Pipeline,
    pub lengths: [usize; 4],
}

/// The state of one entity.
#[derive(Serialize)]
pub(super) struct EntityPart<'a> {
    rows: Option<&'a EntityState>,
    recent: Option<&'a HistoryRing>,
    series: Vec<SeriesPart<'a>>,
}

/// The state of one of its series.
#[derive(Serialize)]
struct SeriesPart<'a> {
    id: u32,
    state: Option<&'a SeriesState>,
    points: Option<&'a HistoryRing>,
}

/// A part of an entity that was read.
#[derive(Deserialize)]
pub(super) struct SavedEntity {
    rows: Option<Box<EntityState>>,
    recent: Option<HistoryRing>,
    series: Vec<SavedSeries>,
}

#[derive(Deserialize)]
struct SavedSeries {
    id: u32,
    state: Option<Box<SeriesState>>,
    points: Option<HistoryRing>,
}

/// The tables with a place for each entity or series.
pub(super) struct Tables {
    rows: Vec<Option<Box<EntityState>>>,
    series: Vec<Option<Box<SeriesState>>>,
    recent: Vec<HistoryRing>,
    points: Vec<HistoryRing>,
}

impl Tables {
    pub fn new((rows, series): States, (recent, points): Rings) -> Self {
        Self { rows, series, recent, points }
    }

    /// Empty tables of these lengths.
    ///
    /// # Errors
    ///
    /// The lengths exceed the limits. They come from outside, so they are checked before memory is
    /// taken.
    pub fn with_lengths(
        [rows, series, recent, points]: [usize; 4],
        limits: &Limits,
    ) -> Result<Self> {
        if rows.max(recent) > limits.entities.saturating_mul(4).saturating_add(1)
            || series.max(points) > limits.series
        {
            return Err(Error::state("the saved state has more entities than the limits allow"));
        }
        let mut tables = Self::new((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        tables.rows.resize_with(rows, || None);
        tables.series.resize_with(series, || None);
        tables.recent.resize_with(recent, HistoryRing::default);
        tables.points.resize_with(points, HistoryRing::default);
        Ok(tables)
    }

    pub fn lengths(&self) -> [usize; 4] {
        [self.rows.len(), self.series.len(), self.recent.len(), self.points.len()]
    }

    pub fn into_parts(self) -> (States, Rings) {
        ((self.rows, self.series), (self.recent, self.points))
    }

    /// The state of an entity, if anything is known of it.
    pub fn part(&self, id: EntityId, series: &[SeriesId]) -> Option<EntityPart<'_>> {
        let rows = self.rows.get(id.index()).and_then(Option::as_deref);
        let recent = self.recent.get(id.index()).filter(|ring| !ring.is_empty());
        let of_series = series.iter().map(|id| SeriesPart {
            id: id.0,
            state: self.series.get(id.index()).and_then(Option::as_deref),
            points: self.points.get(id.index()).filter(|ring| !ring.is_empty()),
        });
        let series: Vec<_> = of_series.collect();
        let known = rows.is_some() || recent.is_some() || !series.is_empty();
        known.then_some(EntityPart { rows, recent, series })
    }

    /// Puts the state of an entity into its places. Returns None where there are no such places.
    pub fn put(&mut self, id: usize, part: SavedEntity) -> Option<()> {
        if let Some(rows) = part.rows {
            *self.rows.get_mut(id)? = Some(rows);
        }
        if let Some(recent) = part.recent {
            *self.recent.get_mut(id)? = recent;
        }
        for SavedSeries { id, state, points } in part.series {
            if let Some(state) = state {
                *self.series.get_mut(id as usize)? = Some(state);
            }
            if let Some(points) = points {
                *self.points.get_mut(id as usize)? = points;
            }
        }
        Some(())
    }
}
