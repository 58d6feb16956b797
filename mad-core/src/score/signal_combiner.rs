//! Combination of the signals of one row with Fisher's method.

use serde::{Deserialize, Serialize};

use super::autocorrelation::{CLIP, brown_fisher};
use super::band::outside_if;
use super::signal_scores::SignalScores;
use crate::feature::SignalSample;
use crate::series::Signal;

/// Signals of a row that are combined.
const SIGNALS: usize = Signal::MAIN;
/// Smallest `-log10 p` (decades) with which a signal takes part; two signals have to.
const MIN_OWN: f64 = 1.0;
/// Thresholds from which on a signal is plain by itself and needs no other one.
const PLAIN: f64 = 2.0;
/// Ways to look at a row: its strongest signal, and all signals together.
const TESTS: f64 = 2.0;
/// Rows over which the sums of products fade: four hours of one-minute rows.
const MEMORY: f32 = 240.0;
/// Squares added to the sums of squares (scales squared), so that a few rows do not prove a
/// correlation.
const PSEUDO_COUNT: f32 = 10.0;

/// Combines weak deviations of several signals in one row of requests: a small simultaneous shift
/// of latency, errors and traffic.
///
/// # Method
///
/// Fisher's method (1932) with Brown's correction for correlated tests (1975):
///
/// 1. `S` is the sum of `-log10 p` over the `k` known signals of the row.
/// 2. Without a deviation `S ln 10` is Gamma distributed with shape `k`. Both are divided by
///    `c = 1 + 2/k sum r` over all pairs of signals. `r` is the correlation of their z in calm
///    rows, from 0 to 1, and counts only if both deviate in the way in which they are correlated.
/// 3. The probability is doubled for having looked in two ways.
///
/// Signals with `-log10 p` of 1 or more get the combined value, if there are at least two of them
/// and none is plain by itself (two thresholds).
///
/// # Small samples and limits
///
/// Correlations shrink towards 0 by ten pseudo-observations. They are learnt from rows without an
/// anomalous signal. Only the main signals are combined: latencies, errors and traffic. Client errors and the
/// slow share have little evidence of their own, and the slow share follows the latencies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct SignalCombiner {
    /// Fading sums of the products of z of two signals; the diagonal holds the squares.
    products: [[f32; SIGNALS]; SIGNALS],
}

impl SignalCombiner {
    /// Raises the scores of the signals that take part; `samples` are their values. A signal that is
    /// anomalous for that (`threshold` decades or more) lies outside its band afterwards.
    ///
    /// `price` is what looking at all signals costs, in decades. It is added here, because the row
    /// takes it off every signal again.
    pub fn raise(
        &self,
        scores: &mut [SignalScores],
        samples: &[SignalSample],
        price: f64,
        threshold: f64,
    ) {
        let most = scores.len().min(SIGNALS);
        let scores = scores.get_mut(..most).unwrap_or_default();
        let own = |scores: &SignalScores| scores.score.neg_log10_p;
        let taking_part = scores.iter().filter(|scores| own(scores) >= MIN_OWN).count();
        let strongest = scores.iter().map(own).fold(0.0, f64::max);
        if taking_part < 2 || strongest >= PLAIN * threshold {
            return;
        }
        let combined = self.combined(scores) - TESTS.log10() + price;
        for (scores, sample) in scores.iter_mut().zip(samples) {
            let score = &mut scores.score;
            if (MIN_OWN..combined).contains(&score.neg_log10_p) {
                score.neg_log10_p = combined;
                let flagged = combined >= threshold;
                *score = outside_if(flagged, *score, sample.sample.value, threshold);
            }
        }
    }

    /// `-log10 p` of all known signals together.
    fn combined(&self, scores: &[SignalScores]) -> f64 {
        // Each known signal with its row of products.
        let known = || {
            let rows = scores.iter().map(|scores| &scores.score).zip(&self.products);
            rows.enumerate().filter(|(_, (score, _))| score.z.is_finite())
        };
        let (mut count, mut sum, mut correlations) = (0.0, 0.0, 0.0);
        for (place, (score, row)) in known() {
            count += 1.0;
            sum += score.neg_log10_p;
            // All pairs of this signal with an earlier one.
            for (other, (beside, squares)) in known().take_while(|(other, _)| *other < place) {
                let at = |of: &[f32; SIGNALS], place: usize| of.get(place).copied().unwrap_or(0.0);
                let square = at(row, place) + PSEUDO_COUNT;
                let other_square = at(squares, other) + PSEUDO_COUNT;
                let correlation = at(row, other) / (square * other_square).sqrt();
                // A pair that deviates against its correlation is as surprising as independent
                // signals are.
                let side = score.z.signum() * beside.z.signum();
                correlations += (f64::from(correlation) * side).clamp(0.0, 1.0);
            }
        }
        brown_fisher(sum, count, 1.0 + 2.0 / count * correlations)
    }

    /// Learns a row by the scores that its signals have alone, if none of them is anomalous. An
    /// unknown z counts as 0.
    pub fn learn(&mut self, scores: &[SignalScores], threshold: f64) {
        let scores = scores.get(..SIGNALS).unwrap_or(scores);
        if scores.iter().any(|scores| scores.alone.neg_log10_p >= threshold) {
            return;
        }
        let deviate = |scores: &SignalScores| {
            let z = scores.alone.z;
            if z.is_finite() { z.clamp(-CLIP, CLIP) as f32 } else { 0.0 }
        };
        for (row, one) in self.products.iter_mut().zip(scores) {
            for (product, other) in row.iter_mut().zip(scores) {
                *product = *product * (1.0 - 1.0 / MEMORY) + deviate(one) * deviate(other);
            }
        }
    }
}
