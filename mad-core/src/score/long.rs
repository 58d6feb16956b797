//! Scorer of one view: a value against a long, thinned memory.

use serde::{Deserialize, Serialize};

use super::from_memory::{Past, check_band, value_to_learn};
use super::long_memory::LongMemory;
use super::{Learn, Score, Scorer};
use crate::error::Result;
use crate::series::{Direction, Sample};
use crate::time::Timestamp;

/// Judges a value against the median and scale of a long past.
///
/// # Method
///
/// The past is kept as at most 81 values: every one at first, every 243rd in the end, which reaches
/// back 6,561 to 19,683 values. The modified z-score is judged by Student's t, whose degrees of
/// freedom account for the few values.
///
/// # Small samples and limits
///
/// Unknown before ten values. A value that is not finite is unknown and teaches nothing. The time of a
/// value does not count.
///
/// # Examples
///
/// ```
/// use mad_core::score::{LongScorer, Scorer};
/// use mad_core::series::Direction;
/// use mad_core::{Sample, Timestamp};
///
/// let (at, mut scorer) = (Timestamp::from_seconds(0), LongScorer::new(Direction::Both, 3.5)?);
/// for i in 0..1_000 {
///     scorer.observe(at, Sample { value: f64::from(i * 37 % 11), n: 1 }, 4.0);
/// }
/// assert!(scorer.score(at, Sample { value: 90.0, n: 1 }).neg_log10_p > 4.0);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LongScorer {
    direction: Direction,
    band: f64,
    past: LongMemory,
}

impl LongScorer {
    /// A scorer that has learnt nothing; `band` is the normal deviate at the edge of the band.
    ///
    /// # Errors
    ///
    /// A band that is not above 0.
    pub fn new(direction: Direction, band: f64) -> Result<Self> {
        Ok(Self { direction, band: check_band(band)?, past: LongMemory::default() })
    }
}

impl Scorer for LongScorer {
    fn score(&self, _at: Timestamp, sample: Sample) -> Score {
        let Self { direction, band, .. } = *self;
        Past { memory: &self.past, direction, band }.score(sample, 0.0)
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        let Some(value) = value_to_learn(self, at, sample, how) else { return };
        self.past.push(value);
    }
}
