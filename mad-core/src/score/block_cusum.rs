//! A level that leaves slowly.

use serde::{Deserialize, Serialize};

use super::Score;
use super::long_memory::{Baseline, LARGEST, LongMemory};
use super::mad::MAD_TO_SIGMA;
use crate::robust::quantile_sorted;
use crate::time::Timestamp;

/// Blocks without which there is no past to leave.
const MIN_BLOCKS: usize = 20;
/// Scales that a block may lie away without counting, and those that count at most: no block
/// alone is a drift.
pub(super) const SLACK: f64 = 1.5;
const MOST_DEVIATE: f64 = 4.0;
/// Scales beyond the slack, next_sum up over blocks, at which a level has left.
pub(super) const ALARM: f64 = 8.0;
/// The sum is held here, so that what comes back is soon forgotten.
const MOST_SUM: f64 = 1.5 * ALARM;
/// A block's scale is at least this share of the scatter of single values: a move that disappears
/// in the scatter is nobody's concern.
const SCATTER_SHARE: f64 = 0.5;
/// Blocks over which the scatter is averaged.
const SCATTER_BLOCKS: f64 = 40.0;
/// What is said of a level that stays away after it was told of.
const AFTER_ALARM: f64 = 0.75;
/// Blocks in which a jump adds up to a drift, and one more.
const ALARMED_BLOCKS: u32 = 5;
/// Blocks for which a level that left is leaving, and scales by which it has to go on for as many
/// more.
const ALARM_LENGTH: u32 = 5;
const EXTENDS_AT: f64 = 1.0;
/// Blocks after which the level that a series went to is accepted.
const ACCEPTED_AFTER: u32 = 24;
/// Smallest scale as a share of the level, and in the unit of the values.
const RELATIVE_FLOOR: f64 = 1e-3;
const ABSOLUTE_FLOOR: f64 = 1e-9;

/// CUSUM of medians of blocks against a long memory of such medians (Page, 1954).
///
/// With the median `m` of a block, and center and scale of the blocks before (`LongMemory`; the scale
/// at least half the scatter within blocks), each side keeps `s = max(0, s + min(z, 4) - 1.5)`.
/// At `s = 8` the level has left. While `s` is above half of that, blocks are learnt clipped to
/// 1.5 scales: the memory does not follow what it tells of. After 24 such blocks the level reached
/// is accepted beside the long one, and what stays near either is normal.
///
/// A level that left *is leaving* for five blocks, and for as many more whenever it went on by a
/// scale, until a block comes back to the slack.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct BlockCusum {
    size: usize,
    #[serde(deserialize_with = "finite")]
    block: Vec<f32>,
    levels: LongMemory,
    /// Mean scatter within blocks, and the blocks it rests on.
    scatter: f64,
    blocks: u32,
    accepted: Option<f64>,
    up: f64,
    down: f64,
    /// Blocks in a row with a sum above half.
    lasting: u32,
    /// Blocks since the level left, it included; 0 where it did not.
    since_alarm: u32,
    /// Rows in a row that said so by themselves, and the blocks for which that is known.
    alone: u32,
    known: u32,
    #[serde(default)]
    way: CusumState,
}

/// From where a level goes and how far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct CusumState {
    /// Start of the block that is not closed, and what was taken off its first value.
    block: Timestamp,
    season: f64,
    /// The begin of each sum, up and down.
    begins: [Option<CusumStart>; 2],
    /// How many scales the last two blocks lay above, the newest first, and the last one away on the
    /// side that leaves.
    before: [f64; 2],
    far: f64,
    /// Where it had gone on by a scale last, and the blocks since then.
    reached: f64,
    still: u32,
}

/// The begin of a sum: when, what its first block was held against (with what was taken off it), and
/// the longest way that two blocks in a row made since then, in scales.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct CusumStart {
    pub at: Timestamp,
    pub past: Baseline,
    pub leap: f64,
}

impl CusumStart {
    /// When it was, of a level that is so far away and made no more than half of the way in two
    /// blocks: what came in a step did not go slowly.
    pub fn of_slow(&self, far: f64) -> Option<Timestamp> {
        (far >= 2.0 * self.leap).then_some(self.at)
    }
}

/// A level that is leaving.
#[derive(Debug, Clone, Copy)]
pub(super) struct LevelChange {
    /// Whether upwards.
    pub up: bool,
    /// The sum as a share of what makes it gone, 1 to 1.5.
    pub share: f64,
    /// What it leaves, the begin, and the same if it has been going slowly since.
    pub past: Baseline,
    pub began: Timestamp,
    pub since: Option<Timestamp>,
}

/// What is said of a value whose level is leaving slowly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DriftAlarm {
    /// The value against what its level leaves.
    pub score: Score,
    /// Since when the level has been going, if it did so slowly.
    pub since: Option<Timestamp>,
}

/// A sum after one more distance in scales, of which so many, being alike, count as one.
pub(super) fn next_sum(sum: f64, z: f64, alike: f64) -> f64 {
    let more = z.min(MOST_DEVIATE) - SLACK;
    (sum + if more > 0.0 { more / alike } else { more }).clamp(0.0, MOST_SUM)
}

fn finite<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<f32>, D::Error> {
    let block = Vec::<f32>::deserialize(from)?;
    if block.iter().all(|value| value.is_finite()) {
        Ok(block)
    } else {
        Err(serde::de::Error::custom("a block with a value that is not finite"))
    }
}

impl BlockCusum {
    /// Nothing seen; so many values are a block, 1 or more.
    pub fn new(size: usize) -> Self {
        Self {
            size,
            block: Vec::new(),
            levels: LongMemory::default(),
            scatter: 0.0,
            blocks: 0,
            accepted: None,
            up: 0.0,
            down: 0.0,
            lasting: 0,
            since_alarm: 0,
            alone: 0,
            known: 0,
            way: CusumState::default(),
        }
    }

    /// How far the level has left, as a share of what makes it gone: from 1 on for the block after
    /// it left, and at most .75 before and for as long as it stays away: a level leaves once.
    pub fn alarm_share(&self) -> f64 {
        self.share_of(self.sum())
    }

    /// The same of one side alone.
    pub fn alarm_share_to(&self, up: bool) -> f64 {
        self.share_of(if up { self.up } else { self.down })
    }

    /// The level that is leaving, if one is.
    pub fn drifting(&self) -> Option<LevelChange> {
        let CusumState { begins: [upwards, downwards], far, still, .. } = self.way;
        let up = self.up >= self.down;
        let goes = self.since_alarm > 0 && self.sum() >= ALARM;
        let begin = (if up { upwards } else { downwards })
            .filter(|_| goes && far >= SLACK && still < ALARM_LENGTH)?;
        let (share, since) = (self.sum() / ALARM, begin.of_slow(far));
        Some(LevelChange { up, share, past: begin.past, began: begin.at, since })
    }

    /// Blocks that the past is made of.
    pub fn blocks(&self) -> u32 {
        self.levels.points() as u32
    }

    fn share_of(&self, sum: f64) -> f64 {
        let share = sum / ALARM;
        if self.since_alarm == 1 { share } else { share.min(AFTER_ALARM) }
    }

    fn sum(&self) -> f64 {
        self.up.max(self.down)
    }

    /// The past that blocks are held against: the one of the long memory and the accepted level
    /// that is nearer to `value`. Nothing before 20 blocks.
    pub fn baseline(&self, value: f64) -> Option<Baseline> {
        if self.levels.points() < MIN_BLOCKS {
            return None;
        }
        let long = self.levels.baseline()?;
        let floor = (RELATIVE_FLOOR * long.center.abs()).max(ABSOLUTE_FLOOR);
        let scale = long.scale.max(SCATTER_SHARE * self.scatter).max(floor);
        let near = |center: &f64| (value / 2.0 - center / 2.0).abs();
        let accepted = self.accepted.filter(|center| near(center) < near(&long.center));
        Some(Baseline { center: accepted.unwrap_or(long.center), scale, ..long })
    }

    /// Whether a row is worth an alarm by itself. Two of them in a row tell of whatever adds up to a
    /// drift in the next blocks.
    pub fn note_alarm(&mut self, alone: bool) {
        self.alone = if alone { self.alone.saturating_add(1) } else { 0 };
        if self.alone >= 2 {
            self.known = ALARMED_BLOCKS;
        }
    }

    /// Takes a finite value from which so much was taken off for its time.
    #[inline]
    pub fn push(&mut self, at: Timestamp, value: f64, season: f64) {
        if self.block.is_empty() {
            (self.way.block, self.way.season) = (at, season);
        }
        self.block.push(value.clamp(-LARGEST, LARGEST) as f32);
        if self.block.len() >= self.size {
            self.close();
        }
    }

    /// Adds a block's distance to both sums.
    fn add(&mut self, z: f64, past: Baseline) {
        let CusumState { block, season, begins: [up, down], before: [last, earlier], .. } =
            &mut self.way;
        let leap = z - *earlier;
        let past = Baseline { center: past.center + *season, ..past };
        for (sum, begin, z, leap) in
            [(&mut self.up, up, z, leap), (&mut self.down, down, -z, -leap)]
        {
            let goes_on = begin.filter(|_| *sum > 0.0);
            let begin_of = goes_on.unwrap_or(CusumStart { at: *block, past, leap });
            *begin = Some(CusumStart { leap: leap.max(begin_of.leap), ..begin_of });
            *sum = next_sum(*sum, z, 1.0);
        }
        (*last, *earlier) = (z, *last);
        self.way.far = if self.up >= self.down { z } else { -z };
    }

    fn close(&mut self) {
        let mut values: Vec<f64> = self.block.drain(..).map(f64::from).collect();
        values.sort_unstable_by(f64::total_cmp);
        let level = quantile_sorted(&values, 0.5);
        for value in &mut values {
            *value = (*value - level).abs();
        }
        values.sort_unstable_by(f64::total_cmp);
        let scatter = MAD_TO_SIGMA * quantile_sorted(&values, 0.5);
        let mut learnt = level;
        if let Some(past) = self.baseline(level) {
            let z = (level / 2.0 - past.center / 2.0) / (past.scale / 2.0);
            self.add(z, past);
            self.lasting =
                if self.sum() > ALARM / 2.0 { self.lasting.saturating_add(1) } else { 0 };
            self.since_alarm = match self.since_alarm {
                _ if self.lasting == 0 => 0,
                0 if self.sum() < ALARM => 0,
                0 => {
                    // what is known already is told of when it goes on
                    self.way.reached = self.way.far;
                    self.way.still = if self.known > 0 { ALARM_LENGTH } else { 0 };
                    1 + u32::from(self.known > 0)
                }
                blocks => {
                    let goes_on = self.way.far >= self.way.reached + EXTENDS_AT;
                    self.way.still = if goes_on { 0 } else { self.way.still.saturating_add(1) };
                    self.way.reached = if goes_on { self.way.far } else { self.way.reached };
                    blocks.saturating_add(1)
                }
            };
            self.known = self.known.saturating_sub(1);
            if self.lasting > ACCEPTED_AFTER {
                self.accepted = Some(level);
                (self.up, self.down, self.lasting, self.since_alarm) = (0.0, 0.0, 0, 0);
            } else if self.lasting > 0 {
                let reach = SLACK * past.scale;
                learnt = level.clamp(past.center - reach, past.center + reach);
            }
        }
        self.levels.push(learnt);
        if self.lasting == 0 {
            self.blocks = self.blocks.saturating_add(1);
            self.scatter += (scatter - self.scatter) / f64::from(self.blocks).min(SCATTER_BLOCKS);
        }
    }
}
