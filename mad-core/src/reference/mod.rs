//! The reference system: its numbers, reproduced exactly.
//!
//! One signal, the p95 of latency in each minute, judged per service and endpoint against one
//! median and one MAD over the whole file. So every row is judged in hindsight: this module is here
//! to reproduce and to compare, not to detect. It is the only place in the crate that looks ahead.
//!
//! [`detect`] reads all requests, holds their latencies (8 bytes each) and gives a
//! [`ReferenceReport`]: the scored rows, the incidents grouped from them, the culprit of a time
//! window, the metrics behind an explanation, and the original's two files. Serialized, every part
//! has the original's field names and its times without a zone (in UTC).

mod config;
mod culprit;
mod detect;
mod explain;
mod files;
mod incident;
mod row;

pub use config::ReferenceConfig;
pub use culprit::{ReferenceCulprit, ReferenceRanking};
pub use detect::{ReferenceReport, detect};
pub use explain::{ReferenceExplanation, ReferenceMetrics};
pub use incident::ReferenceIncident;
pub use row::ReferenceRow;
