//! The table of series of metrics: one series for each entity and metric.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::name_hash::NameHash;
use super::{EntityId, EntityTable};

/// Dense id of a series within one table, in order of first appearance. The id of a forgotten series
/// is given to another one.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct SeriesId(pub u32);

impl SeriesId {
    /// The id as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The entity and the metric of a series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesName {
    /// The entity.
    pub entity: EntityId,
    /// The metric.
    pub metric: Arc<str>,
}

/// Series by id, at most `cap` of them.
///
/// # Examples
///
/// ```
/// use mad_core::{EntityTable, SeriesTable};
///
/// let mut entities = EntityTable::new(10);
/// let mut series = SeriesTable::new(1);
/// let db = entities.id("db", "");
/// let cpu = series.id(db, "cpu", &entities);
/// assert!(cpu.is_some());
/// assert_eq!(series.id(db, "memory", &entities), None); // the table is full
/// ```
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "SeriesList", into = "SeriesList")]
pub struct SeriesTable {
    cap: usize,
    series: Vec<Option<SeriesName>>,
    free: BTreeSet<SeriesId>,
    by_metric: HashMap<Arc<str>, HashMap<EntityId, SeriesId, NameHash>, NameHash>,
    /// Series in the order of service, resource and metric.
    order: Vec<SeriesId>,
    /// Place of each series in `order`; empty after `order` has changed.
    ranks: Vec<u32>,
    /// The series that followed each series the last time. Sources send their series in rounds, so it is
    /// a good guess.
    following: Vec<SeriesId>,
    last: SeriesId,
}

#[derive(Clone, Serialize, Deserialize)]
struct SeriesList {
    cap: usize,
    series: Vec<Option<SeriesName>>,
    order: Vec<SeriesId>,
}

impl SeriesTable {
    /// An empty table for `cap` series.
    pub fn new(cap: usize) -> Self {
        Self { cap, ..Self::default() }
    }

    /// The id of a series. A new series gets one while there is room.
    pub fn id(&mut self, entity: EntityId, metric: &str, names: &EntityTable) -> Option<SeriesId> {
        if let Some(id) = self.find(entity, metric) {
            return Some(id);
        }
        if self.len() >= self.cap {
            return None;
        }
        let known = self.by_metric.get_key_value(metric);
        let metric = known.map_or_else(|| metric.into(), |(known, _)| Arc::clone(known));
        let id = self.free.pop_first().unwrap_or(SeriesId(self.series.len() as u32));
        self.put(id, SeriesName { entity, metric });
        let named = |id: SeriesId| {
            let name = self.get(id)?;
            Some((names.get(name.entity)?, &name.metric))
        };
        let place = self.order.partition_point(|known| named(*known) < named(id));
        self.order.insert(place, id);
        self.ranks.clear();
        Some(id)
    }

    /// Forgets series. Their ids are given to others.
    pub fn forget(&mut self, gone: &BTreeSet<SeriesId>) {
        for id in gone {
            let slot = self.series.get_mut(id.index());
            let Some(name) = slot.and_then(Option::take) else { continue };
            if let Some(entities) = self.by_metric.get_mut(&name.metric) {
                entities.remove(&name.entity);
                if entities.is_empty() {
                    self.by_metric.remove(&name.metric);
                }
            }
            self.free.insert(*id);
        }
        let Self { order, series, .. } = self;
        order.retain(|id| series.get(id.index()).is_some_and(Option::is_some));
        self.ranks.clear();
    }

    /// The series of these names, if it is the one that followed the last series before.
    pub(crate) fn guess(
        &self,
        (service, resource, metric): (&str, &str, &str),
        names: &EntityTable,
    ) -> Option<(EntityId, SeriesId)> {
        let id = *self.following.get(self.last.index())?;
        let name = self.get(id)?;
        let entity = names.get(name.entity)?;
        let same =
            *name.metric == *metric && *entity.service == *service && *entity.endpoint == *resource;
        same.then_some((name.entity, id))
    }

    /// Notes the series of a record, from which the next guess starts.
    pub(crate) fn came(&mut self, id: SeriesId) {
        if self.following.len() < self.series.len() {
            self.following.resize(self.series.len(), SeriesId::default());
        }
        if let Some(following) = self.following.get_mut(self.last.index()) {
            *following = id;
        }
        self.last = id;
    }

    /// The id of a known series.
    pub fn find(&self, entity: EntityId, metric: &str) -> Option<SeriesId> {
        self.by_metric.get(metric)?.get(&entity).copied()
    }

    /// The name of a series.
    pub fn get(&self, id: SeriesId) -> Option<&SeriesName> {
        self.series.get(id.index())?.as_ref()
    }

    /// Most series.
    pub(crate) const fn cap(&self) -> usize {
        self.cap
    }

    /// Number of series.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// One more than the largest id ever given.
    pub fn slots(&self) -> usize {
        self.series.len()
    }

    /// Whether no series is known.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// All series in the order of service, resource and metric.
    pub fn iter(&self) -> impl Iterator<Item = (SeriesId, &SeriesName)> {
        self.order.iter().filter_map(|id| Some((*id, self.get(*id)?)))
    }

    /// The place of each series in that order, by id.
    pub(crate) fn ranks(&mut self) -> &[u32] {
        if self.ranks.is_empty() {
            self.ranks.resize(self.series.len(), u32::MAX);
            for (place, id) in (0..).zip(&self.order) {
                if let Some(rank) = self.ranks.get_mut(id.index()) {
                    *rank = place;
                }
            }
        }
        &self.ranks
    }

    fn put(&mut self, id: SeriesId, name: SeriesName) {
        self.by_metric.entry(Arc::clone(&name.metric)).or_default().insert(name.entity, id);
        if self.series.len() <= id.index() {
            self.series.resize(id.index() + 1, None);
        }
        if let Some(slot) = self.series.get_mut(id.index()) {
            *slot = Some(name);
        }
    }
}

impl From<SeriesList> for SeriesTable {
    fn from(list: SeriesList) -> Self {
        let mut table = Self { order: list.order, ..Self::new(list.cap) };
        table.series.resize(list.series.len(), None);
        for (id, name) in (0..).map(SeriesId).zip(list.series) {
            match name {
                Some(name) => table.put(id, name),
                None => drop(table.free.insert(id)),
            }
        }
        table
    }
}

impl From<SeriesTable> for SeriesList {
    fn from(table: SeriesTable) -> Self {
        let SeriesTable { cap, series, order, .. } = table;
        Self { cap, series, order }
    }
}
