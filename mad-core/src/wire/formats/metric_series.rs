//! Points of metrics as any format states them, and the records that they give.
//!
//! | stated | records |
//! |---|---|
//! | a gauge, a total that may fall | `NAME`: the value |
//! | a counter | `NAME/rate`: the increase per second |
//! | a histogram | `NAME/p50`, `/p95`, `/p99` of the observations since the last point, and `NAME/rate` |
//! | a counter with a status, such as `code="500"` | also `NAME/error_share` of the series that differ in the status alone |
//! | a summary | its quantiles as `NAME/p50` and so on, and `NAME/rate` |
//!
//! Values that are not finite give no record, because they are gaps.

use std::fmt::Write as _;

use super::FormatSink;
use super::memory::{Increase, Progress, TelemetryMemory, Totals};
use super::naming::{cut, fitted, optional};
use super::quantile::{Exponential, quantile};
use super::series_name::{Group, SeriesName, key_of};
use crate::limits::MAX_NAME_BYTES;
use crate::telemetry::{MetricPoint, Record};
use crate::time::Timestamp;

/// The quantiles of histograms and their names.
const QUANTILES: [(f64, &str); 3] = [(0.5, "/p50"), (0.95, "/p95"), (0.99, "/p99")];

/// Whether totals are since a start or since the last point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Temporality {
    Delta,
    Cumulative,
}

/// One point in time of a series.
pub(super) struct SeriesPoint<'p> {
    pub name: SeriesName<'p>,
    /// The key of the name, where it is known already.
    pub key: Option<u64>,
    /// Whether records accept the names with any suffix: see [`SeriesName::is_accepted`].
    pub is_accepted: bool,
    pub at: Timestamp,
    /// When the interval of the point, or its process, began.
    pub start: Option<Timestamp>,
    pub position: u64,
    pub memory: &'p mut TelemetryMemory,
    pub sink: &'p mut dyn FormatSink,
}

impl SeriesPoint<'_> {
    fn give(&mut self, suffix: &str, value: f64, n: u64) {
        self.give_as(self.name, suffix, value, n);
    }

    fn give_as(&mut self, of: SeriesName<'_>, suffix: &str, value: f64, n: u64) {
        if !value.is_finite() || !self.at.is_accepted() {
            return;
        }
        if self.is_accepted {
            let joined =
                if suffix.is_empty() { String::new() } else { [of.metric, suffix].concat() };
            let metric = if suffix.is_empty() { of.metric } else { &joined };
            let SeriesName { service, resource, host, .. } = of;
            let point = MetricPoint::new(self.at, service, metric, value);
            let record = Record::Metric(MetricPoint { resource, n, host, ..point });
            return self.sink.record(record, self.position);
        }
        let most = MAX_NAME_BYTES - suffix.len();
        let name = fitted(cut(of.metric, most));
        let joined;
        let metric = if suffix.is_empty() {
            &*name
        } else {
            joined = [&*name, suffix].concat();
            &joined
        };
        let (service, resource) = (fitted(of.service), optional(of.resource));
        let host = optional(of.host);
        let point = MetricPoint::new(self.at, &service, metric, value);
        let record = Record::Metric(MetricPoint { resource: &resource, n, host: &host, ..point });
        if record.check().is_ok() {
            self.sink.record(record, self.position);
        }
    }

    fn key(&self) -> u64 {
        self.key.unwrap_or_else(|| self.name.key())
    }

    /// A value that may rise and fall.
    pub fn gauge(&mut self, value: f64) {
        self.give("", value, 1);
    }

    /// A counter; its increase since the last point.
    pub fn counter(&mut self, value: f64, temporality: Temporality) {
        if value.is_finite()
            && value >= 0.0
            && let Some(increase) = self.increase(Totals::Counter(value), temporality, "")
        {
            self.rate(&increase);
        }
    }

    /// Gives the rate of a counter, and returns its increase.
    fn rate(&mut self, increase: &Increase) -> Option<f64> {
        let Totals::Counter(of) = increase.of else { return None };
        self.give("/rate", of / increase.seconds, 1);
        Some(of)
    }

    /// A cumulative counter of requests that all failed or all did not. It also gives the share of
    /// failures in the interval before, of the series of the group with any status.
    pub fn counter_of_group(&mut self, value: f64, group: &Group) {
        if !value.is_finite() || value < 0.0 {
            return;
        }
        let progress = self.memory.progress(self.key(), self.at, None, Totals::Counter(value));
        let increase = match progress {
            Progress::First => Err(value),
            Progress::None => return,
            Progress::By(increase) => match self.rate(&increase) {
                Some(increase) => Ok(increase),
                None => return,
            },
        };
        if let Some(share) = self.memory.outcomes.add(group.key, self.at, group.failed, increase) {
            let name = SeriesName { resource: &group.resource, ..self.name };
            self.give_as(name, "/error_share", share.failed / share.all, share.all as u64);
        }
    }

    /// A histogram with `counts` per bucket, one more than `bounds`.
    pub fn histogram(&mut self, bounds: &[f64], counts: Vec<f64>, temporality: Temporality) {
        let Some(increase) = self.increase(Totals::Histogram(counts), temporality, "") else {
            return;
        };
        let Totals::Histogram(counts) = increase.of else { return };
        self.observed(&counts, increase.seconds, |q| quantile(q, bounds, &counts));
    }

    /// An exponential histogram.
    pub fn exponential(&mut self, histogram: Exponential, temporality: Temporality) {
        let Some(increase) = self.increase(Totals::Exponential(histogram), temporality, "") else {
            return;
        };
        let Totals::Exponential(histogram) = increase.of else { return };
        let total = [histogram.total()];
        self.observed(&total, increase.seconds, |q| histogram.quantile(q));
    }

    /// The rate and the quantiles of observations.
    pub fn observed(&mut self, counts: &[f64], seconds: f64, quantile: impl Fn(f64) -> f64) {
        let total: f64 = counts.iter().sum();
        self.give("/rate", total / seconds, 1);
        if total >= 1.0 {
            for (q, suffix) in QUANTILES {
                self.give(suffix, quantile(q), total as u64);
            }
        }
    }

    /// A quantile of a summary.
    pub fn summary_quantile(&mut self, q: f64, value: f64) {
        let mut suffix = String::new();
        let percent = (q * 100.0 * 1e6).round() / 1e6;
        if (0.0..=100.0).contains(&percent) && write!(suffix, "/p{percent}").is_ok() {
            self.give(&suffix, value, 1);
        }
    }

    /// The increase of totals; that of a delta is the totals themselves.
    fn increase(
        &mut self,
        totals: Totals,
        temporality: Temporality,
        part: &str,
    ) -> Option<Increase> {
        let key = if part.is_empty() { self.key() } else { key_of((self.key(), part)) };
        match temporality {
            Temporality::Cumulative => self.memory.increase(key, self.at, self.start, totals),
            Temporality::Delta => {
                let stated = self.start.map(|start| self.at.since(start) as f64 / 1e9);
                let noted = self.memory.interval(key, self.at);
                let seconds = stated.filter(|seconds| *seconds > 0.0).or(noted)?;
                Some(Increase { of: totals, seconds })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(points: impl Fn(&mut SeriesPoint<'_>)) -> Vec<(String, f64, u64)> {
        let (mut memory, mut found) = (TelemetryMemory::default(), Vec::new());
        for second in [10, 20] {
            let mut sink = |record: Record<'_>, _: u64| {
                if let Record::Metric(point) = record {
                    found.push((point.metric.to_owned(), point.value, point.n));
                }
            };
            points(&mut SeriesPoint {
                name: SeriesName { service: "pay", host: "", metric: "m", resource: "" },
                key: None,
                is_accepted: false,
                at: Timestamp::from_seconds(second),
                start: None,
                position: 1,
                memory: &mut memory,
                sink: &mut sink,
            });
        }
        found
    }

    #[test]
    fn counters_and_histograms_give_rates_and_percentiles() {
        let counted = records(|point| {
            point.counter(point.at.seconds_f64() * 2.0, Temporality::Cumulative);
        });
        assert_eq!(counted, [("m/rate".to_owned(), 2.0, 1)]);
        let observed = records(|point| {
            let total = point.at.seconds_f64();
            point.histogram(&[1.0, 2.0], vec![0.0, total, 0.0], Temporality::Cumulative);
        });
        let names: Vec<&str> = observed.iter().map(|(name, _, _)| name.as_str()).collect();
        assert_eq!(names, ["m/rate", "m/p50", "m/p95", "m/p99"]);
        assert_eq!(observed[1], ("m/p50".to_owned(), 1.5, 10));
        let gaps = records(|point| point.gauge(f64::NAN));
        assert!(gaps.is_empty());
    }

    #[test]
    fn quantiles_of_summaries_have_short_names() {
        let all = records(|point| point.summary_quantile(0.999, 3.0));
        assert_eq!(all[0].0, "m/p99.9");
    }
}
