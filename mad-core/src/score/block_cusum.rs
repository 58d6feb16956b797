//! CUSUM of block medians: finds a level that drifts slowly.

use serde::{Deserialize, Serialize};

use super::Score;
use super::long_memory::{Baseline, LARGEST, LongMemory};
use super::mad::MAD_TO_SIGMA;
use crate::robust::quantile_sorted;
use crate::time::Timestamp;

/// Blocks that the baseline needs before the CUSUM runs. A MAD of fewer blocks is too uncertain.
const MIN_BLOCKS: usize = 20;
/// Reference value `k` of the CUSUM in standard deviations: smaller deviations lower the sum.
pub(super) const SLACK: f64 = 1.5;
/// Largest deviate that is added, in standard deviations, so that no single block or row raises an
/// alarm.
pub(super) const MAX_DEVIATE: f64 = 4.0;
/// Alarm threshold `h` of the CUSUM, in standard deviations beyond the slack.
pub(super) const ALARM: f64 = 8.0;
/// Largest sum, so that a level that returns is soon forgotten.
const MAX_SUM: f64 = 1.5 * ALARM;
/// Smallest scale of a block as a share of the scatter of single values. A drift that disappears in
/// the scatter matters to no one.
const SCATTER_SHARE: f64 = 0.5;
/// Blocks over which the scatter is averaged.
const SCATTER_BLOCKS: f64 = 40.0;
/// Share of an alarm that a level keeps after the block of its alarm: a level leaves once.
const AFTER_ALARM: f64 = 0.75;
/// Blocks for which an alarm of single rows is known. A jump adds up to an alarm within these.
const ALARMED_BLOCKS: u32 = 5;
/// Blocks that a drift alarm lasts.
const ALARM_LENGTH: u32 = 5;
/// A further change by this many scales extends the alarm by [`ALARM_LENGTH`] blocks.
const EXTENDS_AT: f64 = 1.0;
/// Blocks with a sum above half an alarm after which the new level is accepted.
const ACCEPTED_AFTER: u32 = 24;
/// Smallest scale as a share of the level: smaller differences are rounding.
const RELATIVE_FLOOR: f64 = 1e-3;
/// Smallest scale in the unit of the values, for levels near 0.
const ABSOLUTE_FLOOR: f64 = 1e-9;

/// Detects a level that drifts slowly with a two-sided CUSUM of block medians (Page, 1954).
///
/// A memory that learns from every value also learns a slow drift. Medians of blocks are less noisy
/// than values, so that a drift adds up that no value and no block shows.
///
/// # Method
///
/// For each block of `size` values with the median `m`:
///
/// 1. `z = (m - center) / scale` with the center and scale of the medians of earlier blocks. The
///    scale is at least half the usual scatter within blocks.
/// 2. `s = max(0, s + min(z, 4) - 1.5)`, and the same with `-z` for the other side. Both are at
///    most 12.
///
/// A level leaves at `s >= 8`. The drift alarm lasts for five blocks, and for five more whenever
/// the level moved on by a scale, as long as a block lies at least 1.5 scales away.
///
/// # Learning
///
/// While `s > 4`, blocks enter the baseline clipped at 1.5 scales, so that the drift does not become
/// the baseline. After 24 such blocks the level reached is accepted beside the old one, and a value
/// near either of the two is normal.
///
/// # Small samples and limits
///
/// Nothing is judged before 20 blocks. A step adds up in the same way as a drift; it has no start
/// of a slow change ([`DriftAlarm::since`]). Values are neighbours in order, whatever the time
/// between them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct BlockCusum {
    size: usize,
    #[serde(deserialize_with = "finite")]
    block: Vec<f32>,
    levels: LongMemory,
    /// Usual scatter within blocks (1.4826 MAD), and the number of blocks behind it.
    scatter: f64,
    blocks: u32,
    /// A level that is accepted beside the center of the baseline.
    accepted: Option<f64>,
    /// Sums of both sides.
    up: f64,
    down: f64,
    /// Blocks in a row with a sum above half an alarm.
    lasting: u32,
    /// Blocks since the alarm, its own included; 0 without an alarm.
    since_alarm: u32,
    /// Rows in a row with an alarm of their own, and the blocks for which that is known.
    alone: u32,
    known: u32,
    state: CusumState,
}

/// Start, direction and extent of the sums.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct CusumState {
    /// Start of the open block, and the level of the season at its first value.
    block: Timestamp,
    season: f64,
    /// The local time of that value if its season was that of the hour.
    hour: Option<Timestamp>,
    /// The start of each sum, up and down.
    begins: [Option<CusumStart>; 2],
    /// z of the last two blocks, the newest first, and the last one on the side that drifts.
    before: [f64; 2],
    far: f64,
    /// z of the last extension of an alarm, and the blocks since then.
    reached: f64,
    still: u32,
}

/// The start of a sum: its time, the baseline at that time, and the largest change within two
/// blocks or rows since then, in scales.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct CusumStart {
    pub at: Timestamp,
    pub past: Baseline,
    pub leap: f64,
    /// The local time of the start if the season of hours held then; a level of a phase may take its
    /// place.
    pub hour: Option<Timestamp>,
}

impl CusumStart {
    /// The time of the start, if the change is slow: no two blocks or rows made more than half of the
    /// distance `far` (in scales). A step is not slow.
    pub fn of_slow(&self, far: f64) -> Option<Timestamp> {
        (far >= 2.0 * self.leap).then_some(self.at)
    }
}

/// A level that drifts away from its baseline.
#[derive(Debug, Clone, Copy)]
pub(super) struct LevelChange {
    /// Whether the level rises.
    pub up: bool,
    /// The sum as a share of an alarm, 1 to 1.5.
    pub share: f64,
    /// The baseline at the start.
    pub past: Baseline,
    /// The local time of the start if the season of hours held then.
    pub hour: Option<Timestamp>,
    /// The same, if the change has been slow.
    pub since: Option<Timestamp>,
}

/// The alarm of a slow change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DriftAlarm {
    /// The value against the baseline at the start of the change.
    pub score: Score,
    /// The start of the change, if it has been slow.
    pub since: Option<Timestamp>,
}

/// The sum after one more deviate `z`. `inflation` deviates, 1 or more, carry the information of one
/// independent deviate; it is asked for only where the sum rises.
pub(super) fn next_sum(sum: f64, z: f64, inflation: impl FnOnce() -> f64) -> f64 {
    // Only increments count as correlated; the slack lowers the sum in full.
    let more = z.min(MAX_DEVIATE) - SLACK;
    (sum + if more > 0.0 { more / inflation() } else { more }).clamp(0.0, MAX_SUM)
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
    /// A CUSUM that has learnt nothing, with blocks of `size` values, 1 or more.
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
            state: CusumState::default(),
        }
    }

    /// The larger sum as a share of an alarm: 1 to 1.5 for the block of the alarm, and at most 0.75
    /// before it and after it.
    pub fn alarm_share(&self) -> f64 {
        self.share_of(self.sum())
    }

    /// The same for one side.
    pub fn alarm_share_to(&self, up: bool) -> f64 {
        self.share_of(if up { self.up } else { self.down })
    }

    /// The drift, while its alarm lasts.
    pub fn drifting(&self) -> Option<LevelChange> {
        let CusumState { begins: [upwards, downwards], far, still, .. } = self.state;
        let up = self.up >= self.down;
        let goes = self.since_alarm > 0 && self.sum() >= ALARM;
        let begin = (if up { upwards } else { downwards })
            .filter(|_| goes && far >= SLACK && still < ALARM_LENGTH)?;
        let (share, since) = (self.sum() / ALARM, begin.of_slow(far));
        Some(LevelChange { up, share, past: begin.past, hour: begin.hour, since })
    }

    /// The number of blocks in the baseline.
    pub fn blocks(&self) -> u32 {
        self.levels.points() as u32
    }

    /// A sum as a share of an alarm, see [`alarm_share`](Self::alarm_share).
    fn share_of(&self, sum: f64) -> f64 {
        let share = sum / ALARM;
        if self.since_alarm == 1 { share } else { share.min(AFTER_ALARM) }
    }

    /// The larger of both sums.
    fn sum(&self) -> f64 {
        self.up.max(self.down)
    }

    /// The baseline of a block with the median `value`: its center is that of the long memory or the
    /// accepted level, whichever is nearer. `None` before 20 blocks.
    pub fn baseline(&self, value: f64) -> Option<Baseline> {
        if self.levels.points() < MIN_BLOCKS {
            return None;
        }
        let long = self.levels.baseline()?;
        let floor = (RELATIVE_FLOOR * long.center.abs()).max(ABSOLUTE_FLOOR);
        let scale = long.scale.max(SCATTER_SHARE * self.scatter).max(floor);
        // Halves, so that the difference of two extremes does not overflow.
        let near = |center: &f64| (value / 2.0 - center / 2.0).abs();
        let accepted = self.accepted.filter(|center| near(center) < near(&long.center));
        Some(Baseline { center: accepted.unwrap_or(long.center), scale, ..long })
    }

    /// Takes note whether a single row raised an alarm. After two in a row the next blocks raise no
    /// second one for the same jump.
    pub fn note_alarm(&mut self, alone: bool) {
        self.alone = if alone { self.alone.saturating_add(1) } else { 0 };
        if self.alone >= 2 {
            self.known = ALARMED_BLOCKS;
        }
    }

    /// Takes a finite value; `season` is the level of the season that was taken off it, and `hour` the
    /// local time if that is the level of an hour.
    #[inline]
    pub fn push(&mut self, at: Timestamp, value: f64, season: f64, hour: Option<Timestamp>) {
        if self.block.is_empty() {
            (self.state.block, self.state.season, self.state.hour) = (at, season, hour);
        }
        self.block.push(value.clamp(-LARGEST, LARGEST) as f32);
        if self.block.len() >= self.size {
            self.close();
        }
    }

    /// Adds the z of a block to both sums.
    fn add(&mut self, z: f64, past: Baseline) {
        let CusumState { block, season, hour, begins: [up, down], before: [last, earlier], .. } =
            &mut self.state;
        // The largest change within two blocks separates a step from a slow change.
        let leap = z - *earlier;
        let past = Baseline { center: past.center + *season, ..past };
        for (sum, begin, z, leap) in
            [(&mut self.up, up, z, leap), (&mut self.down, down, -z, -leap)]
        {
            let goes_on = begin.filter(|_| *sum > 0.0);
            let begin_of = goes_on.unwrap_or(CusumStart { at: *block, past, leap, hour: *hour });
            *begin = Some(CusumStart { leap: leap.max(begin_of.leap), ..begin_of });
            *sum = next_sum(*sum, z, || 1.0);
        }
        (*last, *earlier) = (z, *last);
        self.state.far = if self.up >= self.down { z } else { -z };
    }

    /// Closes a block: adds it to the sums and to the baseline.
    fn close(&mut self) {
        // Median of the block, and 1.4826 MAD about it.
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
            // Halves again.
            let z = (level / 2.0 - past.center / 2.0) / (past.scale / 2.0);
            self.add(z, past);
            self.lasting =
                if self.sum() > ALARM / 2.0 { self.lasting.saturating_add(1) } else { 0 };
            self.since_alarm = match self.since_alarm {
                _ if self.lasting == 0 => 0,
                0 if self.sum() < ALARM => 0,
                0 => {
                    // A jump that rows have raised an alarm for is only an alarm if it continues.
                    self.state.reached = self.state.far;
                    self.state.still = if self.known > 0 { ALARM_LENGTH } else { 0 };
                    1 + u32::from(self.known > 0)
                }
                blocks => {
                    let goes_on = self.state.far >= self.state.reached + EXTENDS_AT;
                    self.state.still = if goes_on { 0 } else { self.state.still.saturating_add(1) };
                    self.state.reached = if goes_on { self.state.far } else { self.state.reached };
                    blocks.saturating_add(1)
                }
            };
            self.known = self.known.saturating_sub(1);
            // The level is accepted, or its block is clipped.
            if self.lasting > ACCEPTED_AFTER {
                self.accepted = Some(level);
                (self.up, self.down, self.lasting, self.since_alarm) = (0.0, 0.0, 0, 0);
            } else if self.lasting > 0 {
                let reach = SLACK * past.scale;
                learnt = level.clamp(past.center - reach, past.center + reach);
            }
        }
        self.levels.push(learnt);
        // A drift widens the scatter within blocks, so only calm blocks count.
        if self.lasting == 0 {
            self.blocks = self.blocks.saturating_add(1);
            self.scatter += (scatter - self.scatter) / f64::from(self.blocks).min(SCATTER_BLOCKS);
        }
    }
}
