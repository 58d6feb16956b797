//! Counts of records, rows, flagged and suppressed rows, and of everything dropped at a limit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::guard::Reason;
use crate::time::Timestamp;

/// Counts of a pipeline since it was made, or since its backfill ended.
///
/// # Examples
///
/// ```
/// use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
///
/// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
/// let at = Timestamp::from_seconds(0);
/// pipeline.ingest([
///     Request::new(at, "payments", "/pay", 200, 80.0),
///     Request::new(at, "payments", "/pay", 503, 80.0),
/// ]);
/// pipeline.finish();
/// let counters = pipeline.counters();
/// assert_eq!((counters.requests, counters.errors, counters.rows), (2, 1, 1));
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Accepted requests.
    pub requests: u64,
    /// Accepted requests that failed.
    pub errors: u64,
    /// Judged rows of requests.
    pub rows: u64,
    /// Flagged rows of requests.
    pub flagged: u64,
    /// Accepted log lines.
    pub lines: u64,
    /// Judged points of metrics.
    pub points: u64,
    /// Flagged points of metrics.
    pub flagged_points: u64,
    /// Unlikely rows and points that were suppressed, by reason.
    pub suppressed: BTreeMap<Reason, u64>,
    /// Start of the first row.
    pub first: Option<Timestamp>,
    /// End of the newest row.
    pub last: Option<Timestamp>,
    /// Known entities, `(other)` included.
    pub entities: u64,
    /// Known series of metrics.
    pub series: u64,
    /// Points not judged because of [`Limits::series`](crate::Limits::series).
    pub points_overflowed: u64,
    /// Points that were merged with others of their series and time, because several senders use the
    /// same names. Their mean is judged.
    pub points_merged: u64,
    /// Records that went to `(other)` because of [`Limits::entities`](crate::Limits::entities).
    pub entities_overflowed: u64,
    /// Batches that were sent again and skipped.
    pub batches_repeated: u64,
    /// Entities forgotten because of [`Limits::idle_seconds`](crate::Limits::idle_seconds).
    pub entities_forgotten: u64,
    /// Series forgotten because of [`Limits::idle_seconds`](crate::Limits::idle_seconds).
    pub series_forgotten: u64,
    /// Latencies that were not sampled because of [`Limits::window_samples`](crate::Limits::window_samples).
    pub samples_dropped: u64,
    /// Flagged rows forgotten because of [`Limits::flagged_rows`](crate::Limits::flagged_rows).
    pub flagged_dropped: u64,
    /// Closed incidents forgotten because of
    /// [`Limits::closed_incidents`](crate::Limits::closed_incidents).
    pub incidents_dropped: u64,
}

impl Counters {
    /// Adds the counts of another pipeline, except those of known entities and series.
    pub(super) fn add(&mut self, other: &Self) {
        for (here, there) in [
            (&mut self.requests, other.requests),
            (&mut self.errors, other.errors),
            (&mut self.rows, other.rows),
            (&mut self.flagged, other.flagged),
            (&mut self.lines, other.lines),
            (&mut self.points, other.points),
            (&mut self.flagged_points, other.flagged_points),
            (&mut self.points_overflowed, other.points_overflowed),
            (&mut self.points_merged, other.points_merged),
            (&mut self.entities_overflowed, other.entities_overflowed),
            (&mut self.batches_repeated, other.batches_repeated),
            (&mut self.entities_forgotten, other.entities_forgotten),
            (&mut self.series_forgotten, other.series_forgotten),
            (&mut self.samples_dropped, other.samples_dropped),
            (&mut self.flagged_dropped, other.flagged_dropped),
            (&mut self.incidents_dropped, other.incidents_dropped),
        ] {
            *here += there;
        }
        for (reason, count) in &other.suppressed {
            *self.suppressed.entry(*reason).or_default() += count;
        }
        self.first = self.first.into_iter().chain(other.first).min();
        self.last = self.last.max(other.last);
    }

    /// Extends the range of judged rows by one that lasts from `start` to `end`.
    pub(super) fn saw(&mut self, start: Timestamp, end: Timestamp) {
        self.first = Some(self.first.map_or(start, |first| first.min(start)));
        self.last = self.last.max(Some(end));
    }
}
