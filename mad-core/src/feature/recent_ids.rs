//! The most recent ids, by which repeated deliveries are recognised.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The most recent ids in order of arrival, saved as a list in that order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Arc<str>>", into = "Vec<Arc<str>>")]
pub(crate) struct RecentIds {
    order: VecDeque<Arc<str>>,
    seen: HashSet<Arc<str>>,
}

impl RecentIds {
    /// Whether an id is remembered.
    pub fn contains(&self, id: &str) -> bool {
        self.seen.contains(id)
    }

    /// Adds an id and returns whether it is new. Beyond `most` ids the oldest one is dropped.
    pub fn remember(&mut self, id: &str, most: usize) -> bool {
        if self.seen.contains(id) {
            return false;
        }
        let id: Arc<str> = id.into();
        self.seen.insert(Arc::clone(&id));
        self.order.push_back(id);
        if self.order.len() > most
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }
}

impl From<Vec<Arc<str>>> for RecentIds {
    fn from(order: Vec<Arc<str>>) -> Self {
        Self { seen: order.iter().map(Arc::clone).collect(), order: order.into() }
    }
}

impl From<RecentIds> for Vec<Arc<str>> {
    fn from(ids: RecentIds) -> Self {
        ids.order.into()
    }
}
