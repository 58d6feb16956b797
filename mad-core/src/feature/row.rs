//! A row of requests in plain fields.

use serde::{Deserialize, Serialize};

use super::{RequestFacts, Row, RowHead, StatusCounts};
use crate::series::{EntityId, Sample, Signal};
use crate::time::Timestamp;

/// A row of requests in plain fields: one entity in one step. A step without a request has no row.
///
/// It is the form in which judged rows are handed out. The stages take a [`Row`].
///
/// Percentiles are exact, by linear interpolation between order statistics (type 7 of Hyndman and
/// Fan, 1996). They do not depend on the order in which the step's requests came.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FeatureRow {
    /// Start of the step.
    pub bucket: Timestamp,
    /// The entity.
    pub entity: EntityId,
    /// Empty steps between this row and the entity's row before it (0 for its first row).
    pub gap: u64,
    /// Whether the step had ended when it was closed. It had not for the last step of a stream that
    /// ends within it: the number of requests in a part of a step is no evidence.
    pub whole: bool,
    /// Requests.
    pub count: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Failed requests without a response.
    pub no_response: u64,
    /// Requests with a kept latency that took longer than the latency objective
    /// ([`FeatureBuilder::set_latency_objective`](super::FeatureBuilder::set_latency_objective)).
    pub slow: u64,
    /// Latencies behind the percentiles: `count`, or the bound
    /// [`Limits::window_samples`](crate::Limits::window_samples).
    pub samples: u64,
    /// Mean latency, ms.
    pub mean: f64,
    /// Median latency, ms.
    pub p50: f64,
    /// 95th percentile, ms.
    pub p95: f64,
    /// 99th percentile, ms.
    pub p99: f64,
    /// Longest, ms.
    pub max: f64,
    /// Shortest, ms.
    pub min: f64,
    /// Sample standard deviation, ms; NaN for fewer than two latencies and for a whole service.
    pub std: f64,
    /// Requests that were refused or sent elsewhere: status 300 to 499 but 304.
    pub client_errors: u64,
    /// Requests with a kept latency that took longer than `tail_ms`.
    pub beyond_tail: u64,
    /// Latency beyond which a request is slow for this entity, ms: half as much again as its past
    /// 99th percentile. None while that is unknown.
    pub tail_ms: Option<f64>,
    /// The most frequent statuses that are no success.
    pub statuses: StatusCounts,
}

impl From<Row<'_>> for FeatureRow {
    /// The row as requests have it. Figures that a row of another kind does not have are 0 or NaN.
    fn from(row: Row<'_>) -> Self {
        Self::new(row.head, row.requests, |signal| row.sample(signal).value)
    }
}

impl FeatureRow {
    /// The plain fields of a row with these values of its signals.
    pub(crate) fn new(
        head: &RowHead,
        requests: Option<&RequestFacts>,
        value: impl Fn(Signal) -> f64,
    ) -> Self {
        let figure = |of: fn(&RequestFacts) -> f64| requests.map_or(f64::NAN, of);
        let count = |of: fn(&RequestFacts) -> u64| requests.map_or(0, of);
        Self {
            bucket: head.at,
            entity: head.entity,
            gap: u64::from(head.gap),
            whole: head.whole,
            count: count(|facts| facts.requests),
            errors: count(|facts| facts.errors),
            no_response: count(|facts| facts.no_response),
            slow: count(|facts| facts.over_objective),
            samples: count(|facts| facts.measured),
            mean: figure(|facts| facts.mean_ms),
            p50: value(Signal::P50Latency),
            p95: value(Signal::P95Latency),
            p99: figure(|facts| facts.p99_ms),
            max: figure(|facts| facts.max_ms),
            min: figure(|facts| facts.min_ms),
            std: figure(|facts| facts.std_ms),
            client_errors: count(|facts| facts.client_errors),
            beyond_tail: count(|facts| facts.beyond_tail),
            tail_ms: requests.and_then(|facts| facts.tail_ms),
            statuses: requests.map(|facts| facts.statuses).unwrap_or_default(),
        }
    }

    /// Share of requests that failed; NaN without requests.
    pub fn error_rate(&self) -> f64 {
        self.errors as f64 / self.count as f64
    }

    /// The figures that are not signals.
    pub(super) fn facts(&self) -> RequestFacts {
        RequestFacts {
            requests: self.count,
            errors: self.errors,
            no_response: self.no_response,
            over_objective: self.slow,
            measured: self.samples,
            mean_ms: self.mean,
            p99_ms: self.p99,
            max_ms: self.max,
            min_ms: self.min,
            std_ms: self.std,
            client_errors: self.client_errors,
            beyond_tail: self.beyond_tail,
            tail_ms: self.tail_ms,
            statuses: self.statuses,
        }
    }

    /// One signal of the row. The `n` of a count is 1, or 0 where the step is not whole.
    pub fn sample(&self, signal: Signal) -> Sample {
        match signal {
            Signal::P50Latency => Sample { value: self.p50, n: self.samples },
            Signal::P95Latency => Sample { value: self.p95, n: self.samples },
            Signal::RequestCount => Sample { value: self.count as f64, n: u64::from(self.whole) },
            share => self.facts().share(share).unwrap_or(Sample { value: f64::NAN, n: 0 }),
        }
    }
}
