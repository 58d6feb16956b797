//! A thinned memory of thousands of values, and its center and scale.

use serde::{Deserialize, Serialize};

use super::ScaleSource;
use super::mad::MAD_TO_SIGMA;
use crate::error::{Error, Result};
use crate::robust::{Ranked, SIGMA_OF_MEAN_AD, mad_sorted, quantile_sorted};

/// Most values kept. A third of them stays when they are thinned.
pub(super) const KEPT: usize = 81;
/// Longest stride: in the end every 243rd value is kept, so that 27 to 81 values reach back 6,561 to
/// 19,683 values.
const LONGEST_STRIDE: u32 = 243;
/// Values that a baseline needs. The scale of fewer is too uncertain.
pub(super) const LEAST: usize = 10;
/// Smallest scale as a share of the range from the 5th to the 95th percentile: 0.3 of the scale that
/// the range has under a normal distribution.
const RANGE_TO_SCALE: f64 = 0.3 * SIGMA_OF_RANGE;
/// Factor from that range to the standard deviation: the range of a normal distribution is 3.29
/// standard deviations.
pub(super) const SIGMA_OF_RANGE: f64 = 1.0 / 3.289_707_253_902_945;
/// Difference between the share of rises and the share of falls that makes a trend.
const TREND: f64 = 0.6;
/// Largest magnitude kept, because values are kept as f32.
pub(super) const LARGEST: f64 = 1e38;

/// Center and scale of past values, in their unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Baseline {
    pub center: f64,
    pub scale: f64,
    /// The scale by the range from the 5th to the 95th percentile.
    pub tail: f64,
}

impl Baseline {
    /// Distance of a value in scales of at least `floor`, at most a million.
    #[inline]
    pub fn distance(self, value: f64, floor: f64) -> f64 {
        // Halves, so that a difference of extremes does not overflow
        let away = (value / 2.0 - self.center / 2.0).abs() / (self.scale.max(floor) / 2.0);
        away.min(1e6)
    }
}

/// Median and scale of thousands of values, from at most 81 of them.
///
/// # Method
///
/// Decimation: every value is kept at first. When 81 are kept, two of three are dropped, and from
/// then on every third value is taken, and so on up to every 243rd. From then on the oldest value
/// makes room for a new one. The order of arrival alone decides, so the same values give the same
/// memory. Factors of 3 keep all hours of the day and days of the week for steps that divide an
/// hour.
///
/// The scale is 1.4826 MAD. It is 1.2533 times the mean absolute deviation if the MAD is rounding
/// noise, and at least 0.3 of the scale that the range from the 5th to the 95th percentile has under
/// a normal distribution.
///
/// # Small samples and limits
///
/// No baseline before ten values. The standard error of the median is about
/// `1.25 scale / sqrt(points)`. Values are kept as f32.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub(super) struct LongMemory {
    values: Ranked<f32>,
    stride: u32,
    /// Values since the last one that was kept, below `stride`.
    since: u32,
    baseline: Option<Baseline>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "LongMemory", deny_unknown_fields)]
struct Saved {
    stride: u32,
    since: u32,
    #[serde(with = "crate::packed")]
    values: Vec<f32>,
}

impl Default for LongMemory {
    fn default() -> Self {
        Self { values: Ranked::new(KEPT), stride: 1, since: 0, baseline: None }
    }
}

impl LongMemory {
    /// Center and scale; `None` before ten values.
    #[inline]
    pub fn baseline(&self) -> Option<Baseline> {
        self.baseline
    }

    /// The number of values kept.
    pub fn points(&self) -> usize {
        self.values.len()
    }

    /// The share of the kept values that lie within `reach` of a value, 0 to 1; 0 before ten values.
    pub fn share_near(&self, value: f64, reach: f64) -> f64 {
        if self.values.len() < LEAST {
            return 0.0;
        }
        let near = |kept: &&f32| (f64::from(**kept) / 2.0 - value / 2.0).abs() <= reach / 2.0;
        self.values.sorted().iter().filter(near).count() as f64 / self.values.len() as f64
    }

    /// Whether the series mostly moves to one side: of neighbouring kept values, the share that rises
    /// differs from the share that falls by at least [`TREND`].
    pub fn has_trend(&self) -> bool {
        let (mut moves, mut before) = (0_i32, None);
        for value in self.values.iter() {
            if let Some(before) = before.replace(value) {
                moves += i32::from(value > before) - i32::from(value < before);
            }
        }
        self.values.len() >= LEAST && f64::from(moves.abs()) >= TREND * self.values.len() as f64
    }

    /// The values kept, from oldest to newest.
    pub fn in_order(&self) -> Vec<f64> {
        self.values.iter().map(f64::from).collect()
    }

    /// Takes a finite value.
    #[inline]
    pub fn push(&mut self, value: f64) {
        if self.since == 0 && value.is_finite() {
            self.take(value.clamp(-LARGEST, LARGEST) as f32);
        }
        self.since += 1;
        if self.since >= self.stride {
            self.since = 0;
        }
    }

    /// Keeps a value, and thins the kept ones if there are too many.
    fn take(&mut self, value: f32) {
        if self.values.len() < KEPT {
            self.values.push(value, KEPT);
        } else if self.stride < LONGEST_STRIDE {
            // Keep every third value, and from now on take every third.
            let kept = self.values.iter().step_by(3).chain([value]).collect();
            self.values = Ranked::of(kept, KEPT);
            self.stride *= 3;
        } else {
            // At the longest stride the oldest value makes room.
            self.values.replace_oldest(value);
        }
        self.baseline = baseline_of(self.values.sorted());
    }
}

/// Center and scale of at most [`KEPT`] values in ascending order.
fn baseline_of(values: &[f32]) -> Option<Baseline> {
    let mut wide = [0.0_f64; KEPT];
    for (wide, value) in wide.iter_mut().zip(values) {
        *wide = f64::from(*value);
    }
    let sorted = wide.get(..values.len()).filter(|sorted| sorted.len() >= LEAST)?;
    let center = quantile_sorted(sorted, 0.5);
    // 5th to 95th percentile.
    let range = quantile_sorted(sorted, 0.95) - quantile_sorted(sorted, 0.05);
    let mad = mad_sorted(sorted, center);
    let mean =
        || sorted.iter().map(|value| (value - center).abs()).sum::<f64>() / sorted.len() as f64;
    Some(Baseline {
        center,
        scale: scale_of(center, mad, range, mean).0,
        tail: range * SIGMA_OF_RANGE,
    })
}

/// The scale of the views of a gauge, and the statistic behind it.
pub(super) fn scale_of(
    center: f64,
    mad: f64,
    range: f64,
    mean: impl Fn() -> f64,
) -> (f64, ScaleSource) {
    let (own, tail) = (MAD_TO_SIGMA * mad, RANGE_TO_SCALE * range);
    let scale = if tail > own { (tail, ScaleSource::Tail) } else { (own, ScaleSource::Mad) };
    // A MAD of rounding noise is no spread.
    let mean = if mad <= 1e-3 * center.abs() + 1e-9 { SIGMA_OF_MEAN_AD * mean() } else { 0.0 };
    if mean > scale.0 { (mean, ScaleSource::MeanAbsoluteDeviation) } else { scale }
}

impl From<LongMemory> for Saved {
    fn from(memory: LongMemory) -> Self {
        let values = memory.values.iter().collect();
        Self { stride: memory.stride, since: memory.since, values }
    }
}

impl TryFrom<Saved> for LongMemory {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self> {
        let Saved { stride, since, values } = saved;
        let possible = [1, 3, 9, 27, 81, LONGEST_STRIDE].contains(&stride);
        if !(possible && since < stride) {
            return Err(Error::argument("stride", stride, "a power of 3 up to 243, above `since`"));
        }
        if values.len() > KEPT {
            return Err(Error::argument("values", values.len(), "at most 81 values"));
        }
        if let Some(bad) = values.iter().find(|value| !value.is_finite()) {
            return Err(Error::argument("values", bad, "finite numbers"));
        }
        let values = Ranked::of(values, KEPT);
        let baseline = baseline_of(values.sorted());
        Ok(Self { values, stride, since, baseline })
    }
}
