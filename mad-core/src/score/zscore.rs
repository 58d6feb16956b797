//! The classical z-score: distance from the mean in standard deviations.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::from_memory::{check_band, is_usable, value_to_learn};
use super::mad::directed_neg_log10_p;
use super::{Learn, ScaleSource, Score, Scorer};
use crate::error::{Error, Result};
use crate::limits::MAX_WINDOW;
use crate::series::{Direction, Sample};
use crate::time::Timestamp;

/// Values before the first score.
const LEAST: usize = 10;

/// Judges a value by the mean and the standard deviation of the values before it.
///
/// # Method
///
/// `z = (x - mean) / sd`, with the mean and the sample standard deviation of the last `window` values. The
/// standard deviation is at least a thousandth of the mean, and 1e-9. The tail probability is that of
/// the normal distribution.
///
/// # Small samples and limits
///
/// Unknown before ten values. A value that is not finite is unknown and teaches nothing. One large
/// value widens the scale for as long as it is in the window: of `n` equal values and one outlier, z
/// is at most `sqrt(n)`. An anomaly after constant values is learnt as it is. A median and its MAD do not have this weakness. A value costs `O(window)`.
///
/// # Examples
///
/// ```
/// use mad_core::score::{Learn, Scorer, ZScorer};
/// use mad_core::series::Direction;
/// use mad_core::{Sample, Timestamp};
///
/// let at = Timestamp::from_seconds(0);
/// let mut scorer = ZScorer::new(240, Direction::Both, 3.0)?;
/// for i in 0..100 {
///     scorer.learn(at, Sample { value: 18.0 + f64::from(i % 11) - 5.0, n: 1 }, Learn::Full);
/// }
/// assert!(scorer.score(at, Sample { value: 70.0, n: 1 }).z > 3.0);
/// assert!(scorer.score(at, Sample { value: 22.0, n: 1 }).z < 3.0);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ZScorer {
    direction: Direction,
    band: f64,
    window: usize,
    values: VecDeque<f64>,
}

impl ZScorer {
    /// A scorer that has learnt nothing; `band` is the z at the edge of the band.
    ///
    /// # Errors
    ///
    /// `window` outside 10 to 100,000, a band that is not above 0.
    pub fn new(window: usize, direction: Direction, band: f64) -> Result<Self> {
        if !(LEAST..=MAX_WINDOW).contains(&window) {
            return Err(Error::config("score.window", window, "10 to 100000"));
        }
        Ok(Self { direction, band: check_band(band)?, window, values: VecDeque::new() })
    }

    /// Mean and sample standard deviation.
    fn moments(&self) -> (f64, f64) {
        let count = self.values.len() as f64;
        // Divided first, so that the sum does not overflow.
        let mean = self.values.iter().map(|value| value / count).sum::<f64>();
        let mean = mean.clamp(f64::MIN, f64::MAX);
        // Halves of the distances, and relative to the largest, so that no square overflows.
        let halves = || self.values.iter().map(|value| value / 2.0 - mean / 2.0);
        let largest = halves().map(f64::abs).fold(0.0, f64::max);
        if largest > 0.0 {
            let squares = halves().map(|half| (half / largest).powi(2)).sum::<f64>();
            (mean, (2.0 * (largest * (squares / (count - 1.0)).sqrt())).min(f64::MAX))
        } else {
            (mean, 0.0)
        }
    }
}

impl Scorer for ZScorer {
    fn score(&self, _at: Timestamp, sample: Sample) -> Score {
        if !is_usable(sample) || self.values.len() < LEAST {
            return Score::unknown();
        }
        let (mean, deviation) = self.moments();
        let floor = (1e-3 * mean.abs()).max(1e-9);
        let (scale, source) = if deviation > floor {
            (deviation, ScaleSource::StandardDeviation)
        } else {
            (floor, ScaleSource::Floor)
        };
        let z = ((sample.value / 2.0 - mean / 2.0) / (scale / 2.0)).clamp(f64::MIN, f64::MAX);
        let reach = (self.band * scale).min(f64::MAX);
        Score {
            z,
            neg_log10_p: directed_neg_log10_p(z, self.direction),
            expected: mean,
            low: (mean - reach).max(f64::MIN),
            high: (mean + reach).min(f64::MAX),
            source,
            points: self.values.len() as u32,
            effective_n: sample.n as f64,
        }
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        // After constant values the band has no width, and clipping would keep it so.
        let is_constant = self.score(at, sample).source == ScaleSource::Floor;
        let how = if how == Learn::Clipped && is_constant { Learn::Full } else { how };
        let Some(value) = value_to_learn(self, at, sample, how) else { return };
        if self.values.len() == self.window {
            self.values.pop_front();
        }
        self.values.push_back(value);
    }
}
