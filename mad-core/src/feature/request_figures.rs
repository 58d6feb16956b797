//! The requests of one entity in a step, and their figures when it closes.

use serde::{Deserialize, Serialize};

use super::StatusCounts;
use super::request_facts::RequestFacts;
use super::subset::OpenSubsets;
use super::tail_reference::TailReference;
use crate::robust::quantile_sorted;
use crate::series::{Sample, Signal};
use crate::telemetry::Status;

/// The requests of one entity in the step.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Requests {
    pub count: u64,
    pub errors: u64,
    pub no_response: u64,
    pub client_errors: u64,
    pub latencies: Vec<f64>,
    /// Requests of each status that is no success, by status.
    pub statuses: Vec<(Status, u64)>,
    /// Those of each version and host.
    pub subsets: OpenSubsets,
}

/// The figures of one entity in a closed step.
pub(super) struct RequestFigures {
    pub facts: RequestFacts,
    pub p50_ms: f64,
    pub p95_ms: f64,
}

/// The sample standard deviation of values about their mean; NaN for fewer than two values.
pub(super) fn sample_deviation(values: &[f64], mean: f64) -> f64 {
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let freedom = values.len().saturating_sub(1);
    if freedom == 0 { f64::NAN } else { (squares / freedom as f64).sqrt().min(f64::MAX) }
}

impl RequestFigures {
    /// One signal. The count of a step that had not ended is no evidence, so its `n` is 0.
    pub fn sample(&self, signal: Signal, whole: bool) -> Sample {
        let Self { facts, p50_ms, p95_ms } = self;
        if let Some(share) = facts.share(signal) {
            return share;
        }
        match signal {
            Signal::P50Latency => Sample { value: *p50_ms, n: facts.measured },
            Signal::P95Latency => Sample { value: *p95_ms, n: facts.measured },
            // shares were handled above
            _ => Sample { value: facts.requests as f64, n: u64::from(whole) },
        }
    }
}

impl Requests {
    /// Takes over the requests of another endpoint.
    pub fn append(&mut self, mut other: Self, most: usize, dropped: &mut u64) {
        self.count += other.count;
        self.errors += other.errors;
        self.no_response += other.no_response;
        self.client_errors += other.client_errors;
        // The bound holds for both together. Counts stay exact, quantiles are of those kept.
        let room = most.saturating_sub(self.latencies.len()).min(other.latencies.len());
        *dropped += (other.latencies.len() - room) as u64;
        self.latencies.extend(other.latencies.drain(..room));
        for (status, count) in other.statuses {
            self.count_status(status, count);
        }
        self.subsets.append(other.subsets);
    }

    /// Counts a status that is no success.
    pub fn count_status(&mut self, status: Status, more: u64) {
        match self.statuses.binary_search_by_key(&status, |(known, _)| *known) {
            Ok(place) => {
                if let Some((_, count)) = self.statuses.get_mut(place) {
                    *count += more;
                }
            }
            Err(place) => self.statuses.insert(place, (status, more)),
        }
    }

    /// Works out the figures and sets the counts to 0. The latencies stay, sorted, so that the figures
    /// do not depend on the order of arrival. `tail` is what earlier steps say of the tail; it learns
    /// this step of `step` nanoseconds afterwards.
    pub fn close(
        &mut self,
        objective_ms: f64,
        tail: &mut TailReference,
        step: i64,
    ) -> RequestFigures {
        // Sorted before summing: the mean depends on the order in which floats are added.
        self.latencies.sort_unstable_by(f64::total_cmp);
        let sorted = self.latencies.as_slice();
        let n = sorted.len() as f64;
        let sum: f64 = sorted.iter().sum();
        // where the sum overflows, the mean is summed up from the parts
        let mean: f64 = if sum.is_finite() { sum / n } else { sorted.iter().map(|x| x / n).sum() };
        let within = |limit: f64| sorted.partition_point(|latency| *latency <= limit);
        let beyond = |limit: f64| (sorted.len() - within(limit)) as u64;
        // The limit of the steps before: this step must not raise the limit that it is judged by.
        let tail_ms = tail.limit_ms();
        tail.learn(sorted, step);
        let figures = RequestFigures {
            facts: RequestFacts {
                requests: self.count,
                errors: self.errors,
                no_response: self.no_response,
                over_objective: beyond(objective_ms),
                measured: sorted.len() as u64,
                mean_ms: if mean > f64::MAX { f64::MAX } else { mean },
                p99_ms: quantile_sorted(sorted, 0.99),
                max_ms: sorted.last().copied().unwrap_or(f64::NAN),
                min_ms: sorted.first().copied().unwrap_or(f64::NAN),
                std_ms: sample_deviation(sorted, mean),
                client_errors: self.client_errors,
                beyond_tail: tail_ms.map_or(0, beyond),
                tail_ms,
                statuses: StatusCounts::of(self.statuses.iter().copied()),
            },
            p50_ms: quantile_sorted(sorted, 0.50),
            p95_ms: quantile_sorted(sorted, 0.95),
        };
        self.count = 0;
        self.errors = 0;
        self.no_response = 0;
        self.client_errors = 0;
        self.statuses.clear();
        figures
    }
}
