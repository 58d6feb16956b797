//! Thousands of values in few.

use serde::{Deserialize, Serialize};

use super::from_memory::{check_band, clipped, is_usable, score_against};
use super::long_memory::LongMemory;
use super::{Learn, Score, Scorer};
use crate::error::Result;
use crate::series::{Direction, Sample};
use crate::time::Timestamp;

/// A value against the median and scale of a long past, kept as at most 81 values: every one at
/// first, every 243rd in the end, which reaches back 6,561 to 19,683 values. An error of the median
/// of about `1.25 sigma / sqrt(points)` is the price; Student's t pays it.
///
/// Unknown before 10 values. Values that are not finite are unknown and teach nothing; time plays
/// no part.
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
        score_against(sample, 0.0, &self.past, self.direction, self.band)
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        if !is_usable(sample) || how == Learn::Skip {
            return;
        }
        let value = match how {
            Learn::Clipped => clipped(sample.value, &self.score(at, sample)),
            Learn::Full | Learn::Skip => sample.value,
        };
        self.past.push(value);
    }
}
