//! Counts of independent events: Poisson unless the past says that they vary more.

use serde::{Deserialize, Serialize};

use super::mad::{Spread, directed_neg_log10_p};
use super::tail::mad_degrees_of_freedom;
use super::{Learn, MadConfig, MadScorer, ScaleSource, Score, Scorer, band_z, normal_equivalent};
use crate::error::Result;
use crate::series::{Direction, Sample};
use crate::time::Timestamp;

/// A count against the median of the counts before it, both as `2 sqrt(x + 3/8)`
/// (Anscombe, 1948), where a Poisson count has a standard deviation of 1 whatever its mean.
///
/// The scale is 1, which no past has to teach, as long as the MAD of the past is what chance
/// makes of a Poisson count (within two standard errors); beyond that it is the MAD, with the
/// heavier tail of [`MadScorer`]. Negative values count as 0; NaN, infinite values and samples
/// without observations (`n` = 0) are unknown and teach nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CountScorer {
    level: MadScorer,
}

impl CountScorer {
    /// A scorer that has learnt nothing.
    ///
    /// # Errors
    ///
    /// A window outside 3 to 100,000, or a band that is not above 0.
    pub fn new(window: usize, direction: Direction, band: f64) -> Result<Self> {
        let config = MadConfig {
            window,
            direction,
            band,
            absolute_floor: 1e-9,
            relative_floor: 0.0,
            tail_weight: 0.0,
            logarithm: false,
        };
        Ok(Self { level: MadScorer::new(config)? })
    }

    /// Applies another band. The learnt values stay.
    pub(super) fn reconfigure(&mut self, band: f64) {
        self.level.reconfigure(MadConfig { band, ..*self.level.config() });
    }

    /// Values remembered now.
    pub fn points(&self) -> usize {
        self.level.points()
    }
}

/// Anscombe's transform.
fn stabilised(count: f64) -> f64 {
    2.0 * (count.max(0.0) + 0.375).sqrt()
}

fn count_of(stabilised: f64) -> f64 {
    let half = stabilised.max(0.0) / 2.0;
    (half * half - 0.375).clamp(0.0, f64::MAX)
}

impl Scorer for CountScorer {
    fn score(&self, _at: Timestamp, sample: Sample) -> Score {
        if !(sample.value.is_finite() && sample.n > 0) {
            return Score::unknown();
        }
        let Some(Spread { center, scale, source }) = self.level.spread(true) else {
            return Score::unknown();
        };
        let points = self.level.points();
        let dof = mad_degrees_of_freedom(points);
        let chance = 1.0 + 2.0 * (2.0 / dof).sqrt();
        let (scale, source, dof) = if scale * scale <= chance {
            (1.0, ScaleSource::Counting, f64::INFINITY)
        } else {
            (scale, source, dof)
        };
        let scale = scale * (1.0 + std::f64::consts::FRAC_PI_2 / points as f64).sqrt();
        let z = (stabilised(sample.value) - center) / scale;
        let config = self.level.config();
        let reach = band_z(config.band, dof) * scale;
        Score {
            z,
            neg_log10_p: directed_neg_log10_p(normal_equivalent(z, dof), config.direction),
            expected: count_of(center),
            low: count_of(center - reach),
            high: count_of(center + reach),
            source,
            points: points as u32,
            // both what came and what did not come stand behind a count
            effective_n: count_of(center).max(sample.value),
        }
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        // here, since the transform makes a number of anything
        if !(sample.value.is_finite() && sample.n > 0) {
            return;
        }
        let value = match how {
            Learn::Skip => return,
            Learn::Full => sample.value,
            Learn::Clipped => {
                let Score { low, high, .. } = self.score(at, sample);
                if low <= high { sample.value.clamp(low, high) } else { sample.value }
            }
        };
        self.level.learn(at, Sample { value: stabilised(value), n: 1 }, Learn::Full);
    }
}
