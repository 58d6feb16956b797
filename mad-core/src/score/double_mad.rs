//! A scale for each side.

use serde::{Deserialize, Serialize};

use super::from_memory::{check_band, clipped, is_usable};
use super::mad::{MAD_TO_SIGMA, directed_neg_log10_p};
use super::tail::mad_degrees_of_freedom;
use super::{Learn, ScaleSource, Score, Scorer, band_z, normal_equivalent};
use crate::error::Result;
use crate::robust::{RollingMad, median};
use crate::series::{Direction, Sample};
use crate::time::Timestamp;

/// The double MAD (Rosenmai, 2013): a skewed signal has a scale above its median and another below
/// it, each 1.4826 times the median distance of the values on that side, of which half of the
/// window lie.
///
/// A side whose values mostly equal the median takes the mean distance; the floor is a thousandth
/// of the level and 1e-9. Student's t has the degrees of freedom of half of the values. O(window) a
/// value. Unknown before 10 values; values that are not finite are unknown and teach nothing.
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

    fn scale(&self, center: f64, upper: bool) -> (f64, ScaleSource) {
        let side = |value: &&f64| if upper { **value >= center } else { **value <= center };
        let away: Vec<f64> =
            self.values.sorted().iter().filter(side).map(|value| (value - center).abs()).collect();
        let floor = (1e-3 * center.abs()).max(1e-9);
        let mad = MAD_TO_SIGMA * median(ndarray::ArrayView1::from(&away));
        let count = away.len().max(1) as f64;
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
        if !is_usable(sample) || how == Learn::Skip {
            return;
        }
        let value = match how {
            Learn::Clipped => clipped(sample.value, &self.score(at, sample)),
            Learn::Full | Learn::Skip => sample.value,
        };
        self.values.push(value);
    }
}
