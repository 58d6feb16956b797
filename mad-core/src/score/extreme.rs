//! Record values: beyond the smallest or largest value so far.

use serde::{Deserialize, Serialize};

use super::from_memory::is_usable;
use super::{Learn, ScaleSource, Score, Scorer};
use crate::series::{Direction, Sample};
use crate::time::Timestamp;

/// Judges whether a value is a record: beyond the smallest or largest value so far.
///
/// # Method
///
/// Of `n` past values and a new one in any order, the new one is the largest with probability
/// `1 / (n + 1)`, whatever their distribution (Renyi, 1962). `-log10 p` of a record is therefore
/// `log10(n + 1)`, less `log10 2` if both directions are watched. It is 0 for any other value. The
/// distance beyond the old record does not count, so that heavy tails cause no false alarms.
///
/// # Small samples and limits
///
/// Unknown before the first value. A tie with the record is none. A series with a trend sets records
/// all the time. [`Learn::Clipped`] only counts the value. A value that is not finite is unknown and
/// teaches nothing.
///
/// # Examples
///
/// ```
/// use mad_core::score::{ExtremeScorer, Learn, Scorer};
/// use mad_core::series::Direction;
/// use mad_core::{Sample, Timestamp};
///
/// let (at, mut scorer) = (Timestamp::from_seconds(0), ExtremeScorer::new(Direction::Up));
/// for i in 0..999 {
///     scorer.learn(at, Sample { value: f64::from(i % 50), n: 1 }, Learn::Full);
/// }
/// assert_eq!(scorer.score(at, Sample { value: 49.0, n: 1 }).neg_log10_p, 0.0);
/// assert_eq!(scorer.score(at, Sample { value: 50.0, n: 1 }).neg_log10_p, 3.0);
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExtremeScorer {
    direction: Direction,
    range: Option<(f64, f64)>,
    count: u64,
}

impl ExtremeScorer {
    /// A scorer that has learnt nothing.
    pub const fn new(direction: Direction) -> Self {
        Self { direction, range: None, count: 0 }
    }
}

impl Scorer for ExtremeScorer {
    fn score(&self, _at: Timestamp, sample: Sample) -> Score {
        let Some((low, high)) = self.range.filter(|_| is_usable(sample)) else {
            return Score::unknown();
        };
        let (up, down) = match self.direction {
            Direction::Up => (sample.value > high, false),
            Direction::Down => (false, sample.value < low),
            Direction::Both => (sample.value > high, sample.value < low),
        };
        // Two watched sides double the probability.
        let sides = if self.direction == Direction::Both { 2.0 } else { 1.0 };
        let neg_log10_p = ((self.count as f64 + 1.0) / sides).log10().max(0.0);
        // Expected is the middle of the range, and its half is the scale.
        let center = (low / 2.0 + high / 2.0).clamp(low, high);
        let half = (high / 2.0 - low / 2.0).max(1e-9);
        let z = (sample.value / 2.0 - center / 2.0) / (half / 2.0);
        Score {
            z: z.clamp(f64::MIN, f64::MAX),
            neg_log10_p: if up || down { neg_log10_p } else { 0.0 },
            expected: center,
            low,
            high,
            source: if low < high { ScaleSource::Tail } else { ScaleSource::Floor },
            points: u32::try_from(self.count).unwrap_or(u32::MAX),
            effective_n: sample.n as f64,
        }
    }

    fn learn(&mut self, _at: Timestamp, sample: Sample, how: Learn) {
        if !is_usable(sample) || how == Learn::Skip {
            return;
        }
        self.count = self.count.saturating_add(1);
        // + 0.0 turns a negative zero into zero.
        let value = sample.value + 0.0;
        self.range = Some(match (self.range, how) {
            (None, _) => (value, value),
            (Some(range), Learn::Clipped) => range,
            (Some((low, high)), _) => (low.min(value), high.max(value)),
        });
    }
}
