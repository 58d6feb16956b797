//! Buckets of Prometheus histograms, which arrive as one series each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Histograms whose buckets are collected, and buckets of one.
const MOST_HISTOGRAMS: usize = 50_000;
const MOST_BUCKETS: usize = 1_024;

/// Collects the buckets of histograms until those of one time are complete.
///
/// The increases of the buckets since the last time give the percentiles, as `rate` and
/// `histogram_quantile` of Prometheus do. The buckets of a time are complete when there are as many
/// as at the time before; else they are handed out with the first bucket of a later time. They may
/// come in any order and from several bodies.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct BucketTable {
    histograms: BTreeMap<u64, Collected>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Collected {
    at: i64,
    /// Increases by bound, as the cumulative buckets state them.
    increases: BTreeMap<u64, f64>,
    seconds: f64,
    /// Buckets of the time before.
    expected: usize,
}

/// Observations of a histogram in one interval.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Observed {
    pub at: Timestamp,
    pub seconds: f64,
    /// The finite bounds, and one count more where there is a bucket without a bound.
    pub bounds: Vec<f64>,
    pub counts: Vec<f64>,
}

impl BucketTable {
    /// Takes the increase of the bucket with the upper bound `bound` up to `at`, and the seconds over
    /// which it happened. Gives the observations of an earlier time and of `at`, once they are known.
    pub fn add(
        &mut self,
        histogram: u64,
        bound: f64,
        at: Timestamp,
        (increase, seconds): (f64, f64),
    ) -> [Option<Observed>; 2] {
        if !self.histograms.contains_key(&histogram) && self.histograms.len() >= MOST_HISTOGRAMS {
            self.histograms.pop_first();
        }
        let found = self.histograms.entry(histogram).or_default();
        let at = at.nanos();
        if at < found.at {
            return [None, None];
        }
        let earlier = if at > found.at { found.take() } else { None };
        found.at = at;
        found.seconds = seconds;
        if found.increases.len() < MOST_BUCKETS {
            found.increases.insert(ordered(bound), increase);
        }
        let complete = found.increases.len() == found.expected;
        [earlier, if complete { found.take() } else { None }]
    }
}

impl Collected {
    fn take(&mut self) -> Option<Observed> {
        let increases = std::mem::take(&mut self.increases);
        if increases.is_empty() {
            return None;
        }
        self.expected = increases.len();
        let (mut bounds, mut counts, mut below) = (Vec::new(), Vec::new(), 0.0_f64);
        for (bound, total) in increases {
            let bound = unordered(bound);
            // a bucket that restarted at another moment may be smaller than the one below it
            let total = total.max(below);
            if bound.is_finite() {
                bounds.push(bound);
            }
            counts.push(total - below);
            below = total;
        }
        Some(Observed { at: Timestamp::from_nanos(self.at), seconds: self.seconds, bounds, counts })
    }
}

/// The bits of a number, so that integers have the order of the numbers.
fn ordered(number: f64) -> u64 {
    let bits = number.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
}

fn unordered(bits: u64) -> f64 {
    f64::from_bits(if bits >> 63 == 1 { bits & !(1 << 63) } else { !bits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_order_as_integers() {
        let numbers = [f64::NEG_INFINITY, -2.0, -0.5, 0.0, 0.1, 7.0, f64::INFINITY];
        let integers = numbers.map(ordered);
        assert!(integers.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(integers.map(unordered), numbers);
    }

    #[test]
    fn buckets_of_one_time_are_complete_when_all_came() {
        let mut table = BucketTable::default();
        let mut add = |second: i64, bound: f64, increase: f64| {
            table.add(1, bound, Timestamp::from_seconds(second), (increase, 5.0))
        };
        assert_eq!(add(10, 1.0, 3.0), [None, None]);
        assert_eq!(add(10, f64::INFINITY, 4.0), [None, None]);
        let [earlier, now] = add(15, f64::INFINITY, 2.0);
        assert_eq!(earlier.map(|observed| observed.counts), Some(vec![3.0, 1.0]));
        assert_eq!(now, None);
        let [_, now] = add(15, 1.0, 2.0);
        assert_eq!(now.map(|observed| observed.counts), Some(vec![2.0, 0.0]));
    }
}
