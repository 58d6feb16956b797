//! Entities and series that fell silent for long are forgotten, so that new ones have room.

use std::collections::BTreeSet;

use super::Pipeline;
use crate::series::{EntityId, SeriesId};
use crate::time::SECOND;

/// How often is looked, in event time.
const EVERY: i64 = 3600 * SECOND;

impl Pipeline {
    /// Forgets what has been idle for [`Limits::idle_seconds`](crate::Limits::idle_seconds), at the
    /// full hours of event time.
    pub(super) fn sweep(&mut self) {
        let Some(at) = self.clock() else { return };
        let hour = at.floor(EVERY);
        if self.swept.replace(hour).is_none_or(|swept| swept >= hour) {
            return;
        }
        let idle_since = at.plus(-(self.config.limits.idle_seconds as i64).saturating_mul(SECOND));
        self.graph.forget(idle_since);
        self.mutes.retain(|mute| mute.to.is_none_or(|to| to > idle_since));
        let mut entities: BTreeSet<EntityId> = self.grouper.open_entities().collect();
        let mut series: BTreeSet<SeriesId> = BTreeSet::new();
        for point in &self.closed_points {
            series.insert(point.series);
        }
        for partition in &self.partitions {
            entities.extend(partition.features.in_flight());
            entities.extend(partition.logs.in_flight());
            for (entity, id) in partition.metrics.in_flight() {
                entities.insert(entity);
                series.insert(id);
            }
        }
        let silent: BTreeSet<SeriesId> = self
            .series_names
            .iter()
            .filter(|(id, name)| {
                !series.contains(id) && self.grouper.open_of(name.entity).is_none()
            })
            .filter(|(id, _)| {
                let state = self.series.get(id.index()).and_then(Option::as_ref);
                state.is_none_or(|state| state.last < idle_since)
            })
            .map(|(id, _)| id)
            .collect();
        let alive = self.series_names.iter().filter(|(id, _)| !silent.contains(id));
        entities.extend(alive.map(|(_, name)| name.entity));
        let gone: BTreeSet<EntityId> = self
            .entities
            .iter()
            .filter(|(id, _)| !entities.contains(id) && !self.entities.is_overflow(*id))
            .filter(|(id, _)| {
                let state = self.rows.get(id.index()).and_then(Option::as_ref);
                state.is_none_or(|state| state.last < idle_since)
            })
            .map(|(id, _)| id)
            .collect();
        self.forget(&gone, &silent);
    }

    fn forget(&mut self, entities: &BTreeSet<EntityId>, series: &BTreeSet<SeriesId>) {
        if entities.is_empty() && series.is_empty() {
            return;
        }
        self.counters.entities_forgotten += entities.len() as u64;
        self.counters.series_forgotten += series.len() as u64;
        let of_series = series.iter().filter_map(|id| Some(self.series_names.get(*id)?.entity));
        self.dirty.extend(of_series.chain(entities.iter().copied()));
        for partition in &mut self.partitions {
            partition.features.forget(entities);
            partition.metrics.forget(entities, series);
            partition.logs.forget(entities);
        }
        for id in entities {
            if let Some(state) = self.rows.get_mut(id.index()) {
                *state = None;
            }
            self.rules.remove(id);
            self.open_windows.remove(id);
        }
        for id in series {
            if let Some(state) = self.series.get_mut(id.index()) {
                *state = None;
            }
        }
        self.history.forget(entities, series);
        self.grouper.forget(entities);
        self.series_names.forget(series);
        self.entities.forget(entities);
    }
}
