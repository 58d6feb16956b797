//! The health state of an entity or metric with its reason, and its form in files.

use std::sync::Arc;

use serde::Serialize;

use super::HealthState;
use crate::series::Entity;
use crate::time::Timestamp;

/// The health state of an entity or of one of its metrics, with the reason.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityStatus {
    /// The entity.
    pub entity: Entity,
    /// The metric; none for the requests of an entity.
    pub metric: Option<Arc<str>>,
    /// The state.
    pub state: HealthState,
    /// The reason: one sentence without a full stop.
    pub reason: String,
    /// Number of learnt points.
    pub points: u64,
    /// Start of the state, as far back as rows are kept.
    pub since: Timestamp,
    /// When it will be judged, about, if it is [`Unknown`](HealthState::Unknown): the end of its
    /// warm-up, or the time by which it will have enough points at its usual pace, whichever is
    /// later. None in other states.
    pub ready_at: Option<Timestamp>,
    /// Start of its newest row.
    pub last_seen: Timestamp,
    /// Score of its newest row, 0 to 1.
    pub score: f64,
    /// Health of its newest row of requests: 100, less 50 times the share of errors, less 30 when the
    /// median latency is more than twice the middle of its expected band. 0 for an entity with regular
    /// requests that has stopped. None for a metric.
    pub health: Option<f64>,
}

/// A state in files and reports.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct StateDocument {
    pub service: String,
    pub endpoint: String,
    pub metric: String,
    pub state: &'static str,
    pub reason: String,
    pub points: u64,
    pub since: String,
    pub last_seen: String,
    pub score: f64,
    pub ready_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<f64>,
}

impl From<EntityStatus> for StateDocument {
    fn from(status: EntityStatus) -> Self {
        Self {
            service: status.entity.service.to_string(),
            endpoint: status.entity.endpoint.to_string(),
            metric: status.metric.map(|name| name.to_string()).unwrap_or_default(),
            state: status.state.as_str(),
            reason: status.reason,
            points: status.points,
            since: status.since.to_string(),
            last_seen: status.last_seen.to_string(),
            score: status.score,
            ready_at: status.ready_at.map(|at| at.to_string()),
            health: status.health,
        }
    }
}
