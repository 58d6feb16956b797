//! The running estimate of an endpoint's 99th percentile of latency.

use serde::{Deserialize, Serialize};

use crate::robust::quantile_sorted;
use crate::time::HOUR;

/// The quantile that is followed.
const QUANTILE: f64 = 0.99;
/// Rows from which the first estimate is made.
const FIRST_ROWS: usize = 10;
/// Largest movement of the estimate's logarithm in an hour: 0.175 is a factor of two in four hours,
/// the reach of the default window. A slow tail of half an hour moves it by less than a tenth.
const DRIFT_PER_HOUR: f64 = 0.175;
/// Factor of the drift while the estimate is young, because ten rows locate it roughly.
const EARLY: f64 = 10.0;
/// How long the estimate is young, nanoseconds.
const EARLY_FOR: i64 = HOUR / 2;
/// A request is slow beyond this multiple of the estimate. A shift of the level that is too small to
/// matter would otherwise multiply the share of requests beyond a percentile.
const MARGIN: f64 = 1.5;
/// A request is slow beyond the estimate plus this many ms, so that noise of the clock is not.
const MARGIN_MS: f64 = 2.0;

/// Follows the 99th percentile of the latencies of one endpoint.
///
/// # Method
///
/// The first estimate is the median of the 99th percentiles of the first ten rows, so that one cold
/// start does not set it. Then stochastic approximation of a quantile (Robbins and Monro, 1951) on
/// the logarithm: with `k` of `n` latencies beyond the estimate, it moves by
/// `g (k - 0.01 n) / (0.01 n + 1)`, at most by `g` either way. On average it rests where one request
/// of a hundred is beyond it, whatever the number of requests of a row.
///
/// # Limits
///
/// The step `g` is a factor of two in four hours. A slow tail is therefore not learnt while it
/// lasts for hours, and a new level of latency is followed within a day.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TailReference {
    /// The logarithm of the estimate, ms; unknown in the first rows.
    ln_ms: Option<f32>,
    /// Time for which the estimate is known, nanoseconds, up to `EARLY_FOR`.
    age: i64,
    /// Logarithms of the 99th percentiles of the first rows.
    first: Vec<f32>,
}

impl TailReference {
    /// Latency beyond which a request is slow, ms; none while the estimate is unknown.
    pub fn limit_ms(&self) -> Option<f64> {
        let estimate = f64::from(self.ln_ms?).exp();
        // The factor decides for slow endpoints, the absolute margin for those of few ms.
        Some((MARGIN * estimate).max(estimate + MARGIN_MS))
    }

    /// Learns the sorted latencies of a row in a step of `step` nanoseconds.
    pub fn learn(&mut self, sorted: &[f64], step: i64) {
        if sorted.is_empty() {
            return;
        }
        let Some(ln_ms) = self.ln_ms else {
            self.first.push(quantile_sorted(sorted, QUANTILE).max(1e-3).ln() as f32);
            if self.first.len() >= FIRST_ROWS {
                self.first.sort_unstable_by(f32::total_cmp);
                // The median of the first rows, of which one may hold a cold start.
                self.ln_ms = self.first.get(FIRST_ROWS / 2).copied();
                self.first = Vec::new();
            }
            return;
        };
        let estimate = f64::from(ln_ms).exp();
        let beyond = sorted.len() - sorted.partition_point(|latency| *latency <= estimate);
        // The number of latencies beyond a right estimate.
        let expected = (1.0 - QUANTILE) * sorted.len() as f64;
        // The 1 keeps rows of few requests from a full step whenever one request is slow.
        let error = ((beyond as f64 - expected) / (expected + 1.0)).clamp(-1.0, 1.0);
        let early = if self.age < EARLY_FOR { EARLY } else { 1.0 };
        // In proportion to the length of the step, so that seconds and hours drift alike.
        let gain = (early * DRIFT_PER_HOUR * step as f64 / HOUR as f64).min(1.0);
        self.ln_ms = Some((f64::from(ln_ms) + gain * error) as f32);
        self.age = self.age.saturating_add(step).min(EARLY_FOR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MINUTE;

    /// Latencies at evenly spread quantiles of an exponential distribution, moved by `shift` in
    /// quantile so that rows differ.
    fn row(n: usize, mean_ms: f64, shift: f64) -> Vec<f64> {
        let at = |i: usize| ((i as f64 + shift) / n as f64).clamp(1e-6, 1.0 - 1e-6);
        (0..n).map(|i| -mean_ms * (1.0 - at(i)).ln()).collect()
    }

    fn learnt(n: usize, rows: usize, step: i64) -> TailReference {
        let mut tail = TailReference::default();
        for i in 0..rows {
            let shift = (i as f64 * 0.618_034).fract();
            tail.learn(&row(n, 100.0, shift), step);
        }
        tail
    }

    #[test]
    fn it_finds_the_percentile_for_few_and_for_many_requests() {
        // the 99th percentile of the exponential distribution is 4.6 means
        for n in [5, 40, 1_000] {
            let limit = learnt(n, 600, MINUTE).limit_ms().unwrap() / MARGIN;
            assert!((350.0..=600.0).contains(&limit), "{n} requests: {limit}");
        }
    }

    #[test]
    fn one_cold_start_does_not_set_it() {
        let mut tail = TailReference::default();
        tail.learn(&[9_000.0, 12_000.0], MINUTE);
        assert_eq!(tail.limit_ms(), None);
        for i in 0..20 {
            tail.learn(&row(40, 100.0, f64::from(i) / 20.0), MINUTE);
        }
        assert!(tail.limit_ms().unwrap() < 1_000.0);
    }

    #[test]
    fn a_slow_tail_of_half_an_hour_moves_it_little_at_any_step() {
        for step in [MINUTE / 60, MINUTE, 15 * MINUTE] {
            let mut tail = learnt(40, (4 * HOUR / step) as usize, step);
            let before = tail.limit_ms().unwrap();
            for _ in 0..(HOUR / 2 / step) {
                let mut slow = row(38, 100.0, 0.5);
                slow.extend([9_000.0, 9_500.0]);
                tail.learn(&slow, step);
            }
            assert!(tail.limit_ms().unwrap() < 1.1 * before);
        }
    }
}
