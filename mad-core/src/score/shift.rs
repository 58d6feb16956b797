//! Scorer of one view: a shift of the level.

use serde::{Deserialize, Serialize};

use super::from_memory::{Past, check_band, is_usable};
use super::long_memory::LongMemory;
use super::{Learn, Score, Scorer};
use crate::error::Result;
use crate::robust::RollingMad;
use crate::series::{Direction, Sample};
use crate::time::Timestamp;

/// Judges whether the level has shifted: the median of the `last` values, the current one included.
///
/// # Method
///
/// The median is judged by the median and scale of such medians in a thinned memory, with Student's t.
/// One value, however far out, hardly moves a median of three or more. z, expected and the band are
/// those of the median.
///
/// # Learning
///
/// A clipped value is learnt as it is: the memory of medians is robust by itself, and a shift that
/// stays has to be learnt.
///
/// # Small samples and limits
///
/// Unknown before ten values. A value that is not finite is unknown and teaches nothing. The time
/// between values does not count.
///
/// # Examples
///
/// ```
/// use mad_core::score::{Scorer, ShiftScorer};
/// use mad_core::series::Direction;
/// use mad_core::{Sample, Timestamp};
///
/// let at = Timestamp::from_seconds(0);
/// let mut scorer = ShiftScorer::new(12, Direction::Both, 3.5)?;
/// let mut observe = |i: u32, level: f64| {
///     let value = level + f64::from(i * 37 % 11);
///     scorer.observe(at, Sample { value, n: 1 }, 4.0).neg_log10_p
/// };
/// assert!((0..300).all(|i| observe(i, 100.0) < 4.0));
/// assert!((300..320).any(|i| observe(i, 110.0) >= 4.0));
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShiftScorer {
    direction: Direction,
    band: f64,
    last: RollingMad,
    past: LongMemory,
}

impl ShiftScorer {
    /// A scorer that has learnt nothing; `band` is the normal deviate at the edge of the band.
    ///
    /// # Errors
    ///
    /// `last` outside 2 to 100,000, a band that is not above 0.
    pub fn new(last: usize, direction: Direction, band: f64) -> Result<Self> {
        let last = RollingMad::new(last.saturating_sub(1))?;
        Ok(Self { direction, band: check_band(band)?, last, past: LongMemory::default() })
    }
}

impl Scorer for ShiftScorer {
    fn score(&self, _at: Timestamp, sample: Sample) -> Score {
        if !is_usable(sample) {
            return Score::unknown();
        }
        // The level with this value, against the levels before.
        let level = median_with(self.last.sorted(), sample.value);
        let Self { direction, band, .. } = *self;
        Past { memory: &self.past, direction, band }.score(Sample { value: level, ..sample }, 0.0)
    }

    fn learn(&mut self, _at: Timestamp, sample: Sample, how: Learn) {
        if !is_usable(sample) || how == Learn::Skip {
            return;
        }
        self.past.push(median_with(self.last.sorted(), sample.value));
        self.last.push(sample.value);
    }
}

/// The median of sorted values and one more, in constant time.
pub(super) fn median_with(sorted: &[f64], value: f64) -> f64 {
    let at = |place: usize| sorted.get(place).copied();
    // Only the two or three values in the middle can be the median.
    let middle = sorted.len() / 2;
    let below = middle.checked_sub(1).and_then(at).unwrap_or(f64::MIN);
    if sorted.len().is_multiple_of(2) {
        value.clamp(below, at(middle).unwrap_or(f64::MAX))
    } else {
        let center = at(middle).unwrap_or(value);
        let other = value.clamp(below, at(middle + 1).unwrap_or(f64::MAX));
        center / 2.0 + other / 2.0
    }
}
