//! Rows made by hand, for users of a single stage and for tests.

use std::time::Duration;

use super::request_facts::RequestFacts;
use super::request_figures::sample_deviation;
use super::row_buffer::{Row, RowHead, RowKind, SignalSample};
use super::{FeatureRow, StatusCounts};
use crate::robust::quantile_sorted;
use crate::series::{EntityId, Sample, Signal, SignalId};
use crate::time::Timestamp;

/// Makes one row by hand. Rows of telemetry come from a [`FeatureBuilder`](super::FeatureBuilder).
///
/// A row starts as a whole step of one minute without a gap.
///
/// # Examples
///
/// ```
/// use mad_core::{EntityId, RowBuilder, RowKind, SeriesId, Signal, Timestamp};
///
/// let at = Timestamp::from_seconds(120);
/// let requests = RowBuilder::requests(EntityId(0), at).latencies(&[12.0, 15.0, 90.0]).errors(1);
/// let row = requests.row();
/// assert_eq!(row.sample(Signal::P50Latency).value, 15.0);
/// assert_eq!(row.sample(Signal::RequestCount).value, 3.0);
/// assert_eq!(row.requests.map(|facts| facts.errors), Some(1));
///
/// let metrics = RowBuilder::new(RowKind::Metrics, EntityId(1), at).signal(SeriesId(0), 0.7, 1);
/// assert_eq!(metrics.row().samples.len(), 1);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RowBuilder {
    head: RowHead,
    samples: Vec<SignalSample>,
    facts: Option<RequestFacts>,
}

impl RowBuilder {
    /// A row of a kind without signals.
    pub fn new(kind: RowKind, entity: EntityId, at: Timestamp) -> Self {
        Self { head: RowHead::new(kind, entity, at), samples: Vec::new(), facts: None }
    }

    /// A row of requests. Latencies are unknown and counts are 0 until they are set.
    pub fn requests(entity: EntityId, at: Timestamp) -> Self {
        let facts = RequestFacts {
            requests: 0,
            errors: 0,
            no_response: 0,
            over_objective: 0,
            measured: 0,
            mean_ms: f64::NAN,
            p99_ms: f64::NAN,
            max_ms: f64::NAN,
            min_ms: f64::NAN,
            std_ms: f64::NAN,
            client_errors: 0,
            beyond_tail: 0,
            tail_ms: None,
            statuses: StatusCounts::default(),
        };
        let mut row = Self { facts: Some(facts), ..Self::new(RowKind::Requests, entity, at) };
        for signal in Signal::ALL {
            row = row.signal(signal, f64::NAN, 0);
        }
        row.counted()
    }

    /// Sets the length of the step.
    #[must_use]
    pub fn step(mut self, step: Duration) -> Self {
        self.head.step = step;
        self
    }

    /// Sets the number of empty steps before the row, for its signals too.
    #[must_use]
    pub fn gap(mut self, steps: u32) -> Self {
        self.head.gap = steps;
        for sample in &mut self.samples {
            sample.gap = steps;
        }
        self
    }

    /// Marks the step as one that had not ended when it was closed.
    #[must_use]
    pub fn partial(mut self) -> Self {
        self.head.whole = false;
        self.counted()
    }

    /// Sets the value of a signal and the number of observations behind it.
    ///
    /// ```
    /// use mad_core::{EntityId, RowBuilder, Signal, Timestamp};
    ///
    /// let row = RowBuilder::requests(EntityId(0), Timestamp::from_seconds(0))
    ///     .signal(Signal::P95Latency, 250.0, 40);
    /// assert_eq!(row.row().sample(Signal::P95Latency).n, 40);
    /// ```
    #[must_use]
    pub fn signal(mut self, signal: impl Into<SignalId>, value: f64, n: u64) -> Self {
        let (signal, sample) = (signal.into(), Sample { value, n });
        match self.samples.iter_mut().find(|known| known.signal == signal) {
            Some(known) => known.sample = sample,
            None => self.samples.push(SignalSample { sample, signal, gap: self.head.gap }),
        }
        self
    }

    /// Sets the number of requests of a row of requests, and with it the error rate. Rows of other
    /// kinds stay as they are.
    #[must_use]
    pub fn count(mut self, requests: u64) -> Self {
        if let Some(facts) = &mut self.facts {
            facts.requests = requests;
        }
        self.counted()
    }

    /// Sets the number of failed requests of a row of requests, and with it the error rate. Rows of
    /// other kinds stay as they are.
    #[must_use]
    pub fn errors(mut self, errors: u64) -> Self {
        if let Some(facts) = &mut self.facts {
            facts.errors = errors;
        }
        self.counted()
    }

    /// Sets the latencies of a row of requests, ms: one request each, their quantiles by linear
    /// interpolation between order statistics (type 7 of Hyndman and Fan, 1996). Rows of other kinds
    /// stay as they are.
    #[must_use]
    pub fn latencies(mut self, latencies_ms: &[f64]) -> Self {
        let Some(facts) = &mut self.facts else { return self };
        let mut sorted = latencies_ms.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let n = sorted.len() as u64;
        facts.requests = n;
        facts.measured = n;
        facts.mean_ms = sorted.iter().sum::<f64>() / n as f64;
        facts.p99_ms = quantile_sorted(&sorted, 0.99);
        facts.max_ms = sorted.last().copied().unwrap_or(f64::NAN);
        facts.min_ms = sorted.first().copied().unwrap_or(f64::NAN);
        facts.std_ms = sample_deviation(&sorted, facts.mean_ms);
        for signal in [Signal::P50Latency, Signal::P95Latency] {
            let quantile = signal.quantile().unwrap_or(f64::NAN);
            self = self.signal(signal, quantile_sorted(&sorted, quantile), n);
        }
        self.counted()
    }

    /// Changes the other figures of a row of requests. Rows of other kinds stay as they are.
    ///
    /// ```
    /// use mad_core::{EntityId, RowBuilder, Timestamp};
    ///
    /// let row = RowBuilder::requests(EntityId(0), Timestamp::from_seconds(0))
    ///     .count(40)
    ///     .facts(|facts| facts.over_objective = 3);
    /// assert_eq!(row.row().requests.map(|facts| facts.over_objective), Some(3));
    /// ```
    #[must_use]
    pub fn facts(mut self, change: impl FnOnce(&mut RequestFacts)) -> Self {
        if let Some(facts) = &mut self.facts {
            change(facts);
        }
        self.counted()
    }

    /// The row, borrowed from this builder.
    pub fn row(&self) -> Row<'_> {
        let requests = self.facts.as_ref();
        Row { head: &self.head, samples: &self.samples, requests, subsets: &[] }
    }

    /// Makes the signals of a row of requests that are counts agree with its figures.
    fn counted(self) -> Self {
        let Some(facts) = self.facts else { return self };
        let whole = u64::from(self.head.whole);
        let counted = self.signal(Signal::RequestCount, facts.requests as f64, whole);
        let shares =
            Signal::ALL.into_iter().filter_map(|signal| Some((signal, facts.share(signal)?)));
        shares.fold(counted, |row, (signal, share)| row.signal(signal, share.value, share.n))
    }
}

impl From<&FeatureRow> for RowBuilder {
    /// A row of requests in a step of one minute.
    fn from(row: &FeatureRow) -> Self {
        let mut builder = Self::requests(row.entity, row.bucket);
        builder.head.whole = row.whole;
        let gap = u32::try_from(row.gap).unwrap_or(u32::MAX);
        builder
            .gap(gap)
            .signal(Signal::P50Latency, row.p50, row.samples)
            .signal(Signal::P95Latency, row.p95, row.samples)
            .facts(|facts| *facts = row.facts())
    }
}

#[cfg(test)]
mod tests {
    use super::super::RowBuffer;
    use super::*;

    #[test]
    fn a_row_of_latencies_has_their_quantiles_and_counts() {
        let latencies: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let row = RowBuilder::requests(EntityId(0), Timestamp::from_seconds(0))
            .errors(5)
            .latencies(&latencies)
            .gap(2)
            .partial();
        let row = row.row();
        assert_eq!(row.sample(Signal::P50Latency), Sample { value: 50.5, n: 100 });
        assert_eq!(row.sample(Signal::ErrorRate), Sample { value: 0.05, n: 100 });
        assert_eq!(row.sample(Signal::RequestCount), Sample { value: 100.0, n: 0 });
        assert_eq!((row.head.gap, row.samples[0].gap, row.head.whole), (2, 2, false));
        let facts = row.requests.unwrap();
        assert_eq!((facts.mean_ms, facts.max_ms, facts.measured), (50.5, 100.0, 100));
    }

    #[test]
    fn a_row_of_metrics_has_no_request_facts() {
        let row = RowBuilder::new(RowKind::Metrics, EntityId(0), Timestamp::from_seconds(0))
            .latencies(&[1.0])
            .count(3);
        assert_eq!((row.row().samples.len(), row.row().requests), (0, None));
    }

    #[test]
    fn a_row_without_requests_has_no_latency() {
        let row = RowBuilder::requests(EntityId(0), Timestamp::from_seconds(0)).latencies(&[]);
        let median = row.row().sample(Signal::P50Latency);
        assert!(median.value.is_nan() && median.n == 0);
    }

    #[test]
    fn a_row_in_plain_fields_is_the_same_row() {
        let made = RowBuilder::requests(EntityId(3), Timestamp::from_seconds(60))
            .latencies(&[1.0, 2.0, 9.0])
            .errors(1)
            .gap(4)
            .facts(|facts| (facts.client_errors, facts.tail_ms) = (1, Some(8.0)))
            .partial();
        let plain = FeatureRow::from(made.row());
        assert_eq!(RowBuilder::from(&plain), made);
    }

    #[test]
    fn a_row_that_was_made_by_hand_goes_into_a_buffer() {
        let row = RowBuilder::requests(EntityId(0), Timestamp::from_seconds(0)).count(7);
        let buffer: RowBuffer = [row.row(), row.row()].into_iter().collect();
        assert_eq!(buffer.len(), 2);
        let second = buffer.get(1).unwrap();
        assert_eq!(second.sample(Signal::RequestCount), Sample { value: 7.0, n: 1 });
        assert_eq!(second.requests.map(|facts| facts.requests), Some(7));
    }
}
