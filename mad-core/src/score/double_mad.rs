//! Double MAD: a scale for each side of the median.

use serde::{Deserialize, Serialize};

use super::from_memory::{check_band, is_usable, value_to_learn};
use super::mad::{MAD_TO_SIGMA, directed_neg_log10_p};
use super::tail::mad_degrees_of_freedom;
use super::{Learn, ScaleSource, Score, Scorer, band_z, normal_equivalent};
use crate::error::Result;
use crate::robust::{RollingMad, median};
use crate::series::{Direction, Sample};
use crate::time::Timestamp;

/// Judges a skewed signal with the double MAD (Rosenmai, 2013): one scale above the median and one
/// below.
///
/// # Method
///
/// `z = (x - median) / scale`. The scale of a side is 1.4826 times the median distance of the values
/// on that side. If that is at most the floor, it is their mean distance. The floor is a thousandth
/// of the level, and 1e-9. The tail probability is that of Student's t with the degrees of freedom of
/// half of the values.
///
/// # Small samples and limits
///
/// Unknown before ten values. A value that is not finite is unknown and teaches nothing. A value
/// costs `O(window)`.
///
/// # Examples
///
/// ```
/// use mad_core::score::{DoubleMadScorer, Learn, Scorer};
/// use mad_core::series::Direction;
/// use mad_core::{Sample, Timestamp};
///
/// let at = Timestamp::from_seconds(0);
/// let mut scorer = DoubleMadScorer::new(240, Direction::Both, 3.5)?;
/// for i in 0..200_i32 {
///     let skewed = 10.0 + f64::from(i % 20).powi(2) / 10.0;
///     scorer.learn(at, Sample { value: skewed, n: 1 }, Learn::Full);
/// }
/// let z = |value| scorer.score(at, Sample { value, n: 1 }).z.abs();
/// // the same distance is farther out on the short side
/// assert!(z(19.0 - 30.0) > z(19.0 + 30.0));
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DoubleMadScorer {
    direction: Direction,
    band: f64,
    values: RollingMad,
}

impl DoubleMadScorer {
    /// A scorer that has learnt nothing; `band` is the normal deviate at the edge of the band.
    ///
    /// # Errors
    ///
    /// `window` outside 1 to 100,000, a band that is not above 0.
    pub fn new(window: usize, direction: Direction, band: f64) -> Result<Self> {
        Ok(Self { direction, band: check_band(band)?, values: RollingMad::new(window)? })
    }

    /// The scale of one side, and the statistic behind it.
    fn scale(&self, center: f64, upper: bool) -> (f64, ScaleSource) {
        let side = |value: &&f64| if upper { **value >= center } else { **value <= center };
        // Distances of the values on this side.
        let away: Vec<f64> =
            self.values.sorted().iter().filter(side).map(|value| (value - center).abs()).collect();
        let floor = (1e-3 * center.abs()).max(1e-9);
        let mad = MAD_TO_SIGMA * median(ndarray::ArrayView1::from(&away));
        let count = away.len().max(1) as f64;
        // Divided first, so that the sum does not overflow.
        let mean = away.iter().map(|away| away / count).sum::<f64>();
        if mad > floor {
            (mad.min(f64::MAX), ScaleSource::Mad)
        } else if mean > floor {
            (mean.min(f64::MAX), ScaleSource::MeanAbsoluteDeviation)
        } else {
            (floor, ScaleSource::Floor)
        }
    }
}

impl Scorer for DoubleMadScorer {
    fn score(&self, _at: Timestamp, sample: Sample) -> Score {
        if !is_usable(sample) || self.values.len() < 10 {
            return Score::unknown();
        }
        let center = self.values.median();
        // Half of the values determine the scale of a side.
        let dof = mad_degrees_of_freedom(self.values.len() / 2);
        let (scale, source) = self.scale(center, sample.value >= center);
        let z = ((sample.value / 2.0 - center / 2.0) / (scale / 2.0)).clamp(f64::MIN, f64::MAX);
        let reach =
            |upper: bool| (band_z(self.band, dof) * self.scale(center, upper).0).min(f64::MAX);
        Score {
            z,
            neg_log10_p: directed_neg_log10_p(normal_equivalent(z, dof), self.direction),
            expected: center,
            low: (center - reach(false)).max(f64::MIN),
            high: (center + reach(true)).min(f64::MAX),
            source,
            points: self.values.len() as u32,
            effective_n: sample.n as f64,
        }
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        let Some(value) = value_to_learn(self, at, sample, how) else { return };
        self.values.push(value);
    }
}
