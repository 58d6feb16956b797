//! Cumulative sum of small deviations, as a separate scorer.

use serde::{Deserialize, Serialize};

use super::band::outside_if;
use super::block_cusum::BlockCusum;
use super::from_memory::{check_band, is_usable};
use super::long_memory::Baseline;
use super::{Learn, ScaleSource, Score, Scorer};
use crate::error::{Error, Result};
use crate::series::{Direction, Sample};
use crate::time::Timestamp;

/// Judges whether a level drifts slowly, with a CUSUM of block medians (Page, 1954).
///
/// # Method
///
/// The median `m` of each block of `block` values is compared with the center and scale of the blocks
/// before. Each side sums `s = max(0, s + min(z, 4) - 1.5)`, with at most 12. `-log10 p` is the
/// configured one times `s / 8` for the block that reaches 8. For as long as the level stays away it
/// is three quarters of the configured one. After 24 blocks the level is accepted beside the old one.
///
/// z, expected and the band (three scales) are those of a single value.
///
/// # Small samples and limits
///
/// Unknown before 20 blocks, and for a value that is not finite, which teaches nothing. While the sum
/// is above 4, blocks are learnt clipped, so [`Learn::Clipped`] is the same as [`Learn::Full`].
///
/// # Examples
///
/// ```
/// use mad_core::score::{CusumScorer, Scorer};
/// use mad_core::series::Direction;
/// use mad_core::{Sample, Timestamp};
///
/// let mut scorer = CusumScorer::new(10, Direction::Up, 4.0)?;
/// let mut drifts = |minute: i64, value: f64| {
///     let at = Timestamp::from_seconds(60 * minute);
///     scorer.observe(at, Sample { value, n: 1 }, 4.0).neg_log10_p >= 4.0
/// };
/// let noise = |minute: i64| (minute * 37 % 11) as f64;
/// assert!(!(0..1_000).any(|minute| drifts(minute, 100.0 + noise(minute))));
/// let climb = |minute: i64| (minute - 1_000) as f64 / 20.0;
/// assert!((1_000..1_400).any(|minute| drifts(minute, 100.0 + noise(minute) + climb(minute))));
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CusumScorer {
    direction: Direction,
    neg_log10_p: f64,
    cusum: BlockCusum,
}

impl CusumScorer {
    /// A scorer that has learnt nothing, with blocks of `block` values. A level that leaves has the
    /// `-log10 p` of `neg_log10_p`.
    ///
    /// # Errors
    ///
    /// `block` outside 1 to 1,000, a `neg_log10_p` that is not above 0.
    pub fn new(block: usize, direction: Direction, neg_log10_p: f64) -> Result<Self> {
        if !(1..=1_000).contains(&block) {
            return Err(Error::config("score.block", block, "an integer from 1 to 1000"));
        }
        Ok(Self { direction, neg_log10_p: check_band(neg_log10_p)?, cusum: BlockCusum::new(block) })
    }
}

impl Scorer for CusumScorer {
    fn score(&self, _at: Timestamp, sample: Sample) -> Score {
        let Some(past) = self.cusum.baseline(sample.value).filter(|_| is_usable(sample)) else {
            return Score::unknown();
        };
        let Baseline { center, scale, .. } = past;
        let z = ((sample.value / 2.0 - center / 2.0) / (scale / 2.0)).clamp(f64::MIN, f64::MAX);
        // Only a value on a watched side is judged by the sum of that side.
        let watched = match self.direction {
            Direction::Up => z > 0.0,
            Direction::Down => z < 0.0,
            Direction::Both => true,
        };
        let share = if watched { self.cusum.alarm_share_to(z > 0.0) } else { 0.0 };
        let score = Score {
            z,
            neg_log10_p: self.neg_log10_p * share,
            expected: center,
            low: (center - 3.0 * scale).max(f64::MIN),
            high: (center + 3.0 * scale).min(f64::MAX),
            source: ScaleSource::Mad,
            points: self.cusum.blocks(),
            effective_n: sample.n as f64,
        };
        outside_if(share >= 1.0, score, sample.value, self.neg_log10_p)
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        if is_usable(sample) && how != Learn::Skip {
            self.cusum.push(at, sample.value, 0.0, None);
        }
    }
}
