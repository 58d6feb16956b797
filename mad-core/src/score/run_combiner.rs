//! A deviation that is little and lasts.

use serde::{Deserialize, Serialize};

use super::Score;
use super::autocorrelation::{Autocorrelation, CLIP, brown_fisher};
use super::band::outside_if;

/// Rows before this one that are taken together with it, at most.
const BEFORE: usize = 3;
/// Evidence of its own that a row needs: what is over is over.
const STILL: f64 = 1.0;
/// Independent tests that so many nested ones are worth, about.
const LOOKS: f64 = 2.0;

/// The last rows of one signal taken as one.
///
/// With evidences `e` on one side of what is expected, `sum e ln 10` of `k` rows that nothing
/// happened to is Gamma distributed with shape `k` (Fisher, 1932). Neighbours that are alike, with the
/// correlation `r` of their z, say less: the sum is divided by `c = 1 + 2 sum (1 - j/k) r^j`, the
/// shape as well (Brown, 1975). Two, three and four rows are looked at, the strongest counts, less
/// log10 2 for having looked often. A row has to have evidence of 1 by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct RunCombiner {
    /// Evidence of the last rows, the newest first; negative below what is expected.
    past: [f32; BEFORE],
    last: f64,
    autocorrelation: Autocorrelation,
}

impl RunCombiner {
    /// Raises the evidence of a row to that of the last rows together. A value that is flagged for
    /// that, from `threshold` on, lies outside of the band.
    pub fn raise(&self, score: &mut Score, value: f64, threshold: f64) {
        let own = score.neg_log10_p;
        if !(own >= STILL && own < 2.0 * threshold) {
            return;
        }
        let side = score.z.signum();
        let (mut sum, mut best) = (own, 0.0_f64);
        for (place, past) in self.past.iter().enumerate() {
            sum += (f64::from(*past) * side).max(0.0);
            let rows = place + 2;
            let inflation = self.autocorrelation.rows_per_independent(rows);
            best = best.max(brown_fisher(sum, rows as f64, inflation));
        }
        let together = best - LOOKS.log10();
        if together > own {
            score.neg_log10_p = together;
            *score = outside_if(together >= threshold, *score, value, threshold);
        }
    }

    /// Learns a row by the score that it has alone.
    pub fn learn(&mut self, alone: &Score, threshold: f64) {
        if !alone.z.is_finite() {
            return;
        }
        let [first, second, _] = self.past;
        self.past = [(alone.neg_log10_p * alone.z.signum()) as f32, first, second];
        let z = alone.z.clamp(-CLIP, CLIP);
        if alone.neg_log10_p < threshold {
            self.autocorrelation.learn(z, self.last);
        }
        self.last = z;
    }
}
