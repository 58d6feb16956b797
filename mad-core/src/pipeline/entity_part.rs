//! The saved form of the learnt state of one entity, for delta checkpoints and exports.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::judge::{EntityState, SeriesState};
use crate::feature::ServiceLogs;
use crate::history::HistoryRing;
use crate::score::JointScorer;

/// The learnt state of one entity. A delta names its series by id, an export by name (`K`). The parts
/// are borrowed when they are saved, and owned when they were read.
#[derive(Serialize, Deserialize)]
pub(super) struct EntityPart<'a, K> {
    /// The state of its requests.
    pub rows: Option<Cow<'a, EntityState>>,
    /// How its metrics move together.
    pub joint: Option<Cow<'a, JointScorer>>,
    /// Its recent rows; `None` without any.
    pub recent: Option<Cow<'a, HistoryRing>>,
    pub series: Vec<SeriesPart<'a, K>>,
    /// The templates of its log, by the number of the partition.
    pub logs: Vec<(u32, Cow<'a, ServiceLogs>)>,
}

/// The learnt state of one series of the entity.
#[derive(Serialize, Deserialize)]
pub(super) struct SeriesPart<'a, K> {
    pub id: K,
    pub state: Option<Cow<'a, SeriesState>>,
    /// Its recent points; `None` without any.
    pub points: Option<Cow<'a, HistoryRing>>,
}

impl<K> EntityPart<'_, K> {
    /// Whether nothing was learnt.
    pub fn is_empty(&self) -> bool {
        self.rows.is_none()
            && self.joint.is_none()
            && self.recent.is_none()
            && self.series.is_empty()
            && self.logs.is_empty()
    }
}

/// Rows or points as a part; `None` without any.
pub(super) fn filled(ring: HistoryRing) -> Option<Cow<'static, HistoryRing>> {
    (!ring.is_empty()).then_some(Cow::Owned(ring))
}
