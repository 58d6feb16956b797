//! A deviation that is little and lasts.

use serde::{Deserialize, Serialize};
use statrs::function::gamma::gamma_ur;

use super::Score;
use super::band::outside_if;

/// Rows before this one that are taken together with it, at most.
const BEFORE: usize = 3;
/// Evidence of its own that a row needs: what is over is over.
const STILL: f64 = 1.0;
/// Independent tests that so many nested ones are worth, about.
const LOOKS: f64 = 2.0;
/// Rows over which the likeness of neighbours is averaged, and those that it is doubted with.
const LIKENESS: f64 = 240.0;
const DOUBT: f64 = 10.0;
/// Where a distance no longer counts more, in scales.
const FAR: f64 = 3.0;

/// The last rows of one signal taken as one.
///
/// With evidences `e` on one side of what is expected, `sum e ln 10` of `k` rows that nothing
/// happened to is Gamma distributed with shape `k` (Fisher, 1932). Neighbours that are alike, with the
/// correlation `r` of their z, say less: the sum is divided by `c = 1 + 2 sum (1 - j/k) r^j`, the
/// shape as well (Brown, 1975). Two, three and four rows are looked at, the strongest counts, less
/// log10 2 for having looked often. A row has to have evidence of 1 by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Lasting {
    /// Evidence of the last rows, the newest first; negative below what is expected.
    past: [f32; BEFORE],
    last: f64,
    products: f64,
    squares: f64,
}

impl Lasting {
    /// The correlation of neighbours, 0 to 1.
    fn likeness(&self) -> f64 {
        (self.products / (self.squares + DOUBT)).clamp(0.0, 1.0)
    }

    /// Raises the evidence of a row to that of the last rows together. A value that is flagged for
    /// that, from `threshold` on, lies outside of the band.
    pub fn raise(&self, score: &mut Score, value: f64, threshold: f64) {
        let own = score.evidence;
        if !(own >= STILL && own < 2.0 * threshold) {
            return;
        }
        let side = score.z.signum();
        let likeness = self.likeness();
        let (mut sum, mut best) = (own, 0.0_f64);
        for (place, past) in self.past.iter().enumerate() {
            sum += (f64::from(*past) * side).max(0.0);
            let rows = place as f64 + 2.0;
            let (mut alike, mut power) = (1.0, 1.0);
            for lag in 1..=place + 1 {
                power *= likeness;
                alike += 2.0 * (1.0 - lag as f64 / rows) * power;
            }
            let tail = gamma_ur(rows / alike, sum * std::f64::consts::LN_10 / alike);
            best = best.max(-tail.max(1e-300).log10());
        }
        let together = best - LOOKS.log10();
        if together > own {
            score.evidence = together;
            *score = outside_if(together >= threshold, *score, value, threshold);
        }
    }

    /// Learns a row by the score that it has alone.
    pub fn learn(&mut self, alone: &Score, threshold: f64) {
        if !alone.z.is_finite() {
            return;
        }
        let [first, second, _] = self.past;
        self.past = [(alone.evidence * alone.z.signum()) as f32, first, second];
        let z = alone.z.clamp(-FAR, FAR);
        if alone.evidence < threshold {
            let keep = 1.0 - 1.0 / LIKENESS;
            self.products = self.products * keep + z * self.last;
            self.squares = self.squares * keep + z * z;
        }
        self.last = z;
    }
}
