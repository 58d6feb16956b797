//! Scorer of one view: the slope of the last values.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::from_memory::{Past, check_band, is_usable};
use super::long_memory::{LARGEST, LongMemory};
use super::{Learn, Score, Scorer};
use crate::error::{Error, Result};
use crate::robust::quantile_sorted;
use crate::series::{Direction, Sample};
use crate::time::Timestamp;

/// Smallest scale of a slope, as a share of the level over the time of its values: a smaller change
/// is flat.
const FLAT: f64 = 1e-3;

/// Judges the slope of the last `span` values, the current one included: a drift or a recovery in which
/// no value is far out.
///
/// # Method
///
/// 1. Each value of the newer half is paired with the one half a span before it. The slope is the
///    median of `(y[i + span/2] - y[i]) / (t[i + span/2] - t[i])`, Theil's incomplete method (1950).
///    A quarter of the values may be arbitrary.
/// 2. The slope is judged by the median and scale of a thinned memory of slopes, with Student's t. The
///    scale is at least the slope that moves a thousandth of the level over the span.
///
/// z, expected and the band are those of the slope, per second.
///
/// # Learning
///
/// A clipped value is learnt as it is, because the memory of slopes is robust by itself.
///
/// # Small samples and limits
///
/// Unknown before `span + 9` values, and if half of the pairs have no time between them. A value that
/// is not finite is unknown and teaches nothing. A gap counts as the time that it takes.
///
/// # Examples
///
/// ```
/// use mad_core::score::{Scorer, SlopeScorer};
/// use mad_core::series::Direction;
/// use mad_core::{Sample, Timestamp};
///
/// let mut scorer = SlopeScorer::new(24, Direction::Up, 3.5)?;
/// let mut observe = |i: i64, value: f64| {
///     scorer.observe(Timestamp::from_seconds(60 * i), Sample { value, n: 1 }, 4.0).neg_log10_p
/// };
/// let noise = |i: i64| (i * 37 % 11) as f64;
/// assert!((0..300).all(|i| observe(i, 100.0 + noise(i)) < 4.0));
/// assert!((300..340).any(|i| observe(i, 100.0 + noise(i) + (i - 300) as f64) >= 4.0));
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SlopeScorer {
    direction: Direction,
    band: f64,
    span: usize,
    last: VecDeque<(Timestamp, f64)>,
    past: LongMemory,
}

/// A slope per second, and the smallest one that is not flat.
struct Line {
    slope: f64,
    flat: f64,
}

impl SlopeScorer {
    /// A scorer that has learnt nothing; `band` is the normal deviate at the edge of the band.
    ///
    /// # Errors
    ///
    /// `span` outside 4 to 1,000, a band that is not above 0.
    pub fn new(span: usize, direction: Direction, band: f64) -> Result<Self> {
        if !(4..=1_000).contains(&span) {
            return Err(Error::config("score.span", span, "an integer from 4 to 1000"));
        }
        let last = VecDeque::new();
        Ok(Self { direction, band: check_band(band)?, span, last, past: LongMemory::default() })
    }

    /// The line through the last values and one more; nothing while there are too few.
    fn line(&self, at: Timestamp, value: f64) -> Option<Line> {
        if self.last.len() + 1 < self.span {
            return None;
        }
        let apart = self.span / 2;
        // Pairs half a span apart.
        let newer = self.last.iter().copied().chain([(at, value)]).skip(apart);
        let mut slopes: Vec<f64> = self
            .last
            .iter()
            .zip(newer)
            .filter_map(|((start, from), (end, to))| {
                let seconds = end.since(*start) as f64 / 1e9;
                // Halves, so that the difference of two extremes does not overflow.
                let slope = (to / 2.0 - from / 2.0) / (seconds / 2.0);
                (seconds > 0.0).then(|| slope.clamp(-LARGEST, LARGEST))
            })
            .collect();
        let seconds = at.since(self.last.front()?.0) as f64 / 1e9;
        // Values at the same time have no slope; half of the pairs is too few.
        if slopes.len() < apart.div_ceil(2) || seconds <= 0.0 {
            return None;
        }
        // Theil's median of the slopes.
        slopes.sort_unstable_by(f64::total_cmp);
        let flat = (FLAT * value.abs() / seconds).max(1e-12);
        Some(Line { slope: quantile_sorted(&slopes, 0.5), flat })
    }
}

impl Scorer for SlopeScorer {
    fn score(&self, at: Timestamp, sample: Sample) -> Score {
        let line = if is_usable(sample) { self.line(at, sample.value) } else { None };
        let Some(Line { slope, flat }) = line else { return Score::unknown() };
        let slope = Sample { value: slope, ..sample };
        let Self { direction, band, .. } = *self;
        Past { memory: &self.past, direction, band }.score_with_floor(flat, slope, 0.0)
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        if !is_usable(sample) || how == Learn::Skip {
            return;
        }
        if let Some(Line { slope, .. }) = self.line(at, sample.value) {
            self.past.push(slope);
        }
        if self.last.len() + 1 >= self.span {
            self.last.pop_front();
        }
        self.last.push_back((at, sample.value));
    }
}
