//! The delta checkpoint: the global state, and the entities and closed incidents that changed since
//! the last one.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::entity_part::{EntityPart, SeriesPart};
use super::incident_log::Rings;
use super::judge::States;
use crate::error::{Error, Result};
use crate::feature::LogTemplatesOfServices;
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

/// The state that belongs to no entity, and the lengths of the tables of entities and series. The
/// pipeline is borrowed when it is saved, and owned when it was read.
#[derive(Serialize, Deserialize)]
pub(super) struct Global<P> {
    pub pipeline: P,
    pub lengths: [usize; 6],
}

/// The learnt state of one entity, with the ids of its series.
pub(super) type DeltaPart<'a> = EntityPart<'a, u32>;

/// The tables with a place for each entity or series.
pub(super) struct Tables {
    judged: States,
    recent: Vec<HistoryRing>,
    points: Vec<HistoryRing>,
    /// By partition.
    logs: Vec<LogTemplatesOfServices>,
}

impl Tables {
    pub fn new(judged: States, (recent, points): Rings, logs: Vec<LogTemplatesOfServices>) -> Self {
        Self { judged, recent, points, logs }
    }

    /// Empty tables of these lengths.
    ///
    /// # Errors
    ///
    /// The lengths exceed the limits. They come from outside, so they are checked before memory is
    /// taken.
    pub fn with_lengths(
        [rows, series, joint, recent, points, logs]: [usize; 6],
        limits: &Limits,
    ) -> Result<Self> {
        if rows.max(recent).max(joint) > limits.entities.saturating_mul(4).saturating_add(1)
            || series.max(points) > limits.series
            || logs > limits.partitions.saturating_add(1)
        {
            return Err(Error::state("the saved state has more entities than the limits allow"));
        }
        let mut tables = Self::new(States::default(), (Vec::new(), Vec::new()), Vec::new());
        tables.judged.rows.resize_with(rows, || None);
        tables.judged.series.resize_with(series, || None);
        tables.judged.joint.resize_with(joint, || None);
        tables.recent.resize_with(recent, HistoryRing::default);
        tables.points.resize_with(points, HistoryRing::default);
        tables.logs.resize_with(logs, LogTemplatesOfServices::default);
        Ok(tables)
    }

    pub fn lengths(&self) -> [usize; 6] {
        let Self { judged: States { rows, series, joint }, recent, points, logs } = self;
        [rows.len(), series.len(), joint.len(), recent.len(), points.len(), logs.len()]
    }

    pub fn into_parts(self) -> (States, Rings, Vec<LogTemplatesOfServices>) {
        (self.judged, (self.recent, self.points), self.logs)
    }

    /// The state of an entity, if anything is known of it.
    pub fn part(&self, id: EntityId, series: &[SeriesId]) -> Option<DeltaPart<'_>> {
        let filled = |ring: &&HistoryRing| !ring.is_empty();
        let States { rows, series: states, joint } = &self.judged;
        let of_series = series.iter().map(|id| SeriesPart {
            id: id.0,
            state: states.get(id.index()).and_then(Option::as_deref).map(Cow::Borrowed),
            points: self.points.get(id.index()).filter(filled).map(Cow::Borrowed),
        });
        let of_logs = (0..).zip(&self.logs).filter_map(|(partition, logs)| {
            Some((partition, Cow::Borrowed(logs.get(&id)?.as_ref())))
        });
        let part = EntityPart {
            rows: rows.get(id.index()).and_then(Option::as_deref).map(Cow::Borrowed),
            joint: joint.get(id.index()).and_then(Option::as_deref).map(Cow::Borrowed),
            recent: self.recent.get(id.index()).filter(filled).map(Cow::Borrowed),
            series: of_series.collect(),
            logs: of_logs.collect(),
        };
        Some(part).filter(|part| !part.is_empty())
    }

    /// Puts the state of an entity into its places. Returns None where there are no such places.
    pub fn put(&mut self, id: usize, part: DeltaPart<'_>) -> Option<()> {
        if let Some(rows) = part.rows {
            *self.judged.rows.get_mut(id)? = Some(Box::new(rows.into_owned()));
        }
        if let Some(joint) = part.joint {
            *self.judged.joint.get_mut(id)? = Some(Box::new(joint.into_owned()));
        }
        if let Some(recent) = part.recent {
            *self.recent.get_mut(id)? = recent.into_owned();
        }
        for SeriesPart { id, state, points } in part.series {
            if let Some(state) = state {
                *self.judged.series.get_mut(id as usize)? = Some(Box::new(state.into_owned()));
            }
            if let Some(points) = points {
                *self.points.get_mut(id as usize)? = points.into_owned();
            }
        }
        for (partition, logs) in part.logs {
            let of_partition = self.logs.get_mut(partition as usize)?;
            of_partition.insert(EntityId(id as u32), Box::new(logs.into_owned()));
        }
        Some(())
    }
}
