//! The table of entities: dense ids, a cap, and fair shares of it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::entity::{Entity, EntityId, OTHER};
use super::name_hash::NameHash;

/// Places from which on a table has shares. Smaller tables are for a known number of entities.
const SHARED_FROM: usize = 1_000;
/// Endpoints of a service that may use the last tenth of the places.
const FEW_ENDPOINTS: usize = 16;

/// Entities by id: at most `cap` of them, and `(other)` for the rest.
///
/// An endpoint without a place goes to the endpoint `(other)` of its service if the service has an
/// entity, else to the one entity `(other) (other)`. These, and the services that
/// [`service`](Self::service) adds, do not count towards `cap`: there are never more of them than
/// services with an entity, so a table has at most `3 * cap + 1` entities.
///
/// From 1,000 places and half of them taken on, a service gets at most a quarter of the places, and
/// the last tenth is for services with fewer than 16 endpoints.
///
/// # Examples
///
/// ```
/// use mad_core::EntityTable;
///
/// let mut table = EntityTable::new(1);
/// let pay = table.id("payments", "/pay");
/// let other = table.id("cart", "/add");
/// assert!(!table.is_overflow(pay) && table.is_overflow(other));
/// ```
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "EntityList", into = "EntityList")]
pub struct EntityTable {
    cap: usize,
    entities: Vec<Option<Arc<Entity>>>,
    free: BTreeSet<EntityId>,
    by_name: HashMap<Arc<str>, OfService, NameHash>,
    /// Entities by name, which is the order of rows within a step.
    order: Vec<EntityId>,
    /// The entities `(other)`.
    overflow: BTreeSet<EntityId>,
    /// Services with rows across their endpoints.
    services: BTreeSet<EntityId>,
    /// Endpoints that share a learnt route and get no more requests.
    retired: BTreeSet<EntityId>,
    overflowed: u64,
}

/// The entities of one service.
#[derive(Debug, Clone, Default)]
struct OfService {
    by_endpoint: HashMap<Arc<str>, EntityId, NameHash>,
    /// How many of them do not count towards the cap.
    uncounted: usize,
}

impl OfService {
    fn counted(&self) -> usize {
        self.by_endpoint.len() - self.uncounted
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct EntityList {
    cap: usize,
    entities: Vec<Option<Arc<Entity>>>,
    overflow: BTreeSet<EntityId>,
    services: BTreeSet<EntityId>,
    retired: BTreeSet<EntityId>,
    overflowed: u64,
}

impl EntityTable {
    /// An empty table for `cap` entities.
    pub fn new(cap: usize) -> Self {
        Self { cap, ..Self::default() }
    }

    /// The id of an entity. A new entity gets its own while there is room.
    pub fn id(&mut self, service: &str, endpoint: &str) -> EntityId {
        if let Some(id) = self.find(service, endpoint) {
            return id;
        }
        if !self.has_room(service) {
            self.overflowed += 1;
            return self.other(service);
        }
        self.push(Entity::new(service, endpoint))
    }

    /// Whether a further endpoint of a service gets a place. In a large table that is half full a
    /// service has at most a quarter of the places, and the last tenth is for services with few
    /// endpoints, so that one service with a new path in every request keeps no other service out.
    fn has_room(&self, service: &str) -> bool {
        let (cap, counted) = (self.cap, self.counted());
        if cap < SHARED_FROM || counted < cap / 2 {
            return counted < cap;
        }
        let own = self.by_name.get(service).map_or(0, OfService::counted);
        counted < cap && own < cap / 4 && (counted < cap - cap / 10 || own < FEW_ENDPOINTS)
    }

    /// Whether nine tenths of the places are taken.
    pub fn is_nearly_full(&self) -> bool {
        self.counted() >= self.cap - self.cap / 10
    }

    /// The id of a service as a whole, for its rows across endpoints. It does not count towards the
    /// cap from then on.
    pub fn service(&mut self, service: &str) -> EntityId {
        let known = self.find(service, "");
        let id = known.unwrap_or_else(|| self.push(Entity::new(service, "")));
        if self.services.insert(id) {
            self.leave_uncounted(service);
        }
        id
    }

    /// The id of `(other)` for a service.
    fn other(&mut self, service: &str) -> EntityId {
        let is_known = self.by_name.contains_key(service);
        let other = if is_known { Entity::new(service, OTHER) } else { Entity::overflow() };
        // an entity with this name takes the rest too
        let known = self.find(&other.service, &other.endpoint);
        let service = Arc::clone(&other.service);
        let id = known.unwrap_or_else(|| self.push(other));
        if self.overflow.insert(id) {
            self.leave_uncounted(&service);
        }
        id
    }

    /// Notes that one more entity of a service does not count towards the cap.
    fn leave_uncounted(&mut self, service: &str) {
        if let Some(own) = self.by_name.get_mut(service) {
            own.uncounted += 1;
        }
    }

    /// Number of entities that count towards the cap.
    pub fn counted(&self) -> usize {
        self.order.len() - self.overflow.len() - self.services.len() - self.retired.len()
    }

    /// Retires an endpoint whose requests go to another one from now on. It does not count towards
    /// the cap.
    pub(crate) fn retire(&mut self, id: EntityId) {
        let entity = self.get(id).filter(|entity| !entity.is_service());
        if let Some(service) = entity.map(|entity| Arc::clone(&entity.service))
            && !self.is_overflow(id)
            && self.retired.insert(id)
        {
            self.leave_uncounted(&service);
        }
    }

    /// Whether the requests of an endpoint go to another one.
    pub fn is_retired(&self, id: EntityId) -> bool {
        self.retired.contains(&id)
    }

    /// The id of a known entity.
    pub fn find(&self, service: &str, endpoint: &str) -> Option<EntityId> {
        self.by_name.get(service)?.by_endpoint.get(endpoint).copied()
    }

    /// The entity of an id.
    pub fn get(&self, id: EntityId) -> Option<&Arc<Entity>> {
        self.entities.get(id.index())?.as_ref()
    }

    /// All entities in order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (EntityId, &Arc<Entity>)> {
        let ids = (0..).map(EntityId);
        ids.zip(&self.entities).filter_map(|(id, entity)| Some((id, entity.as_ref()?)))
    }

    /// Number of entities with an id, those that do not count towards the cap included.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// One more than the largest id ever given.
    pub fn slots(&self) -> usize {
        self.entities.len()
    }

    /// Forgets entities. Their ids are given to others. `(other)` stays.
    pub fn forget(&mut self, gone: &BTreeSet<EntityId>) {
        let Self { order, entities, by_name, free, overflow, services, retired, .. } = self;
        for id in gone.iter().filter(|id| !overflow.contains(id)) {
            let is_uncounted = services.remove(id) | retired.remove(id);
            let slot = entities.get_mut(id.index());
            let Some(entity) = slot.and_then(Option::take) else { continue };
            if let Some(own) = by_name.get_mut(&entity.service) {
                own.by_endpoint.remove(&entity.endpoint);
                own.uncounted -= usize::from(is_uncounted);
                if own.by_endpoint.is_empty() {
                    by_name.remove(&entity.service);
                }
            }
            free.insert(*id);
        }
        order.retain(|id| entities.get(id.index()).is_some_and(Option::is_some));
    }

    /// Whether there are no entities.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Whether this is `(other)`, of a service or of all.
    pub fn is_overflow(&self, id: EntityId) -> bool {
        self.overflow.contains(&id)
    }

    /// Number of services that [`service`](Self::service) was called for.
    pub fn services(&self) -> usize {
        self.services.len()
    }

    /// Records that went to `(other)`.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// The ids of a service's entities by endpoint.
    pub fn of_service<'a>(&'a self, service: &'a str) -> impl Iterator<Item = EntityId> + 'a {
        let name = |id: &EntityId| self.get(*id).map(|entity| &*entity.service);
        let first = self.order.partition_point(|id| name(id) < Some(service));
        let rest = self.order.iter().skip(first);
        rest.take_while(move |id| name(id) == Some(service)).copied()
    }

    /// Ids by service and endpoint.
    pub fn in_order(&self) -> &[EntityId] {
        &self.order
    }

    fn push(&mut self, entity: Entity) -> EntityId {
        let id = self.free.pop_first().unwrap_or(EntityId(self.entities.len() as u32));
        self.put(id, Arc::new(entity));
        id
    }

    fn put(&mut self, id: EntityId, entity: Arc<Entity>) {
        let place = self.order.partition_point(|known| self.get(*known) < Some(&entity));
        self.order.insert(place, id);
        let is_uncounted = [&self.overflow, &self.services, &self.retired]
            .iter()
            .any(|uncounted| uncounted.contains(&id));
        let own = self.by_name.entry(Arc::clone(&entity.service)).or_default();
        own.by_endpoint.insert(Arc::clone(&entity.endpoint), id);
        own.uncounted += usize::from(is_uncounted);
        if self.entities.len() <= id.index() {
            self.entities.resize(id.index() + 1, None);
        }
        if let Some(slot) = self.entities.get_mut(id.index()) {
            *slot = Some(entity);
        }
    }
}

impl From<EntityList> for EntityTable {
    fn from(list: EntityList) -> Self {
        let EntityList { cap, overflow, services, retired, overflowed, .. } = list;
        let mut table = Self { overflow, services, retired, overflowed, ..Self::new(cap) };
        table.entities.resize(list.entities.len(), None);
        for (id, entity) in (0..).map(EntityId).zip(list.entities) {
            match entity {
                Some(entity) => table.put(id, entity),
                None => drop(table.free.insert(id)),
            }
        }
        table
    }
}

impl From<EntityTable> for EntityList {
    fn from(table: EntityTable) -> Self {
        let EntityTable { cap, entities, overflow, services, retired, overflowed, .. } = table;
        Self { cap, entities, overflow, services, retired, overflowed }
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
        assert_eq!(table.get(other).map(|entity| &**entity), Some(&Entity::overflow()));
        assert_eq!((table.len(), table.overflowed()), (3, 2));
        assert_eq!(table.id("a", "/x"), first);
    }

    #[test]
    fn a_full_table_keeps_the_service_of_an_endpoint() {
        let mut table = EntityTable::new(2);
        table.id("a", "/x");
        table.id("b", "/x");
        let service = table.service("a");
        assert_eq!((table.counted(), table.services(), table.service("a")), (2, 1, service));
        let other = table.id("a", "/y");
        assert_eq!((table.id("a", "/z"), table.is_overflow(other)), (other, true));
        assert_eq!(table.get(other).map(|entity| &**entity), Some(&Entity::new("a", "(other)")));
        assert_ne!(table.id("b", "/y"), other);
        let saved = EntityTable::from(EntityList::from(table.clone()));
        assert_eq!((saved.counted(), saved.is_overflow(other)), (2, true));
        table.forget(&BTreeSet::from([service]));
        assert_eq!((table.services(), table.counted(), table.len()), (0, 2, 4));
    }

    #[test]
    fn one_service_leaves_room_for_others() {
        let mut table = EntityTable::new(1_000);
        let mut own = 0;
        for place in 0..3_000 {
            let id = table.id("flood", &format!("/{place}"));
            own += usize::from(!table.is_overflow(id));
        }
        assert_eq!(own, 500);
        for place in 0..100 {
            let id = table.id(&format!("new-{place}"), "/");
            assert!(!table.is_overflow(id), "{place}");
        }
        let more = table.id("flood", "/more");
        assert_eq!(table.get(more).map(|one| &*one.endpoint), Some(OTHER));
    }

    #[test]
    fn retired_endpoints_and_service_rows_take_no_share() {
        let mut table = EntityTable::new(1_000);
        table.service("shop");
        for place in 0..400 {
            let id = table.id("shop", &format!("/old-{place}"));
            table.retire(id);
        }
        for place in 0..600 {
            table.id(&format!("service-{place}"), "/");
        }
        let saved = EntityTable::from(EntityList::from(table.clone()));
        for mut table in [table, saved] {
            let fits = |table: &mut EntityTable, place: usize| {
                let id = table.id("shop", &format!("/new-{place}"));
                !table.is_overflow(id)
            };
            assert_eq!((0..300).filter(|place| fits(&mut table, *place)).count(), 250);
            let gone: Vec<EntityId> = table.of_service("shop").collect();
            table.forget(&gone.into_iter().collect());
            assert_eq!((0..300).filter(|place| fits(&mut table, *place)).count(), 250);
        }
    }

    #[test]
    fn a_forgotten_entity_makes_room() {
        let mut table = EntityTable::new(2);
        let first = table.id("a", "/x");
        table.id("a", "/y");
        let other = table.id("b", "/z");
        for _ in 0..2 {
            table.forget(&BTreeSet::from([first, other]));
            assert_eq!((table.find("a", "/x"), table.get(first), table.len()), (None, None, 2));
        }
        let saved = EntityTable::from(EntityList::from(table.clone()));
        for mut table in [table, saved] {
            assert_eq!(table.id("b", "/z"), first);
            assert_eq!((table.len(), table.slots()), (3, 3));
            let names: Vec<String> = table
                .in_order()
                .iter()
                .filter_map(|id| Some(table.get(*id)?.to_string()))
                .collect();
            assert_eq!(names, ["(other) (other)", "a /y", "b /z"]);
        }
    }
}
