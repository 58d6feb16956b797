//! Farther out than ever.

use serde::{Deserialize, Serialize};

use super::from_memory::is_usable;
use super::{Learn, ScaleSource, Score, Scorer};
use crate::series::{Direction, Sample};
use crate::time::Timestamp;

/// Whether a value is a record: beyond the smallest or largest one so far.
///
/// Of `n` past values and one new one in any order, the new one is the largest with probability `1
/// / (n + 1)` (Renyi, 1962), whatever their distribution: a record's evidence is `log10 (n + 1)`,
/// less log10 2 when both sides are watched, and anything else has none. No distance is believed,
/// so that no heavy tail deceives it; a series with a trend sets records all the time, which is the
/// truth about it.
///
/// Unknown before one value. `Clipped` teaches nothing but the count; values that are not finite
/// are unknown.
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
        let sides = if self.direction == Direction::Both { 2.0 } else { 1.0 };
        let neg_log10_p = ((self.count as f64 + 1.0) / sides).log10().max(0.0);
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
        let value = sample.value + 0.0;
        self.range = Some(match (self.range, how) {
            (None, _) => (value, value),
            (Some(range), Learn::Clipped) => range,
            (Some((low, high)), _) => (low.min(value), high.max(value)),
        });
    }
}
