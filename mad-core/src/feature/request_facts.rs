//! The figures of a row of requests.

use serde::{Deserialize, Serialize};

use super::StatusCounts;
use crate::series::{Sample, Signal};

/// Figures of a row of requests that are shown but not judged as signals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RequestFacts {
    /// Requests.
    pub requests: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Failed requests without a response.
    pub no_response: u64,
    /// Requests that were refused or sent elsewhere: status 300 to 499 but 304.
    pub client_errors: u64,
    /// Requests with a known latency beyond `tail_ms`.
    pub beyond_tail: u64,
    /// Latency beyond which a request is slow for this entity, ms: half as much again as its past
    /// 99th percentile. None while that is unknown.
    pub tail_ms: Option<f64>,
    /// Requests with a known latency that took longer than the latency objective.
    pub over_objective: u64,
    /// Latencies behind the quantiles: `requests`, or the bound
    /// [`Limits::window_samples`](crate::Limits::window_samples).
    pub measured: u64,
    /// Mean latency, ms.
    pub mean_ms: f64,
    /// 99th percentile of latency, ms.
    pub p99_ms: f64,
    /// Longest latency, ms.
    pub max_ms: f64,
    /// Shortest latency, ms.
    pub min_ms: f64,
    /// Sample standard deviation of latency, ms; NaN for fewer than two latencies and for a whole
    /// service.
    pub std_ms: f64,
    /// The most frequent statuses that are no success.
    pub statuses: StatusCounts,
}

impl RequestFacts {
    /// The figures of no requests.
    pub(super) const NONE: Self = Self {
        requests: 0,
        errors: 0,
        no_response: 0,
        client_errors: 0,
        beyond_tail: 0,
        tail_ms: None,
        over_objective: 0,
        measured: 0,
        mean_ms: f64::NAN,
        p99_ms: f64::NAN,
        max_ms: f64::NAN,
        min_ms: f64::NAN,
        std_ms: f64::NAN,
        statuses: StatusCounts::NONE,
    };

    /// The figures of both together; their 99th percentile and tail are unknown.
    pub(super) fn plus(&self, other: &Self) -> Self {
        let mean = |facts: &Self, of: u64| {
            if facts.measured == 0 {
                0.0
            } else {
                facts.mean_ms * (facts.measured as f64 / of as f64)
            }
        };
        let mut statuses = self.statuses;
        statuses.add(&other.statuses);
        let measured = self.measured + other.measured;
        let mean_ms =
            if measured == 0 { f64::NAN } else { mean(self, measured) + mean(other, measured) };
        Self {
            requests: self.requests + other.requests,
            errors: self.errors + other.errors,
            no_response: self.no_response + other.no_response,
            client_errors: self.client_errors + other.client_errors,
            beyond_tail: self.beyond_tail + other.beyond_tail,
            tail_ms: None,
            over_objective: self.over_objective + other.over_objective,
            measured,
            mean_ms,
            p99_ms: f64::NAN,
            // the extreme of a number and NaN is the number
            max_ms: self.max_ms.max(other.max_ms),
            min_ms: self.min_ms.min(other.min_ms),
            std_ms: f64::NAN,
            statuses,
        }
    }

    /// Share of requests that failed, 0 to 1; NaN without requests.
    pub fn error_rate(&self) -> f64 {
        self.errors as f64 / self.requests as f64
    }

    /// Share of requests that were refused or sent elsewhere, 0 to 1; NaN without requests.
    pub fn client_error_rate(&self) -> f64 {
        self.client_errors as f64 / self.requests as f64
    }

    /// Share of the measured requests that were slow for this entity, 0 to 1; NaN while that is
    /// unknown.
    pub fn slow_share(&self) -> f64 {
        if self.tail_ms.is_some() {
            self.beyond_tail as f64 / self.measured as f64
        } else {
            f64::NAN
        }
    }

    /// The sample of a signal that is a share of the row's requests; none for other signals.
    pub(super) fn share(&self, signal: Signal) -> Option<Sample> {
        let (value, n) = match signal {
            Signal::ErrorRate => (self.error_rate(), self.requests),
            Signal::ClientErrorRate => (self.client_error_rate(), self.requests),
            Signal::SlowShare => (self.slow_share(), self.measured),
            Signal::P50Latency | Signal::P95Latency | Signal::RequestCount => return None,
        };
        Some(Sample { value, n: if value.is_nan() { 0 } else { n } })
    }
}
