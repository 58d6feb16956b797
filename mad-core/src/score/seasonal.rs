//! A value against its hour.

use serde::{Deserialize, Serialize};

use super::from_memory::{check_band, clipped, is_usable, score_against};
use super::long_memory::LongMemory;
use super::season::Season;
use super::{Learn, Score, Scorer};
use crate::error::Result;
use crate::series::{Direction, Sample};
use crate::time::Timestamp;

/// A value against the level of its hour of the day and of the week, both learnt from deviations
/// from the long-term median that are clipped to three scales, and shrunk to that median by `days /
/// (days + 2)` while history is short. The scale is that of what is left after the season was taken
/// off.
///
/// Unknown before 20 values. A gap in time is a gap: hours that did not come keep what they know.
/// Values that are not finite are unknown and teach nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SeasonalScorer {
    direction: Direction,
    band: f64,
    long: LongMemory,
    season: Season,
    rest: LongMemory,
}

impl SeasonalScorer {
    /// A scorer that has learnt nothing; `band` is the normal deviate at the edge of the band.
    ///
    /// # Errors
    ///
    /// A band that is not above 0.
    pub fn new(direction: Direction, band: f64) -> Result<Self> {
        let (long, season, rest) =
            (LongMemory::default(), Season::default(), LongMemory::default());
        Ok(Self { direction, band: check_band(band)?, long, season, rest })
    }
}

impl Scorer for SeasonalScorer {
    fn score(&self, at: Timestamp, sample: Sample) -> Score {
        let Some(long) = self.long.baseline() else { return Score::unknown() };
        let usual = long.center + self.season.at(at);
        score_against(sample, usual, &self.rest, self.direction, self.band)
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        if !is_usable(sample) || how == Learn::Skip {
            return;
        }
        let value = match how {
            Learn::Clipped => clipped(sample.value, &self.score(at, sample)),
            Learn::Full | Learn::Skip => sample.value,
        };
        if let Some(long) = self.long.baseline() {
            let deviation = (value - long.center).clamp(f64::MIN, f64::MAX);
            self.rest.push((deviation - self.season.at(at)).clamp(f64::MIN, f64::MAX));
            self.season.learn(at, deviation, long);
        }
        self.long.push(value);
    }
}
