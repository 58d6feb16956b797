//! What a ranking reads beside flagged rows: calls, changes and rankings over metrics.

use std::sync::Arc;

use super::ranking::Evidence;
use crate::series::EntityId;
use crate::telemetry::ChangeEvent;
use crate::time::Timestamp;

/// What a [`CulpritRanker`](super::CulpritRanker) reads beside flagged rows.
///
/// `()` is the empty context: no calls and no changes are known.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use mad_core::{ChangeEvent, RankingContext, ServiceGraph, Timestamp};
///
/// /// Calls from a service graph, without changes.
/// struct Calls(ServiceGraph);
///
/// impl RankingContext for Calls {
///     fn callees(&self, service: &str) -> Vec<Arc<str>> {
///         self.0.callees(service)
///     }
///
///     fn changes(&self, _: &str, _: Timestamp, _: Timestamp) -> Vec<ChangeEvent> {
///         Vec::new()
///     }
/// }
/// ```
pub trait RankingContext {
    /// The services that a service calls.
    fn callees(&self, service: &str) -> Vec<Arc<str>>;
    /// The changes of a service from `from` to `to`, the likeliest cause first: deploys, then feature
    /// flags, then others, each the newest first.
    fn changes(&self, service: &str, from: Timestamp, to: Timestamp) -> Vec<ChangeEvent>;
    /// The score of a service in a ranking over metrics, relative to the first of that ranking: 0
    /// to 1. `None` if its metrics were not ranked.
    fn metric_share(&self, _service: &str) -> Option<f64> {
        None
    }
    /// The number of rows of an entity right after this evidence, until `to`, that persist without a
    /// flag: their latency or errors are still beyond the middle between the expected value and the
    /// evidence. A young baseline soon learns such rows as normal.
    fn persisting_rows(&self, _entity: EntityId, _evidence: &Evidence, _to: Timestamp) -> u64 {
        0
    }
    /// Whether the row of an entity before its first flagged one was judged. Rows of the warm-up are not,
    /// so that its anomaly may have begun before `first`.
    fn is_onset_known(&self, _entity: EntityId, _first: Timestamp) -> bool {
        true
    }
    /// Start of the first row of an entity with a failure, if at least a quarter of its requests have
    /// failed from there to `first`; else `first`.
    fn failing_since(&self, _entity: EntityId, first: Timestamp) -> Timestamp {
        first
    }
    /// Whether an entity belongs to another incident whose services do not call those of the ranked one.
    fn in_other_incident(&self, _entity: EntityId) -> bool {
        false
    }
}

/// The empty context.
impl RankingContext for () {
    fn callees(&self, _: &str) -> Vec<Arc<str>> {
        Vec::new()
    }

    fn changes(&self, _: &str, _: Timestamp, _: Timestamp) -> Vec<ChangeEvent> {
        Vec::new()
    }
}
