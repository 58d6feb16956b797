//! Combination of neighbouring rows of one signal with Fisher's method.

use serde::{Deserialize, Serialize};

use super::Score;
use super::autocorrelation::{Autocorrelation, CLIP, brown_fisher};
use super::band::outside_if;

/// Earlier rows that are combined with the current one, at most. Four rows together find a weak
/// deviation within four steps; more would keep a recovered signal high.
const EARLIER_ROWS: usize = 3;
/// Smallest `-log10 p` (decades) that the current row needs by itself, so that a recovered signal is
/// not flagged for the rows before it.
const MIN_OWN: f64 = 1.0;
/// Thresholds from which on a row is plain by itself and needs no other row.
const PLAIN: f64 = 2.0;
/// Independent tests that the three nested ones (two, three and four rows) are worth, about: they
/// share most of their rows.
const TESTS: f64 = 2.0;

/// Combines the last rows of one signal, so that a weak deviation that lasts is found.
///
/// # Method
///
/// Fisher's method (1932) with Brown's correction for correlated tests (1975). For a row with
/// `-log10 p = e0` and the rows before it:
///
/// 1. `S_k = e0 + ... + e_(k-1)` over the last `k` = 2, 3 and 4 rows. A row that deviates to the
///    other side counts as 0.
/// 2. Without a deviation `S_k ln 10` is Gamma distributed with shape `k`. If neighbouring rows
///    are correlated, both are divided by the number of rows that carry the information of one
///    independent row ([`Autocorrelation::rows_per_independent`]).
/// 3. The smallest of the three probabilities counts, times 2 for having looked more than once.
///
/// The result replaces the row's own `-log10 p` if it is larger, if `e0` is at least 1, and if `e0`
/// is below two thresholds.
///
/// # Small samples and limits
///
/// Rows that are not known yet count as 0. The correlation is learnt from rows that are not
/// anomalous by themselves, so that an incident does not look like correlation. Rows are
/// neighbours in order, whatever the time between them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct RunCombiner {
    /// `-log10 p` of the last rows, the newest first; negative for rows below the expected value.
    past: [f32; EARLIER_ROWS],
    /// Deviate of the last row, in scales, clipped.
    last: f64,
    autocorrelation: Autocorrelation,
}

impl RunCombiner {
    /// Raises the score of a row to that of the last rows together. A value that is flagged for that
    /// (`threshold` decades or more) lies outside its band afterwards.
    pub fn raise(&self, score: &mut Score, value: f64, threshold: f64) {
        let own = score.neg_log10_p;
        if !(own >= MIN_OWN && own < PLAIN * threshold) {
            return;
        }
        let side = score.z.signum();
        let (mut sum, mut best) = (own, 0.0_f64);
        for (place, past) in self.past.iter().enumerate() {
            // Only rows on the same side of the expected value add to the sum.
            sum += (f64::from(*past) * side).max(0.0);
            let rows = place + 2;
            let inflation = self.autocorrelation.rows_per_independent(rows);
            best = best.max(brown_fisher(sum, rows as f64, inflation));
        }
        // Bonferroni over the nested tests.
        let combined = best - TESTS.log10();
        if combined > own {
            score.neg_log10_p = combined;
            *score = outside_if(combined >= threshold, *score, value, threshold);
        }
    }

    /// Learns a row by the score that it has alone. An unknown score (NaN z) teaches nothing.
    pub fn learn(&mut self, alone: &Score, threshold: f64) {
        if !alone.z.is_finite() {
            return;
        }
        let [first, second, _] = self.past;
        // The sign of z marks the side.
        self.past = [(alone.neg_log10_p * alone.z.signum()) as f32, first, second];
        let z = alone.z.clamp(-CLIP, CLIP);
        if alone.neg_log10_p < threshold {
            self.autocorrelation.learn(z, self.last);
        }
        self.last = z;
    }
}
