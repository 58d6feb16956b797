//! The state of one entity, out of one pipeline and into another.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::compose::EntityState;
use super::metrics::SeriesState;
use super::{IncidentWindow, Pipeline, envelope};
use crate::config::PipelineConfig;
use crate::error::{Error, Result};
use crate::feature::StepFinder;
use crate::history::{HistoryPoint, HistoryRow, Ring};
use crate::incident::OpenState;
use crate::series::{Entity, EntityId, SeriesId};
use crate::time::Timestamp;

/// All that is known of one entity.
#[derive(Serialize, Deserialize)]
pub(super) struct EntityExport {
    shape: PipelineConfig,
    last_bucket: Option<Timestamp>,
    last_log: Option<Timestamp>,
    requests: Option<Box<EntityState>>,
    recent: Ring<HistoryRow>,
    series: Vec<SeriesPart>,
    incident: OpenState,
    window: Option<IncidentWindow>,
}

impl EntityExport {
    /// Series of metrics in it.
    pub fn series(&self) -> usize {
        self.series.len()
    }
}

/// All that is known of one of its series.
#[derive(Serialize, Deserialize)]
struct SeriesPart {
    metric: Arc<str>,
    step: StepFinder,
    state: Option<Box<SeriesState>>,
    points: Ring<HistoryPoint>,
}

impl Pipeline {
    /// The state of one entity as bytes: what was learnt of its requests and metrics, its recent
    /// rows and its open incident. Requests of steps that are not closed are not in it:
    /// [`advance`](Self::advance) first.
    ///
    /// # Errors
    ///
    /// The entity is not known.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::{Entity, Pipeline, PipelineConfig, Request, Timestamp};
    ///
    /// let mut here = Pipeline::new(PipelineConfig::default())?;
    /// let at = |second| Timestamp::from_seconds(second);
    /// here.ingest((0..600).map(|second| Request::new(at(second), "pay", "/", 200, 30.0)));
    /// here.advance(at(600));
    /// let pay = Entity::new("pay", "/");
    /// let part = here.export(&pay)?;
    /// let mut there = Pipeline::new(PipelineConfig::default())?;
    /// there.load(&pay, &part)?;
    /// assert_eq!(there.export(&pay)?, part);
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn export(&self, entity: &Entity) -> Result<Vec<u8>> {
        let id = self.entities.find(&entity.service, &entity.endpoint);
        let id = id.ok_or_else(|| Error::not_found(format!("no entity `{entity}` is known")))?;
        envelope::seal(envelope::ENTITY, &self.part(id))
    }

    /// Takes over what another pipeline knew of an entity. It may be given another name here.
    ///
    /// # Errors
    ///
    /// Something is known of the entity already; there is no room for it or for its series; the bytes
    /// are no state of an entity, are cut, damaged or of a newer version; they are of another config
    /// of `features`, `score` or `limits`.
    pub fn load(&mut self, entity: &Entity, part: &[u8]) -> Result<()> {
        let part: EntityExport = envelope::open(envelope::ENTITY, part)?;
        self.config.check_shape(&part.shape)?;
        let known = self.entities.find(&entity.service, &entity.endpoint);
        if known.is_some_and(|id| self.knows(id)) {
            return Err(known_already(entity));
        }
        self.check_room(&entity.to_string(), usize::from(known.is_none()), part.series())?;
        self.put(entity, part);
        Ok(())
    }

    /// Whether anything was learnt of an entity.
    pub(super) fn knows(&self, id: EntityId) -> bool {
        let requests = self.rows.get(id.index()).is_some_and(Option::is_some);
        requests || self.series_names.iter().any(|(_, name)| name.entity == id)
    }

    pub(super) fn part(&self, id: EntityId) -> EntityExport {
        let series = self.series_names.iter().filter(|(_, name)| name.entity == id);
        let series = series.map(|(series, name)| SeriesPart {
            metric: Arc::clone(&name.metric),
            step: self.step_of(series),
            state: self.series.get(series.index()).cloned().flatten(),
            points: self.history.points(series).copied().collect(),
        });
        let window =
            self.open_windows.get(&id).and_then(|window| self.windows.get(window)).cloned();
        EntityExport {
            shape: self.config.clone(),
            last_bucket: self.last_bucket(id),
            last_log: self.partitions.iter().filter_map(|open| open.logs.last_bucket(id)).max(),
            requests: self.rows.get(id.index()).cloned().flatten(),
            recent: self.history.recent(id).copied().collect(),
            series: series.collect(),
            incident: self.grouper.open_state(id),
            window,
        }
    }

    pub(super) fn put(&mut self, entity: &Entity, part: EntityExport) {
        let EntityExport {
            last_bucket, last_log, requests, recent, series, incident, window, ..
        } = part;
        let id = self.entities.id(&entity.service, &entity.endpoint);
        self.dirty.insert(id);
        let slot = id.index();
        if self.rows.len() <= slot {
            self.rows.resize_with(slot + 1, || None);
        }
        if let Some(state) = self.rows.get_mut(slot) {
            *state = requests;
        }
        if let Some(partition) = self.partitions.first_mut() {
            partition.features.set_last_bucket(id, last_bucket);
            partition.logs.set_last_bucket(id, last_log);
        }
        for row in recent {
            self.history.push(id, row);
        }
        for SeriesPart { metric, step, state, points } in series {
            let Some(series) = self.series_names.id(id, &metric, &self.entities) else { continue };
            if self.series.len() <= series.index() {
                self.series.resize_with(series.index() + 1, || None);
            }
            if let Some(known) = self.series.get_mut(series.index()) {
                *known = state;
            }
            if let Some(partition) = self.partitions.first_mut() {
                partition.metrics.set_step(series, step);
            }
            for point in points {
                self.history.push_point(series, point);
            }
        }
        if let (Some(open), Some(window)) = (&incident.open, window) {
            self.open_windows.insert(id, open.id.clone());
            self.windows.insert(open.id.clone(), IncidentWindow { entity: id, ..window });
        }
        self.grouper.put(id, incident);
        self.learn_objective(id);
    }

    pub(super) fn check_room(&self, whose: &str, entities: usize, series: usize) -> Result<()> {
        let limits = &self.config.limits;
        for (field, used, more, limit) in [
            ("entities", self.entities.len(), entities, limits.entities),
            ("series", self.series_names.len(), series, limits.series),
        ] {
            if used + more > limit {
                return Err(Error::state(format!(
                    "there is no room for `{whose}`: limits.{field} is {limit}, {used} are used and \
                     {more} would come"
                )));
            }
        }
        Ok(())
    }

    fn last_bucket(&self, entity: EntityId) -> Option<Timestamp> {
        let partitions = self.partitions.iter();
        partitions.filter_map(|partition| partition.features.last_bucket(entity)).max()
    }

    fn step_of(&self, series: SeriesId) -> StepFinder {
        let known = self.partitions.iter().map(|partition| partition.metrics.step_of(series));
        known.max_by_key(StepFinder::last).unwrap_or_default()
    }
}

pub(super) fn known_already(entity: &Entity) -> Error {
    Error::state(format!(
        "`{entity}` is known here already: two histories of one entity cannot be made one"
    ))
}
