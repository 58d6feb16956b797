//! The delta checkpoint: the global state and the entities that changed since the last one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::compose::EntityState;
use super::metrics::SeriesState;
use super::{Pipeline, envelope};
use crate::config::PipelineConfig;
use crate::error::{Error, Result};
use crate::history::{HistoryPoint, HistoryRow, Ring};
use crate::series::{EntityId, SeriesId};

/// The state that changed since the previous delta checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeltaCheckpoint {
    /// The state that belongs to no entity. It replaces the global part saved before.
    pub global: Vec<u8>,
    /// States of entities by number. Each replaces the one of its number, or removes it (`None`).
    pub entities: Vec<(u32, Option<Vec<u8>>)>,
}

/// What belongs to no entity, and how long the tables of the others are.
#[derive(Serialize)]
struct Global<'a> {
    pipeline: &'a Pipeline,
    lengths: [usize; 4],
}

#[derive(Deserialize)]
struct SavedGlobal {
    pipeline: Pipeline,
    lengths: [usize; 4],
}

/// What belongs to one entity.
#[derive(Serialize)]
struct Piece<'a> {
    rows: Option<&'a EntityState>,
    recent: Option<&'a Ring<HistoryRow>>,
    series: Vec<SeriesPiece<'a>>,
}

/// What belongs to one of its series.
#[derive(Serialize)]
struct SeriesPiece<'a> {
    id: u32,
    state: Option<&'a SeriesState>,
    points: Option<&'a Ring<HistoryPoint>>,
}

#[derive(Deserialize)]
struct SavedPiece {
    rows: Option<Box<EntityState>>,
    recent: Option<Ring<HistoryRow>>,
    series: Vec<SavedSeries>,
}

#[derive(Deserialize)]
struct SavedSeries {
    id: u32,
    state: Option<Box<SeriesState>>,
    points: Option<Ring<HistoryPoint>>,
}

/// The tables that have a place for each entity or series.
#[derive(Default)]
struct Tables {
    rows: Vec<Option<Box<EntityState>>>,
    series: Vec<Option<Box<SeriesState>>>,
    recent: Vec<Ring<HistoryRow>>,
    points: Vec<Ring<HistoryPoint>>,
}

impl Pipeline {
    /// Takes the state that changed since the last call.
    ///
    /// Store each part in place of the one before it; from the newest parts
    /// [`restore_delta`](Self::restore_delta) makes the same pipeline again. The first delta of a
    /// pipeline made by [`restore`](Self::restore) holds the whole state.
    ///
    /// # Errors
    ///
    /// A failure of the encoder. The next delta then holds what this one would have held.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::collections::BTreeMap;
    ///
    /// use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
    ///
    /// let config = PipelineConfig::default();
    /// let mut pipeline = Pipeline::new(config.clone())?;
    /// let mut saved = BTreeMap::new();
    /// let mut global = Vec::new();
    /// for (minute, service) in [(0, "cart"), (2, "mail"), (4, "mail")] {
    ///     let at = Timestamp::from_seconds(60 * minute);
    ///     pipeline.ingest([Request::new(at, service, "/", 200, 30.0)]);
    ///     let delta = pipeline.take_delta()?;
    ///     global = delta.global;
    ///     for (id, part) in delta.entities {
    ///         match part {
    ///             Some(part) => saved.insert(id, part),
    ///             None => saved.remove(&id),
    ///         };
    ///     }
    /// }
    /// let parts = saved.iter().map(|(id, part)| (*id, part.as_slice()));
    /// let restored = Pipeline::restore_delta(config, &global, parts)?;
    /// assert_eq!(restored.checkpoint()?, pipeline.checkpoint()?);
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn take_delta(&mut self) -> Result<DeltaCheckpoint> {
        let dirty = std::mem::take(&mut self.dirty);
        let tables = self.take_tables();
        let delta = self.delta(&dirty, &tables);
        self.put_tables(tables);
        if delta.is_err() {
            self.dirty = dirty;
        }
        delta
    }

    /// Restores a pipeline from the newest global part and the newest part of each entity.
    ///
    /// # Errors
    ///
    /// Those of [`restore`](Self::restore), for any of the parts, and a part whose entity the
    /// global part does not know.
    pub fn restore_delta<'a>(
        config: PipelineConfig,
        global: &[u8],
        parts: impl IntoIterator<Item = (u32, &'a [u8])>,
    ) -> Result<Self> {
        let SavedGlobal { pipeline, lengths: [rows, series, recent, points] } =
            envelope::open(envelope::GLOBAL, global)?;
        // lengths come from outside: no more is laid out than the limits allow
        let most = [config.limits.entities, config.limits.series];
        if rows.max(recent) > most[0].saturating_add(1) || series.max(points) > most[1] {
            return Err(Error::state("the saved state has more entities than the limits allow"));
        }
        let mut tables = Tables::default();
        tables.rows.resize_with(rows, || None);
        tables.series.resize_with(series, || None);
        tables.recent.resize_with(recent, Ring::default);
        tables.points.resize_with(points, Ring::default);
        for (id, part) in parts {
            let piece: SavedPiece = envelope::open(envelope::PIECE, part)?;
            tables.put(id as usize, piece).ok_or_else(|| {
                Error::state(format!(
                    "part {id} of the saved state has no place in its global part"
                ))
            })?;
        }
        let mut pipeline = pipeline.configured(config)?;
        pipeline.put_tables(tables);
        Ok(pipeline)
    }

    /// Says that pieces of these numbers could not be stored: the next answer of
    /// [`changed`](Self::changed) has them again.
    pub fn mark_dirty(&mut self, ids: impl IntoIterator<Item = u32>) {
        self.dirty.extend(ids.into_iter().map(EntityId));
    }

    /// Marks all entities as changed.
    pub(super) fn mark_all_dirty(&mut self) {
        self.dirty = (0..self.entities.slots() as u32).map(EntityId).collect();
    }

    fn delta(&self, dirty: &BTreeSet<EntityId>, tables: &Tables) -> Result<DeltaCheckpoint> {
        let mut series: BTreeMap<EntityId, Vec<SeriesId>> = BTreeMap::new();
        for (id, name) in self.series_names.iter() {
            if dirty.contains(&name.entity) {
                series.entry(name.entity).or_default().push(id);
            }
        }
        let mut entities = Vec::with_capacity(dirty.len());
        for id in dirty {
            let piece = tables.piece(*id, series.get(id).map_or(&[], Vec::as_slice));
            let sealed = piece.map(|piece| envelope::seal(envelope::PIECE, &piece)).transpose()?;
            entities.push((id.0, sealed));
        }
        let Tables { rows, series, recent, points } = tables;
        let lengths = [rows.len(), series.len(), recent.len(), points.len()];
        let global = envelope::seal(envelope::GLOBAL, &Global { pipeline: self, lengths })?;
        Ok(DeltaCheckpoint { global, entities })
    }

    fn take_tables(&mut self) -> Tables {
        let (recent, points) = self.history.take_rings();
        let (rows, series) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.series));
        Tables { rows, series, recent, points }
    }

    fn put_tables(&mut self, tables: Tables) {
        let Tables { rows, series, recent, points } = tables;
        (self.rows, self.series) = (rows, series);
        self.history.put_rings(recent, points);
    }
}

impl Tables {
    /// What belongs to an entity; nothing where nothing is known.
    fn piece(&self, id: EntityId, series: &[SeriesId]) -> Option<Piece<'_>> {
        let rows = self.rows.get(id.index()).and_then(Option::as_deref);
        let recent = self.recent.get(id.index()).filter(|ring| !ring.is_empty());
        let of_series = series.iter().map(|id| SeriesPiece {
            id: id.0,
            state: self.series.get(id.index()).and_then(Option::as_deref),
            points: self.points.get(id.index()).filter(|ring| !ring.is_empty()),
        });
        let series: Vec<_> = of_series.collect();
        let known = rows.is_some() || recent.is_some() || !series.is_empty();
        known.then_some(Piece { rows, recent, series })
    }

    /// Puts a piece into its places; nothing where there are no such places.
    fn put(&mut self, id: usize, piece: SavedPiece) -> Option<()> {
        if let Some(rows) = piece.rows {
            *self.rows.get_mut(id)? = Some(rows);
        }
        if let Some(recent) = piece.recent {
            *self.recent.get_mut(id)? = recent;
        }
        for SavedSeries { id, state, points } in piece.series {
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
