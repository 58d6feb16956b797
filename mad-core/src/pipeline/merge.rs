//! Pipelines that shared the work, made one.

use std::collections::HashSet;

use super::entity_export::{EntityExport, known_already};
use super::partition::Partition;
use super::{IncidentWindow, Pipeline};
use crate::culprit::Ranking;
use crate::error::{Error, Result};
use crate::history::FlaggedRow;
use crate::series::Entity;
use crate::time::Timestamp;

impl Pipeline {
    /// Takes over all that another pipeline knows, which judged other entities with the same config:
    /// the entities' state, incidents, flagged rows, counts. The rankings at the end of closed
    /// incidents are made again, over the flagged rows of both.
    ///
    /// Statistics of one entity in two pipelines cannot be made one: their windows are exact, and
    /// the order of the values is gone. So an entity belongs to one shard.
    ///
    /// # Errors
    ///
    /// The two have an entity in common, or another config of `features`, `score` or `limits`; one
    /// has steps that are not closed ([`finish`](Self::finish) or [`advance`](Self::advance) it
    /// first); together they exceed a limit. Nothing is taken over then.
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
    pub fn merge(&mut self, mut other: Self) -> Result<()> {
        self.config.check_shape(&other.config)?;
        let mut partitions = self.partitions.iter().chain(&other.partitions);
        if !partitions.all(Partition::is_at_rest) {
            return Err(Error::state(
                "a step is not closed: finish or advance both pipelines first",
            ));
        }
        let known = other.entities.iter().filter(|(id, _)| other.knows(*id));
        let parts: Vec<(Entity, EntityExport)> =
            known.map(|(id, entity)| (Entity::clone(entity), other.part(id))).collect();
        let names: HashSet<&Entity> = parts.iter().map(|(entity, _)| entity).collect();
        let here = self.entities.iter().filter(|(id, _)| self.knows(*id));
        if let Some((_, both)) = here.into_iter().find(|(_, entity)| names.contains(&***entity)) {
            return Err(known_already(both));
        }
        let new = names.iter().filter(|e| self.entities.find(&e.service, &e.endpoint).is_none());
        let series = parts.iter().map(|(_, part)| part.series()).sum();
        self.check_room("the other pipeline", new.count(), series)?;
        for (entity, part) in parts {
            self.put(&entity, part);
        }
        self.take_incidents(&mut other);
        let counters = other.counters();
        self.counters.add(&counters);
        self.rejections.merge(std::mem::take(&mut other.rejections));
        self.bucket = self.bucket.max(other.bucket);
        self.mutes.append(&mut other.mutes);
        self.mutes.truncate(self.config.limits.mutes);
        for batch in Vec::from(std::mem::take(&mut other.batches)) {
            self.batches.remember(&batch, self.config.limits.batch_ids);
        }
        let watermark = other.watermark();
        for partition in &mut self.partitions {
            partition.raise(watermark);
        }
        self.rank_again();
        Ok(())
    }

    /// Incidents that are closed, windows and flagged rows.
    fn take_incidents(&mut self, other: &mut Self) {
        let here = |entity: &Entity| self.entities.find(&entity.service, &entity.endpoint);
        for row in other.history.take_flagged() {
            if let Some(entity) = other.entities.get(row.entity).and_then(|name| here(name)) {
                self.history.push_flagged(FlaggedRow { entity, ..row });
            }
        }
        for (id, window) in std::mem::take(&mut other.windows) {
            let entity = other.entities.get(window.entity).and_then(|name| here(name));
            let entity = entity.unwrap_or(window.entity);
            self.windows.entry(id).or_insert(IncidentWindow { entity, ..window });
        }
        self.graph.absorb(other.graph.clone());
        self.profiles.absorb(&other.profiles);
        for change in other.history.take_changes() {
            self.history.push_change(change);
        }
        self.grouper.take_closed(&mut other.grouper, here);
        self.forget_windows();
    }

    /// Makes the rankings of closed incidents again, as far as their flagged rows are still there.
    fn rank_again(&mut self) {
        let incidents = self.grouper.incidents().into_iter();
        let closed = incidents.filter(|incident| incident.closed_at.is_some());
        let rankings: Vec<(String, Ranking)> =
            closed.map(|incident| (incident.id.clone(), self.rank_incident(incident))).collect();
        let whole = self.counters().flagged_dropped == 0;
        let oldest = self.history.flagged(Timestamp::MIN, Timestamp::MAX).next();
        let oldest = oldest.map(|row| row.bucket);
        for (id, ranking) in rankings {
            if (whole || oldest.is_some_and(|oldest| oldest <= ranking.from))
                && let Some(window) = self.windows.get_mut(&id)
            {
                window.ranking = Some(ranking);
            }
        }
    }
}
