//! Scorer of one view: the difference to the values just before.

use serde::{Deserialize, Serialize};

use super::from_memory::{Past, check_band, value_to_learn};
use super::long_memory::LongMemory;
use super::{Learn, Score, Scorer};
use crate::error::Result;
use crate::robust::RollingMad;
use crate::series::{Direction, Sample};
use crate::time::Timestamp;

/// Judges the difference between a value and the median of the `last` values before it.
///
/// # Method
///
/// The difference is judged by the median and scale of such differences in a thinned memory, with
/// Student's t. With `last` = 1 it is the first difference. With 25 it is a jump out of the present
/// level, and follows every slope.
///
/// # Learning
///
/// A clipped value teaches its difference, clipped, and does not become part of the present level.
///
/// # Small samples and limits
///
/// Unknown before eleven values. A value that is not finite is unknown and teaches nothing. The time
/// between values does not count.
///
/// # Examples
///
/// ```
/// use mad_core::score::{DifferenceScorer, Scorer};
/// use mad_core::series::Direction;
/// use mad_core::{Sample, Timestamp};
///
/// let at = Timestamp::from_seconds(0);
/// let mut scorer = DifferenceScorer::new(1, Direction::Both, 3.5)?;
/// for i in 0..100 {
///     let rising = f64::from(10 * i) + f64::from(i * 37 % 11);
///     scorer.observe(at, Sample { value: rising, n: 1 }, 4.0);
/// }
/// assert!(scorer.score(at, Sample { value: 1_005.0, n: 1 }).neg_log10_p < 4.0);
/// assert!(scorer.score(at, Sample { value: 2_000.0, n: 1 }).neg_log10_p > 4.0);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DifferenceScorer {
    direction: Direction,
    band: f64,
    last: RollingMad,
    past: LongMemory,
}

impl DifferenceScorer {
    /// A scorer that has learnt nothing; `band` is the normal deviate at the edge of the band.
    ///
    /// # Errors
    ///
    /// `last` outside 1 to 100,000, a band that is not above 0.
    pub fn new(last: usize, direction: Direction, band: f64) -> Result<Self> {
        let last = RollingMad::new(last)?;
        Ok(Self { direction, band: check_band(band)?, last, past: LongMemory::default() })
    }
}

impl Scorer for DifferenceScorer {
    fn score(&self, _at: Timestamp, sample: Sample) -> Score {
        if self.last.is_empty() {
            return Score::unknown();
        }
        let Self { direction, band, .. } = *self;
        Past { memory: &self.past, direction, band }.score(sample, self.last.median())
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        let Some(value) = value_to_learn(self, at, sample, how) else { return };
        if !self.last.is_empty() {
            self.past.push((value - self.last.median()).clamp(f64::MIN, f64::MAX));
        }
        // An anomalous value is not followed.
        if how == Learn::Full || self.last.is_empty() {
            self.last.push(sample.value);
        }
    }
}
