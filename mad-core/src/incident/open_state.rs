//! The open state of one entity, to move it from one grouper into another.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Incident, IncidentGrouper};
use crate::history::FlaggedRow;
use crate::series::{Entity, EntityId};

/// The open incident and the pending rows of one entity.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct OpenState {
    pending: Option<VecDeque<FlaggedRow>>,
    pub open: Option<Incident>,
}

impl IncidentGrouper {
    /// Takes out the open state of an entity.
    fn take_state(&mut self, entity: EntityId) -> OpenState {
        for leads in self.in_service.values_mut() {
            leads.remove(&entity);
        }
        OpenState { pending: self.pending.remove(&entity), open: self.open.remove(&entity) }
    }

    /// The open state of an entity.
    pub(crate) fn open_state(&self, entity: EntityId) -> OpenState {
        let pending = self.pending.get(&entity).cloned();
        OpenState { pending, open: self.open.get(&entity).cloned() }
    }

    /// Replaces the open state of an entity.
    pub(crate) fn put(&mut self, entity: EntityId, state: OpenState) {
        self.take_state(entity);
        let OpenState { pending, open } = state;
        if let Some(mut rows) = pending {
            for row in &mut rows {
                row.entity = entity;
            }
            self.pending.insert(entity, rows);
        }
        if let Some(incident) = open {
            self.place(&Arc::clone(&incident.entity.service), entity);
            self.open.insert(entity, Incident { entity_id: entity, ..incident });
        }
    }

    /// Takes out the closed incidents, in the order in which they closed.
    pub(crate) fn take_all_closed(&mut self) -> VecDeque<Incident> {
        std::mem::take(&mut self.closed)
    }

    /// Puts closed incidents in place of those that are here.
    pub(crate) fn put_closed(&mut self, closed: VecDeque<Incident>) {
        self.closed = closed;
    }

    /// The ids of the open incidents.
    pub(crate) fn open_ids(&self) -> BTreeSet<&str> {
        self.open.values().map(|incident| incident.id.as_str()).collect()
    }

    /// Takes over the closed incidents of another grouper.
    pub(crate) fn take_closed(
        &mut self,
        other: &mut Self,
        here: impl Fn(&Entity) -> Option<EntityId>,
    ) {
        for incident in &mut other.closed {
            incident.entity_id = here(&incident.entity).unwrap_or(incident.entity_id);
        }
        self.closed.append(&mut other.closed);
        let key = |incident: &Incident| (incident.closed_at, incident.entity.clone());
        self.closed.make_contiguous().sort_by_key(key);
        while self.closed.len() > self.keep_closed {
            self.closed.pop_front();
            self.closed_dropped += 1;
        }
    }
}
