//! Whether the time of a request is its start or its end, and the step that it counts in.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Request;
use crate::time::{Timestamp, nanos_of};

/// Longest request that is dated by its completion, nanoseconds: one day. A longer duration is
/// more likely a wrong unit, and such a request counts at its own time.
const LONGEST: f64 = 86_400e9;

/// What the time of a request says: when it began or when it ended.
///
/// # Examples
///
/// ```
/// use mad_core::telemetry::RequestTime;
/// use mad_core::{Request, Timestamp};
///
/// let request = Request::new(Timestamp::from_seconds(100), "payments", "/pay", 504, 90_000.0);
/// assert_eq!(request.completed(RequestTime::Start), Timestamp::from_seconds(190));
/// assert_eq!(request.completed(RequestTime::End), Timestamp::from_seconds(100));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestTime {
    /// Its start, as spans and middleware write it.
    #[default]
    Start,
    /// Its end, as most access logs write it.
    End,
}

impl fmt::Display for RequestTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::End => "end",
        })
    }
}

impl Request<'_> {
    /// When it ended, which is the earliest time at which its record can arrive. A request whose
    /// latency is unknown, negative or longer than a day ends at its own time.
    pub fn completed(&self, time: RequestTime) -> Timestamp {
        let nanos = self.latency_ms * 1e6;
        match time {
            RequestTime::Start if (0.0..=LONGEST).contains(&nanos) => {
                self.timestamp.plus(nanos as i64)
            }
            _ => self.timestamp,
        }
    }

    /// When it began. A request whose latency is unknown began at its own time.
    pub fn began(&self, time: RequestTime) -> Timestamp {
        let nanos = self.latency_ms * 1e6;
        match time {
            RequestTime::End if (0.0..=LONGEST).contains(&nanos) => {
                self.timestamp.plus(-(nanos as i64))
            }
            _ => self.timestamp,
        }
    }

    /// The moment at which it counts, for steps of this length and this allowed lateness.
    ///
    /// A request counts at its start if it was completed at most half of `lateness` after the end
    /// of the step in which it began, else at its completion, because by then the step of its start
    /// may be closed. The rule depends on the record alone, so that a file and a stream agree.
    ///
    /// ```
    /// use mad_core::telemetry::RequestTime;
    /// use mad_core::{Request, Timestamp};
    /// use std::time::Duration;
    ///
    /// let counts_at = |latency_ms| {
    ///     let at = Timestamp::from_seconds(50);
    ///     let request = Request::new(at, "payments", "/pay", 200, latency_ms);
    ///     request.counts_at(RequestTime::Start, Duration::from_secs(60), Duration::from_secs(10))
    /// };
    /// assert_eq!(counts_at(15_000.0), Timestamp::from_seconds(50));
    /// assert_eq!(counts_at(15_001.0), Timestamp::from_seconds(50).plus(15_001_000_000));
    /// ```
    pub fn counts_at(&self, time: RequestTime, step: Duration, lateness: Duration) -> Timestamp {
        let completed = self.completed(time);
        if completed == self.timestamp {
            return completed;
        }
        let end = self.timestamp.floor(nanos_of(step)) + step;
        if completed <= end + lateness / 2 { self.timestamp } else { completed }
    }
}
