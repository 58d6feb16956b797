//! Scorer of one view: a value against the level of its hour.

use serde::{Deserialize, Serialize};

use super::from_memory::{Past, check_band, value_to_learn};
use super::long_memory::LongMemory;
use super::season::Season;
use super::{Learn, Score, Scorer};
use crate::error::Result;
use crate::series::{Direction, Sample};
use crate::time::Timestamp;

/// Judges a value against the level of its hour of the day and of the week.
///
/// # Method
///
/// The level of an hour is a mean of clipped deviations from the long-term median, shrunk to that
/// median while history is short. The deviation from it is judged by the median and scale of a
/// thinned memory of such deviations, with Student's t.
///
/// # Small samples and limits
///
/// Unknown before 20 values. A gap keeps the levels of the hours that did not come. A value that is
/// not finite is unknown and teaches nothing.
///
/// # Examples
///
/// ```
/// use mad_core::score::{Scorer, SeasonalScorer};
/// use mad_core::series::Direction;
/// use mad_core::{Sample, Timestamp};
///
/// let mut scorer = SeasonalScorer::new(Direction::Both, 3.5)?;
/// // hourly values for three weeks: 50 at noon, else 10
/// let value = |hour: i64| if hour % 24 == 12 { 50.0 } else { 10.0 } + (hour * 7 % 5) as f64;
/// for hour in 0..24 * 21 {
///     let at = Timestamp::from_seconds(3_600 * hour);
///     scorer.observe(at, Sample { value: value(hour), n: 1 }, 4.0);
/// }
/// let at = |hour: i64| Timestamp::from_seconds(3_600 * (24 * 21 + hour));
/// let fifty = Sample { value: 50.0, n: 1 };
/// assert!(scorer.score(at(3), fifty).neg_log10_p > scorer.score(at(12), fifty).neg_log10_p);
/// # Ok::<(), mad_core::Error>(())
/// ```
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
        let Self { direction, band, .. } = *self;
        Past { memory: &self.rest, direction, band }.score(sample, usual)
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        let Some(value) = value_to_learn(self, at, sample, how) else { return };
        if let Some(long) = self.long.baseline() {
            let deviation = (value - long.center).clamp(f64::MIN, f64::MAX);
            // The scale is that of the rest, after the season was taken off.
            self.rest.push((deviation - self.season.at(at)).clamp(f64::MIN, f64::MAX));
            self.season.learn(at, deviation, long);
        }
        self.long.push(value);
    }
}
