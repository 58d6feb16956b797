//! Correlation of neighbouring rows, and Fisher's method corrected for it.

use serde::{Deserialize, Serialize};
use statrs::function::gamma::gamma_ur;

/// Rows over which the sums fade: the weight of a row falls to 1/e after 240 rows, four hours of
/// one-minute rows.
const MEMORY: f64 = 240.0;
/// Squares added to the denominator (scales squared), so that a few rows do not prove a
/// correlation: after ten rows of usual size the estimate is half of the raw one.
const PSEUDO_COUNT: f64 = 10.0;
/// Deviates are clipped here, in scales, so that a single outlier does not set the correlation.
pub(super) const CLIP: f64 = 3.0;

/// Lag-1 autocorrelation of the deviates of one signal, from exponentially fading sums.
///
/// `r = sum(z_t z_(t-1)) / (sum(z_t^2) + 10)`, clamped to 0..1. Both sums fade by 1/240 a row.
/// Without rows `r` is 0. The estimate shrinks towards 0 while few rows are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Autocorrelation {
    products: f64,
    squares: f64,
}

impl Autocorrelation {
    /// Learns one pair of neighbours: the deviate of a row and that of the row before it, in scales.
    pub fn learn(&mut self, deviate: f64, previous: f64) {
        let (deviate, previous) = (deviate.clamp(-CLIP, CLIP), previous.clamp(-CLIP, CLIP));
        // Exponential forgetting, so that a changed correlation is learnt within hours.
        let keep = 1.0 - 1.0 / MEMORY;
        self.products = self.products * keep + deviate * previous;
        self.squares = self.squares * keep + deviate * deviate;
    }

    /// How many of `rows` neighbouring rows carry the information of one independent row (Brown,
    /// 1975): `1 + 2 sum_(j=1)^(rows-1) (1 - j / rows) r^j`. 1 for independent rows, `rows` for
    /// identical ones.
    pub fn rows_per_independent(self, rows: usize) -> f64 {
        // Negative correlation counts as none, which errs towards larger probabilities.
        let correlation = (self.products / (self.squares + PSEUDO_COUNT)).clamp(0.0, 1.0);
        let (mut inflation, mut power) = (1.0, 1.0);
        for lag in 1..rows {
            // Under an AR(1) process the correlation at lag j is r^j.
            power *= correlation;
            inflation += 2.0 * (1.0 - lag as f64 / rows as f64) * power;
        }
        inflation
    }
}

/// Combines `tests` one-sided tests, whose `-log10 p` add up to `sum`, into one `-log10 p`.
///
/// Under the null hypothesis `sum * ln 10` is Gamma distributed with shape `tests` (Fisher, 1932).
/// If `inflation` tests carry the information of one independent test, both the statistic and the
/// shape are divided by it (Brown, 1975). The result is at most 300.
pub(super) fn brown_fisher(sum: f64, tests: f64, inflation: f64) -> f64 {
    -gamma_ur(tests / inflation, sum * std::f64::consts::LN_10 / inflation).max(1e-300).log10()
}
