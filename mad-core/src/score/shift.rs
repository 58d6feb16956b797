//! A level that moved.

use serde::{Deserialize, Serialize};

use super::from_memory::{check_band, is_usable, score_against};
use super::long_memory::LongMemory;
use super::{Learn, Score, Scorer};
use crate::error::Result;
use crate::robust::RollingMad;
use crate::series::{Direction, Sample};
use crate::time::Timestamp;

/// The median of the `last` values, this one included, against such medians in the long past: a
/// level shift or a slow drift, which no value shows alone. One value, however far out, moves a
/// median of three or more hardly at all. The score's numbers are about the median: z, expected and
/// the band.
///
/// What is clipped is learnt as it is: the past of medians is robust by itself, and a shift that
/// stays has to be learnt some day. Unknown before 10 values; values that are not finite are
/// unknown and teach nothing.
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
        let level = median_with(self.last.sorted(), sample.value);
        score_against(Sample { value: level, ..sample }, 0.0, &self.past, self.direction, self.band)
    }

    fn learn(&mut self, _at: Timestamp, sample: Sample, how: Learn) {
        if !is_usable(sample) || how == Learn::Skip {
            return;
        }
        self.past.push(median_with(self.last.sorted(), sample.value));
        self.last.push(sample.value);
    }
}

/// The median of sorted values and one more.
pub(super) fn median_with(sorted: &[f64], value: f64) -> f64 {
    let at = |place: usize| sorted.get(place).copied();
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
