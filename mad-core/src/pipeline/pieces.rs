//! The state in pieces, so that it can be saved by what changed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::compose::EntityState;
use super::metrics::SeriesState;
use super::{Pipeline, envelope};
use crate::config::PipelineConfig;
use crate::error::{Error, Result};
use crate::history::{HistoryPoint, HistoryRow, Ring};
use crate::series::{EntityId, SeriesId};

/// What changed since state was saved the last time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pieces {
    /// What belongs to no entity: it replaces the one saved before.
    pub core: Vec<u8>,
    /// Pieces of entities by number: each replaces the one of its number, or removes it (`None`).
    pub entities: Vec<(u32, Option<Vec<u8>>)>,
}

/// What belongs to no entity, and how long the tables of the others are.
#[derive(Serialize)]
struct Core<'a> {
    pipeline: &'a Pipeline,
    lengths: [usize; 4],
}

#[derive(Deserialize)]
struct SavedCore {
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
    /// What changed since this was asked the last time: with all answers so far, each piece in
    /// the place of the one before, [`restore_pieces`](Self::restore_pieces) makes the same
    /// pipeline. The first answer of a pipeline that was made by [`restore`](Self::restore) is all
    /// of it.
    ///
    /// # Errors
    ///
    /// None is known; an encoder that fails is handed on, and the next answer has what this one
    /// would have had.
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
    /// let mut core = Vec::new();
    /// for (minute, service) in [(0, "cart"), (2, "mail"), (4, "mail")] {
    ///     let at = Timestamp::from_seconds(60 * minute);
    ///     pipeline.ingest([Request::new(at, service, "/", 200, 30.0)]);
    ///     let pieces = pipeline.changed()?;
    ///     core = pieces.core;
    ///     for (id, piece) in pieces.entities {
    ///         match piece {
    ///             Some(piece) => saved.insert(id, piece),
    ///             None => saved.remove(&id),
    ///         };
    ///     }
    /// }
    /// let pieces = saved.iter().map(|(id, piece)| (*id, piece.as_slice()));
    /// let restored = Pipeline::restore_pieces(config, &core, pieces)?;
    /// assert_eq!(restored.checkpoint()?, pipeline.checkpoint()?);
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn changed(&mut self) -> Result<Pieces> {
        let touched = std::mem::take(&mut self.touched);
        let tables = self.take_tables();
        let pieces = self.pieces(&touched, &tables);
        self.put_tables(tables);
        if pieces.is_err() {
            self.touched = touched;
        }
        pieces
    }

    /// A pipeline that goes on where the saved one stopped, from the newest of each piece.
    ///
    /// # Errors
    ///
    /// Those of [`restore`](Self::restore), for any of the pieces; a piece that is of no entity of
    /// the core.
    pub fn restore_pieces<'a>(
        config: PipelineConfig,
        core: &[u8],
        pieces: impl IntoIterator<Item = (u32, &'a [u8])>,
    ) -> Result<Self> {
        let SavedCore { pipeline, lengths: [rows, series, recent, points] } =
            envelope::open(envelope::CORE, core)?;
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
        for (id, piece) in pieces {
            let piece: SavedPiece = envelope::open(envelope::PIECE, piece)?;
            tables.put(id as usize, piece).ok_or_else(|| {
                Error::state(format!("piece {id} of the saved state does not fit to its core"))
            })?;
        }
        let mut pipeline = pipeline.configured(config)?;
        pipeline.put_tables(tables);
        Ok(pipeline)
    }

    /// Says that pieces of these numbers could not be stored: the next answer of
    /// [`changed`](Self::changed) has them again.
    pub fn not_saved(&mut self, ids: impl IntoIterator<Item = u32>) {
        self.touched.extend(ids.into_iter().map(EntityId));
    }

    /// Says that all of the state has to be saved.
    pub(super) fn touch_all(&mut self) {
        self.touched = (0..self.entities.slots() as u32).map(EntityId).collect();
    }

    fn pieces(&self, touched: &BTreeSet<EntityId>, tables: &Tables) -> Result<Pieces> {
        let mut series: BTreeMap<EntityId, Vec<SeriesId>> = BTreeMap::new();
        for (id, name) in self.series_names.iter() {
            if touched.contains(&name.entity) {
                series.entry(name.entity).or_default().push(id);
            }
        }
        let mut entities = Vec::with_capacity(touched.len());
        for id in touched {
            let piece = tables.piece(*id, series.get(id).map_or(&[], Vec::as_slice));
            let sealed = piece.map(|piece| envelope::seal(envelope::PIECE, &piece)).transpose()?;
            entities.push((id.0, sealed));
        }
        let Tables { rows, series, recent, points } = tables;
        let lengths = [rows.len(), series.len(), recent.len(), points.len()];
        let core = envelope::seal(envelope::CORE, &Core { pipeline: self, lengths })?;
        Ok(Pieces { core, entities })
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
