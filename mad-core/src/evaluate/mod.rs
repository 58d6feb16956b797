//! Evaluates detection results: precision, recall, delay and culprit rank for a known truth.
//!
//! # What counts
//!
//! *Rows.* A row covers `[bucket, bucket + step)`. It is **expected** when that overlaps the
//! `[start, end)` of a true incident of its entity, so an incident's first and last partial steps
//! belong to it. It is **ignored** when it is not expected and its entity is only
//! [`affected`](TruthIncident::affected) by an incident that it overlaps: a flag there is neither
//! right nor wrong. Every other row is normal. A step without requests has no row and counts
//! nowhere. No point adjustment: each row counts for itself.
//!
//! *Incidents.* A true incident is **found** when a detected incident of its entity overlaps it,
//! else missed. A detected incident is false when it overlaps no true incident of its entity,
//! unless its entity is affected by a true incident that it overlaps: then it is ignored. An incident
//! at an affected entity that ranks the entity at fault first finds the true incident. The service
//! as a whole stands for its endpoints. Several
//! detected incidents inside a true one find it once and earn nothing more.
//!
//! *Kinds.* Requests, metrics, logs, events and traces are counted apart too. A true incident whose kind
//! is `request`, `metric`, `log`, `event` or `trace` is expected in telemetry of that kind only. The
//! endpoint of a metric's incident is its resource or its name. The counts of rows are those of
//! requests, or of points where there are no requests.
//!
//! *Methods.* The judgements of other methods are counted by method and kind. A judgement is about all
//! signals of a row: a row of metrics without a resource is expected by an incident of any of its
//! service's metrics.
//!
//! *Delay* is counted from the start of the true incident to the moment at which the detector
//! first reported it.

mod evaluation;
mod evaluator;
mod scores;
mod telemetry;
mod truth;

pub use evaluation::{Culprits, Evaluation, IncidentCounts, RowCounts, TruthOutcome};
pub use evaluator::{EvaluatedIncident, EvaluatedRow, Evaluator, evaluate};
pub use scores::Scores;
pub use telemetry::{JudgedKind, KindCounts, MethodCounts};
pub use truth::{Truth, TruthIncident};
