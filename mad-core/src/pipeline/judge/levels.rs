//! Levels that become the baseline of their signals.

use std::sync::Arc;

use super::Judge;
use crate::error::{Error, Result};
use crate::pipeline::LevelAccepted;
use crate::pipeline::names::Names;
use crate::score::NewLevel;
use crate::series::{Entity, EntityId, Glob, Signal, SignalId, SignalName};
use crate::time::Timestamp;

/// The name of a signal that mad computes itself.
pub(super) fn signal_name(signal: SignalId) -> Option<SignalName> {
    signal.builtin().map(SignalName::from)
}

/// The event of a level that was accepted because it was stable and harmless for long enough.
pub(super) fn accepted(
    entity: &Arc<Entity>,
    signal: SignalName,
    at: Timestamp,
    level: NewLevel,
) -> LevelAccepted {
    let NewLevel { since, before, level } = level;
    let entity = Arc::clone(entity);
    LevelAccepted { entity, signal, at, since, before, level, by_command: false }
}

impl Judge {
    /// The levels that were accepted since this was last called.
    pub fn take_levels(&mut self) -> Vec<LevelAccepted> {
        std::mem::take(&mut self.levels)
    }

    /// Makes the present levels of anomalous signals the baseline. Returns the levels, and the
    /// entities that they belong to.
    pub fn accept_levels(
        &mut self,
        (service, endpoint, signal): (&Glob, &Glob, &Glob),
        at: Timestamp,
        names: &Names,
    ) -> Result<(Vec<LevelAccepted>, Vec<EntityId>)> {
        let is_meant = |entity: &Entity| {
            service.matches(&entity.service) && endpoint.matches(&entity.endpoint)
        };
        let (mut levels, mut entities) = (Vec::new(), Vec::new());
        for (id, entity) in names.entities.iter().filter(|(_, entity)| is_meant(entity)) {
            let Some(Some(state)) = self.rows.get_mut(id.index()) else { continue };
            let is_named =
                |id: SignalId| id.builtin().is_some_and(|one: Signal| signal.matches(one.as_str()));
            for (signal, level) in state.scorer.accept_levels(at, is_named) {
                let name = signal_name(signal);
                levels.extend(name.map(|name| accepted(entity, name, at, level)));
                entities.push(id);
            }
        }
        for (id, name) in names.series.iter().filter(|(_, name)| signal.matches(&name.metric)) {
            let entity = names.entities.get(name.entity).filter(|entity| is_meant(entity));
            let state = self.series.get_mut(id.index()).and_then(Option::as_mut);
            let (Some(entity), Some(state)) = (entity, state) else { continue };
            if let Some(level) = state.scorer.accept_level(at) {
                let metric = SignalName::Metric(Arc::clone(&name.metric));
                levels.push(accepted(entity, metric, at, level));
                entities.push(name.entity);
            }
        }
        if levels.is_empty() {
            return Err(Error::not_found(format!(
                "no signal of service = `{service}`, endpoint = `{endpoint}`, signal = `{signal}` \
                 has been anomalous for long enough to have a level"
            )));
        }
        for level in &mut levels {
            level.by_command = true;
        }
        Ok((levels, entities))
    }
}
