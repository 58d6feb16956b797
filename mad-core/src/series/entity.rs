//! What is judged: a service and one of its endpoints or resources.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What is judged: a service and one of its endpoints.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entity {
    /// The service.
    pub service: Arc<str>,
    /// The endpoint of a request log; the resource of a metric, empty for the service as a whole.
    pub endpoint: Arc<str>,
}

impl Entity {
    /// From its two names.
    pub fn new(service: &str, endpoint: &str) -> Self {
        Self { service: service.into(), endpoint: endpoint.into() }
    }

    /// The entity that takes what comes after the table is full.
    pub fn overflow() -> Self {
        Self::new("(other)", "(other)")
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.service)?;
        // a metric may be about the service as a whole
        if self.endpoint.is_empty() { Ok(()) } else { write!(f, " {}", self.endpoint) }
    }
}

/// Dense id of an entity within one table, in order of first appearance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntityId(pub u32);

impl EntityId {
    /// As an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Entities by id, at most `cap` of them and one more, `(other)`, for the rest.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "EntityList", into = "EntityList")]
pub struct EntityTable {
    cap: usize,
    entities: Vec<Entity>,
    by_name: HashMap<Arc<str>, HashMap<Arc<str>, EntityId>>,
    /// Entities by name: the order of rows within a step.
    order: Vec<EntityId>,
    overflow: Option<EntityId>,
    overflowed: u64,
}

#[derive(Clone, Serialize, Deserialize)]
struct EntityList {
    cap: usize,
    entities: Vec<Entity>,
    overflow: Option<EntityId>,
    overflowed: u64,
}

impl EntityTable {
    /// An empty table for `cap` entities.
    pub fn new(cap: usize) -> Self {
        Self { cap, ..Self::default() }
    }

    /// The id of an entity, new ones included while there is room.
    pub fn id(&mut self, service: &str, endpoint: &str) -> EntityId {
        if let Some(id) = self.find(service, endpoint) {
            return id;
        }
        let full = self.entities.len() - usize::from(self.overflow.is_some()) >= self.cap;
        if full {
            self.overflowed += 1;
            if let Some(id) = self.overflow {
                return id;
            }
            let other = Entity::overflow();
            // one that is called so already takes the rest in
            let known = self.find(&other.service, &other.endpoint);
            let id = known.unwrap_or_else(|| self.push(other));
            self.overflow = Some(id);
            return id;
        }
        self.push(Entity::new(service, endpoint))
    }

    /// The id of a known entity.
    pub fn find(&self, service: &str, endpoint: &str) -> Option<EntityId> {
        self.by_name.get(service)?.get(endpoint).copied()
    }

    /// The entity of an id.
    pub fn get(&self, id: EntityId) -> Option<&Entity> {
        self.entities.get(id.index())
    }

    /// All entities in order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (EntityId, &Entity)> {
        self.entities.iter().enumerate().map(|(i, entity)| (EntityId(i as u32), entity))
    }

    /// How many entities have an id, `(other)` included.
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// Whether nothing was seen yet.
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    /// Whether this is `(other)`.
    pub fn is_overflow(&self, id: EntityId) -> bool {
        self.overflow == Some(id)
    }

    /// Records that went to `(other)`.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Ids by service and endpoint.
    pub fn in_order(&self) -> &[EntityId] {
        &self.order
    }

    fn push(&mut self, entity: Entity) -> EntityId {
        let id = EntityId(self.entities.len() as u32);
        let place = self.order.partition_point(|known| self.get(*known) < Some(&entity));
        self.order.insert(place, id);
        let endpoints = self.by_name.entry(Arc::clone(&entity.service)).or_default();
        endpoints.insert(Arc::clone(&entity.endpoint), id);
        self.entities.push(entity);
        id
    }
}

impl From<EntityList> for EntityTable {
    fn from(list: EntityList) -> Self {
        let mut table =
            Self { overflow: list.overflow, overflowed: list.overflowed, ..Self::new(list.cap) };
        for entity in list.entities {
            table.push(entity);
        }
        table
    }
}

impl From<EntityTable> for EntityList {
    fn from(table: EntityTable) -> Self {
        let EntityTable { cap, entities, overflow, overflowed, .. } = table;
        Self { cap, entities, overflow, overflowed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_counts_what_it_puts_aside() {
        let mut table = EntityTable::new(2);
        let first = table.id("a", "/x");
        assert_eq!(table.id("a", "/x"), first);
        table.id("a", "/y");
        let other = table.id("b", "/z");
        assert_eq!(table.id("c", "/z"), other);
        assert_eq!(table.get(other), Some(&Entity::overflow()));
        assert_eq!((table.len(), table.overflowed()), (3, 2));
        assert_eq!(table.id("a", "/x"), first);
    }
}
