//! A value against the ones just before it.

use serde::{Deserialize, Serialize};

use super::from_memory::{check_band, clipped, is_usable, score_against};
use super::long_memory::LongMemory;
use super::{Learn, Score, Scorer};
use crate::error::Result;
use crate::robust::RollingMad;
use crate::series::{Direction, Sample};
use crate::time::Timestamp;

/// The difference between a value and the median of the `last` before it, against such differences
/// in the long past: of 1 the first difference, of 25 a jump out of the present level, which
/// follows every slope.
///
/// A clipped value teaches its difference, clipped, and is not followed. Unknown before 11 values.
/// Values that are not finite are unknown and teach nothing; a gap in time is not seen.
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
        score_against(sample, self.last.median(), &self.past, self.direction, self.band)
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        if !is_usable(sample) || how == Learn::Skip {
            return;
        }
        if !self.last.is_empty() {
            let value = match how {
                Learn::Clipped => clipped(sample.value, &self.score(at, sample)),
                Learn::Full | Learn::Skip => sample.value,
            };
            self.past.push((value - self.last.median()).clamp(f64::MIN, f64::MAX));
        }
        if how == Learn::Full || self.last.is_empty() {
            self.last.push(sample.value);
        }
    }
}
