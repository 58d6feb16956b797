//! Signals of one row that are each a little out.

use serde::{Deserialize, Serialize};

use super::Score;
use super::autocorrelation::{CLIP, brown_fisher};
use super::band::outside_if;
use super::row_scorer::look_elsewhere;
use crate::series::Signal;

const SIGNALS: usize = Signal::ALL.len();
/// Evidence with which a signal carries what they say together; two have to.
const CARRIES: f64 = 1.0;
/// Evidence, in thresholds, from which a signal needs no other one.
const PLAIN: f64 = 2.0;
/// Ways to look at a row: its strongest signal, and all of them.
const LOOKS: f64 = 2.0;
/// Rows over which the likeness of signals is averaged, and those that it is doubted with.
const LIKENESS: f32 = 240.0;
const DOUBT: f32 = 10.0;

/// All signals of a row taken as one.
///
/// With the evidences `e` of `k` signals of a row that nothing happened to, `sum e ln 10` is Gamma
/// distributed with shape `k` (Fisher, 1932). Signals that are alike, with the correlations `r` of
/// their z in calm rows, say less: the sum is divided by `c = 1 + 2/k sum r` over all pairs, the shape
/// as well (Brown, 1975). The signals with evidence of 1 or more, if there are two, are given that of
/// all, less log10 2 for having looked in two ways, unless one of them is plain by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct SignalCombiner {
    /// Sums of products of the z of two signals, with forgetting.
    products: [[f32; SIGNALS]; SIGNALS],
}

impl SignalCombiner {
    /// Raises the evidence of the signals that carry the row's; `values` are theirs. One that is
    /// anomalous for that, from `threshold` on, lies outside of its band.
    pub fn raise(&self, scores: &mut [Score; SIGNALS], values: &[f64; SIGNALS], threshold: f64) {
        let carrying = scores.iter().filter(|score| score.neg_log10_p >= CARRIES).count();
        let strongest = scores.iter().map(|score| score.neg_log10_p).fold(0.0, f64::max);
        if carrying < 2 || strongest >= PLAIN * threshold {
            return;
        }
        // as a signal's evidence, of which looking at all signals is taken off again
        let together = self.neg_log10_p(scores) - LOOKS.log10() + look_elsewhere();
        for (score, value) in scores.iter_mut().zip(values) {
            if (CARRIES..together).contains(&score.neg_log10_p) {
                score.neg_log10_p = together;
                *score = outside_if(together >= threshold, *score, *value, threshold);
            }
        }
    }

    fn neg_log10_p(&self, scores: &[Score; SIGNALS]) -> f64 {
        let known =
            || scores.iter().zip(&self.products).enumerate().filter(|(_, (s, _))| s.z.is_finite());
        let (mut count, mut sum, mut alike) = (0.0, 0.0, 0.0);
        for (place, (score, row)) in known() {
            count += 1.0;
            sum += score.neg_log10_p;
            for (other, (beside, squares)) in known().take_while(|(other, _)| *other < place) {
                let at = |of: &[f32; SIGNALS], place: usize| of.get(place).copied().unwrap_or(0.0);
                let (square, other_square) = (at(row, place) + DOUBT, at(squares, other) + DOUBT);
                let likeness = at(row, other) / (square * other_square).sqrt();
                // only as far as both went the way in which they are alike
                let side = score.z.signum() * beside.z.signum();
                alike += (f64::from(likeness) * side).clamp(0.0, 1.0);
            }
        }
        brown_fisher(sum, count, 1.0 + 2.0 / count * alike)
    }

    /// Learns a row by the scores that it has alone, where none is anomalous.
    pub fn learn(&mut self, alone: &[Score; SIGNALS], threshold: f64) {
        if alone.iter().any(|score| score.neg_log10_p >= threshold) {
            return;
        }
        let distance = |score: &Score| {
            if score.z.is_finite() { score.z.clamp(-CLIP, CLIP) as f32 } else { 0.0 }
        };
        for (row, score) in self.products.iter_mut().zip(alone) {
            for (product, other) in row.iter_mut().zip(alone) {
                *product = *product * (1.0 - 1.0 / LIKENESS) + distance(score) * distance(other);
            }
        }
    }
}
