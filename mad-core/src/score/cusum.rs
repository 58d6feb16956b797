//! A sum of small deviations.

use serde::{Deserialize, Serialize};

use super::band::outside_if;
use super::block_cusum::BlockCusum;
use super::from_memory::{check_band, is_usable};
use super::long_memory::Baseline;
use super::{Learn, ScaleSource, Score, Scorer};
use crate::error::{Error, Result};
use crate::series::{Direction, Sample};
use crate::time::Timestamp;

/// A cumulative sum over medians of blocks (Page, 1954): a level that leaves slowly, while no value
/// and no block is far out.
///
/// Of each block of so many values the median `m` is held against center and scale of the blocks
/// before, the scale at least half the scatter within blocks. Each side sums `s = max(0, s + min(z,
/// 4) - 1.5)`; at 8 the level has left, and the evidence is where the band ends. It is said for one
/// block; for as long as the level stays away it is three quarters of that, and after 24 blocks the
/// level is accepted beside the old one. z, expected and the band are about a single value.
///
/// Unknown before 20 blocks and for values that are not finite, which teach nothing. While the
/// sum is above half, blocks are learnt clipped, so `Clipped` is as `Full`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CusumScorer {
    direction: Direction,
    neg_log10_p: f64,
    drift: BlockCusum,
}

impl CusumScorer {
    /// A scorer that has learnt nothing, with blocks of so many values; `neg_log10_p` is what a level
    /// that has left is given.
    ///
    /// # Errors
    ///
    /// `block` outside 1 to 1,000, evidence that is not above 0.
    pub fn new(block: usize, direction: Direction, neg_log10_p: f64) -> Result<Self> {
        if !(1..=1_000).contains(&block) {
            return Err(Error::config("score.block", block, "an integer from 1 to 1000"));
        }
        Ok(Self { direction, neg_log10_p: check_band(neg_log10_p)?, drift: BlockCusum::new(block) })
    }
}

impl Scorer for CusumScorer {
    fn score(&self, _at: Timestamp, sample: Sample) -> Score {
        let Some(past) = self.drift.baseline(sample.value).filter(|_| is_usable(sample)) else {
            return Score::unknown();
        };
        let Baseline { center, scale, .. } = past;
        let z = ((sample.value / 2.0 - center / 2.0) / (scale / 2.0)).clamp(f64::MIN, f64::MAX);
        let watched = match self.direction {
            Direction::Up => z > 0.0,
            Direction::Down => z < 0.0,
            Direction::Both => true,
        };
        let left = if watched { self.drift.alarm_share_to(z > 0.0) } else { 0.0 };
        let score = Score {
            z,
            neg_log10_p: self.neg_log10_p * left,
            expected: center,
            low: (center - 3.0 * scale).max(f64::MIN),
            high: (center + 3.0 * scale).min(f64::MAX),
            source: ScaleSource::Mad,
            points: self.drift.blocks(),
            effective_n: sample.n as f64,
        };
        outside_if(left >= 1.0, score, sample.value, self.neg_log10_p)
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        if is_usable(sample) && how != Learn::Skip {
            self.drift.push(at, sample.value, 0.0);
        }
    }
}
