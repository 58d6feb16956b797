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
    /// Points of metrics judged.
    pub points: u64,
    /// Points of metrics flagged.
    pub flagged_points: u64,
    /// Unlikely rows and points that were held back, by reason.
    pub suppressed: BTreeMap<Reason, u64>,
    /// Start of the first row.
    pub first: Option<Timestamp>,
    /// End of the newest row.
    pub last: Option<Timestamp>,
    /// Entities known, `(other)` included.
    pub entities: u64,
    /// Series of metrics known.
    pub series: u64,
    /// Points not judged because of [`Limits::series`](crate::Limits::series).
    pub points_overflowed: u64,
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

impl Counters {
    /// A row or point that lasts from `start` to `end` was judged.
    pub(super) fn saw(&mut self, start: Timestamp, end: Timestamp) {
        self.first = Some(self.first.map_or(start, |first| first.min(start)));
        self.last = self.last.max(Some(end));
    }
}
