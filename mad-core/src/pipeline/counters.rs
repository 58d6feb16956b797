//! What was taken, flagged, held back and dropped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::guard::Reason;
use crate::time::Timestamp;

/// What was taken, flagged, held back and dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Requests taken.
    pub requests: u64,
    /// Requests taken that failed.
    pub errors: u64,
    /// Rows judged.
    pub rows: u64,
    /// Rows flagged.
    pub flagged: u64,
    /// Unlikely rows that were held back, by reason.
    pub suppressed: BTreeMap<Reason, u64>,
    /// Start of the first row.
    pub first: Option<Timestamp>,
    /// End of the newest row.
    pub last: Option<Timestamp>,
    /// Entities known, `(other)` included.
    pub entities: u64,
    /// Records that went to `(other)` because of [`Limits::entities`](crate::Limits::entities).
    pub entities_overflowed: u64,
    /// Latencies left out because of [`Limits::window_samples`](crate::Limits::window_samples).
    pub samples_dropped: u64,
    /// Flagged rows forgotten because of [`Limits::flagged_rows`](crate::Limits::flagged_rows).
    pub flagged_dropped: u64,
    /// Closed incidents forgotten because of
    /// [`Limits::closed_incidents`](crate::Limits::closed_incidents).
    pub incidents_dropped: u64,
}
