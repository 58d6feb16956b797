//! The state of a pipeline as bytes: checkpoints, deltas, single entities, and merging.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::closed_incidents::{ClosedIncidents, IncidentPart};
use super::delta::{DeltaCheckpoint, DeltaPart, Global, Tables};
use super::entity_export::{EntityExport, known_already};
use super::view::Shared;
use super::{Pipeline, envelope};
use crate::config::PipelineConfig;
use crate::error::{Error, Result};
use crate::series::{Entity, EntityId, SeriesId};

impl Pipeline {
    /// The whole state as bytes: magic, version, length and CRC-32 of the payload, which is
    /// `MessagePack` with the names of the fields.
    ///
    /// # Errors
    ///
    /// A failure of the encoder.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
    ///
    /// let config = PipelineConfig::default();
    /// let mut pipeline = Pipeline::new(config.clone())?;
    /// pipeline.ingest([Request::new(Timestamp::from_seconds(0), "a", "/x", 200, 12.0)]);
    /// let saved = pipeline.checkpoint()?;
    /// let restored = Pipeline::restore(config, &saved)?;
    /// assert_eq!(restored.checkpoint()?, saved);
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn checkpoint(&self) -> Result<Vec<u8>> {
        envelope::seal(envelope::PIPELINE, self)
    }

    /// Restores a pipeline. It gives the same output as the saved one would have given, byte for byte.
    ///
    /// Thresholds, guardrails and most other fields of the config may differ from those of the saved
    /// state: they apply from now on, and the learnt state stays. [`PipelineConfig::check_saved`] lists
    /// the fields that have to be the same. The kind that an override gives a series applies to new
    /// series only.
    ///
    /// # Errors
    ///
    /// - A config field is outside its range.
    /// - The bytes are no saved state, are cut, damaged or of a newer version.
    /// - [`PipelineConfig::check_saved`] refuses the config.
    pub fn restore(config: PipelineConfig, saved: &[u8]) -> Result<Self> {
        let pipeline: Self = envelope::open(envelope::PIPELINE, saved)?;
        let saved = pipeline.config.clone();
        let mut pipeline = pipeline.configured(config)?;
        pipeline.reconfigure_scorers(&saved);
        let all = 0..pipeline.names.entities.slots() as u32;
        pipeline.checkpointer.mark_dirty(all.map(EntityId));
        Ok(pipeline)
    }

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
    /// let (mut global, mut incidents) = (Vec::new(), BTreeMap::new());
    /// for (minute, service) in [(0, "cart"), (2, "mail"), (4, "mail")] {
    ///     let at = Timestamp::from_seconds(60 * minute);
    ///     pipeline.ingest([Request::new(at, service, "/", 200, 30.0)]);
    ///     let delta = pipeline.take_delta()?;
    ///     global = delta.global;
    ///     for (id, part) in delta.incidents {
    ///         match part {
    ///             Some(part) => incidents.insert(id, part),
    ///             None => incidents.remove(&id),
    ///         };
    ///     }
    ///     for (id, part) in delta.entities {
    ///         match part {
    ///             Some(part) => saved.insert(id, part),
    ///             None => saved.remove(&id),
    ///         };
    ///     }
    /// }
    /// let parts = saved.iter().map(|(id, part)| (*id, part.as_slice()));
    /// let closed = incidents.iter().map(|(id, part)| (id.as_str(), part.as_slice()));
    /// let restored = Pipeline::restore_delta(config, &global, parts, closed)?;
    /// assert_eq!(restored.checkpoint()?, pipeline.checkpoint()?);
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn take_delta(&mut self) -> Result<DeltaCheckpoint> {
        let dirty = self.checkpointer.take_dirty();
        let tables = Tables::new(
            self.judge.take_states(),
            self.incidents.take_rings(),
            self.ingest.take_templates(),
        );
        let closed = self.incidents.take_closed();
        let delta = self.delta(&dirty, &tables);
        let parts = seal_incidents(&closed);
        self.incidents.put_closed(closed);
        self.put_tables(tables);
        match (delta, parts) {
            (Ok((global, entities)), Ok(parts)) => {
                let incidents = self.checkpointer.changed_incidents(parts);
                Ok(DeltaCheckpoint { global, entities, incidents })
            }
            (Err(error), _) | (_, Err(error)) => {
                self.checkpointer.mark_dirty(dirty);
                Err(error)
            }
        }
    }

    /// Restores a pipeline from the newest global part, the newest part of each entity, and the
    /// newest part of each closed incident.
    ///
    /// # Errors
    ///
    /// Those of [`restore`](Self::restore), for any of the parts, and a part whose entity the
    /// global part does not know.
    pub fn restore_delta<'a>(
        config: PipelineConfig,
        global: &[u8],
        entities: impl IntoIterator<Item = (u32, &'a [u8])>,
        incidents: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self> {
        let Global { pipeline, lengths } =
            envelope::open::<Global<Self>>(envelope::GLOBAL, global)?;
        let mut tables = Tables::with_lengths(lengths, &config.limits)?;
        for (id, part) in entities {
            let part: DeltaPart<'_> = envelope::open(envelope::PIECE, part)?;
            tables.put(id as usize, part).ok_or_else(|| {
                Error::state(format!(
                    "part {id} of the saved state has no place in its global part"
                ))
            })?;
        }
        let saved = pipeline.config.clone();
        let mut pipeline = pipeline.configured(config)?;
        pipeline.put_tables(tables);
        pipeline.reconfigure_scorers(&saved);
        let mut closed = Vec::new();
        for (id, part) in incidents {
            let read: IncidentPart<'_> = envelope::open(envelope::INCIDENT, part)?;
            pipeline.checkpointer.restored_incident(id, part);
            closed.push((id.to_owned(), read));
        }
        pipeline.incidents.put_closed(ClosedIncidents::from_parts(closed));
        Ok(pipeline)
    }

    /// Marks entities and closed incidents as changed. Call it with the numbers and ids of a delta
    /// that could not be stored, so that the next [`take_delta`](Self::take_delta) holds them again.
    pub fn mark_dirty(
        &mut self,
        entities: impl IntoIterator<Item = u32>,
        incidents: impl IntoIterator<Item = String>,
    ) {
        self.checkpointer.mark_dirty(entities.into_iter().map(EntityId));
        self.checkpointer.mark_incidents(incidents);
    }

    /// The state of one entity as bytes: the state of its scorers, its recent rows and its open
    /// incident. Requests of open steps are not in it: call [`advance`](Self::advance) first.
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
        let id = self.names.entities.find(&entity.service, &entity.endpoint);
        let id = id.ok_or_else(|| Error::not_found(format!("no entity `{entity}` is known")))?;
        envelope::seal(envelope::ENTITY, &self.entity_export(id))
    }

    /// Takes over the exported state of an entity, under this or another name.
    ///
    /// # Errors
    ///
    /// - The entity is known already.
    /// - There is no room for it or for its series.
    /// - The bytes are no state of an entity, are cut, damaged or of a newer version.
    /// - [`PipelineConfig::check_saved`] refuses the config of the state.
    pub fn load(&mut self, entity: &Entity, part: &[u8]) -> Result<()> {
        let part: EntityExport = envelope::open(envelope::ENTITY, part)?;
        self.config.check_saved(part.config())?;
        let known = self.names.entities.find(&entity.service, &entity.endpoint);
        if known.is_some_and(|id| self.knows(id)) {
            return Err(known_already(entity));
        }
        self.check_room(&entity.to_string(), usize::from(known.is_none()), part.series())?;
        self.put(entity, part);
        Ok(())
    }

    /// Takes over the entities, incidents, flagged rows and counts of another pipeline that judged
    /// other entities with the same config. Closed incidents are ranked again by the flagged rows of
    /// both.
    ///
    /// An entity belongs to one shard, because the statistics of one entity in two pipelines cannot
    /// be merged: their windows are exact, and the order of the values is lost.
    ///
    /// # Errors
    ///
    /// Nothing is taken over in these cases:
    ///
    /// - Both know the same entity.
    /// - [`PipelineConfig::check_saved`] refuses the config of the other pipeline.
    /// - One has open steps: [`finish`](Self::finish) or [`advance`](Self::advance) it first.
    /// - Together they exceed a limit.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
    ///
    /// let shard = |service| {
    ///     let mut pipeline = Pipeline::new(PipelineConfig::default())?;
    ///     let at = |second| Timestamp::from_seconds(second);
    ///     pipeline.ingest((0..600).map(|second| Request::new(at(second), service, "/", 200, 9.0)));
    ///     pipeline.finish();
    ///     Ok::<_, mad_core::Error>(pipeline)
    /// };
    /// let mut all = shard("cart")?;
    /// all.merge(shard("mail")?)?;
    /// assert_eq!(all.counters().requests, 1200);
    /// assert!(all.merge(shard("mail")?).is_err());
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn merge(&mut self, other: Self) -> Result<()> {
        self.config.check_saved(&other.config)?;
        if !(self.ingest.is_at_rest() && other.ingest.is_at_rest()) {
            return Err(Error::state(
                "a step is not closed: finish or advance both pipelines first",
            ));
        }
        let known = other.names.entities.iter().filter(|(id, _)| other.knows(*id));
        let parts: Vec<(Entity, EntityExport)> =
            known.map(|(id, entity)| (Entity::clone(entity), other.entity_export(id))).collect();
        let names: HashSet<&Entity> = parts.iter().map(|(entity, _)| entity).collect();
        let here = self.names.entities.iter().filter(|(id, _)| self.knows(*id));
        if let Some((_, both)) = here.into_iter().find(|(_, entity)| names.contains(&***entity)) {
            return Err(known_already(both));
        }
        // rows of services do not count towards the limit
        let names_of_endpoints = names.iter().filter(|entity| !entity.is_service());
        let is_new = |e: &&&Entity| self.names.entities.find(&e.service, &e.endpoint).is_none();
        let new = names_of_endpoints.filter(is_new).count();
        let series = parts.iter().map(|(_, part)| part.series()).sum();
        self.check_room("the other pipeline", new, series)?;
        for (entity, part) in parts {
            self.put(&entity, part);
        }
        let counters = other.counters();
        self.tally.absorb(&counters, other.tally.rejections().clone());
        self.ingest.absorb(&other.ingest);
        self.judge.absorb_mutes(&other.judge, self.config.limits.mutes);
        self.checkpointer.absorb(other.checkpointer, self.config.limits.batch_ids);
        let is_whole = self.counters().flagged_dropped == 0;
        let Self { config, names, ingest, incidents, .. } = self;
        let shared = Shared { config, names, graph: ingest.graph(), ingest };
        incidents.absorb(other.incidents, shared, &other.names);
        incidents.rank_again(is_whole, shared);
        Ok(())
    }

    /// Applies another configuration to all but the scorers.
    fn configured(mut self, config: PipelineConfig) -> Result<Self> {
        config.validate()?;
        config.check_saved(&self.config)?;
        self.ingest.check_times()?;
        self.judge.reconfigure(&config)?;
        self.incidents = self.incidents.reconfigure(&config)?;
        self.ingest.reconfigure(&config);
        self.config = config;
        let entities: Vec<EntityId> = self.names.entities.iter().map(|(id, _)| id).collect();
        for entity in entities {
            self.set_objective(entity);
        }
        Ok(self)
    }

    /// Applies the configuration to the scorers, if they were saved under another one.
    fn reconfigure_scorers(&mut self, saved: &PipelineConfig) {
        if self.config.scores_differently(saved) {
            self.judge.reconfigure_scorers(&self.config, &self.names);
        }
    }

    /// Whether anything was learnt of an entity.
    fn knows(&self, id: EntityId) -> bool {
        let has_series = || self.names.series.iter().any(|(_, name)| name.entity == id);
        self.judge.knows_requests(id) || has_series()
    }

    pub(super) fn entity_export(&self, id: EntityId) -> EntityExport {
        EntityExport::new(
            id,
            &self.config,
            &self.names,
            (&self.ingest, &self.judge, &self.incidents),
        )
    }

    fn put(&mut self, entity: &Entity, part: EntityExport) {
        let Self { config, names, ingest, judge, incidents, checkpointer, .. } = self;
        let is_other = config.scores_differently(part.config());
        let id = part.put(entity, names, (ingest, judge, incidents));
        if is_other {
            judge.reconfigure_entity(id, config, names);
        }
        checkpointer.mark_dirty([id]);
        self.set_objective(id);
    }

    /// Checks that there is room for more entities and series.
    fn check_room(&self, whose: &str, entities: usize, series: usize) -> Result<()> {
        let limits = &self.config.limits;
        for (field, used, more, limit) in [
            ("entities", self.names.entities.counted(), entities, limits.entities),
            ("series", self.names.series.len(), series, limits.series),
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

    fn delta(&self, dirty: &BTreeSet<EntityId>, tables: &Tables) -> Result<EncodedDelta> {
        let mut series: BTreeMap<EntityId, Vec<SeriesId>> = BTreeMap::new();
        for (id, name) in self.names.series.iter() {
            if dirty.contains(&name.entity) {
                series.entry(name.entity).or_default().push(id);
            }
        }
        let mut entities = Vec::with_capacity(dirty.len());
        for id in dirty {
            let part = tables.part(*id, series.get(id).map_or(&[], Vec::as_slice));
            let sealed = part.map(|part| envelope::seal(envelope::PIECE, &part)).transpose()?;
            entities.push((id.0, sealed));
        }
        let lengths = tables.lengths();
        let global = envelope::seal(envelope::GLOBAL, &Global { pipeline: self, lengths })?;
        Ok((global, entities))
    }

    fn put_tables(&mut self, tables: Tables) {
        let (states, rings, logs) = tables.into_parts();
        self.ingest.put_templates(logs);
        self.judge.put_states(states);
        self.incidents.put_rings(rings);
    }
}

/// The global part of a delta, and its entity parts.
type EncodedDelta = (Vec<u8>, Vec<(u32, Option<Vec<u8>>)>);

/// The encoded parts of all closed incidents, by id.
fn seal_incidents(closed: &ClosedIncidents) -> Result<Vec<(String, Vec<u8>)>> {
    let parts = closed.parts().into_iter();
    parts
        .map(|(id, part)| Ok((id.to_owned(), envelope::seal(envelope::INCIDENT, &part)?)))
        .collect()
}
