//! A long past in few values.

use serde::{Deserialize, Serialize};

use super::ScaleSource;
use super::mad::MAD_TO_SIGMA;
use crate::error::{Error, Result};
use crate::robust::{SIGMA_OF_MEAN_AD, quantile_sorted};

/// Values kept at most; a third of them stays when they are thinned.
pub(super) const KEPT: usize = 81;
/// Every so many-th value is kept in the end: the memory then reaches back 6,561 to 19,683 values.
const LONGEST_STRIDE: u32 = 243;
/// Values without which a memory says nothing.
pub(super) const LEAST: usize = 10;
/// Share of the range from the 5th to the 95th percentile that counts as scale at least, in
/// standard deviations of a normal distribution.
const RANGE_TO_SCALE: f64 = 0.3 * SIGMA_OF_RANGE;
/// That range of a normal distribution is 3.29 standard deviations.
pub(super) const SIGMA_OF_RANGE: f64 = 1.0 / 3.289_707_253_902_945;
/// What is kept is a single-precision float.
pub(super) const LARGEST: f64 = 1e38;

/// Center and scale of a past, both in the unit of its values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Baseline {
    pub center: f64,
    pub scale: f64,
    /// What the range from the 5th to the 95th percentile makes of the scale.
    pub tail: f64,
}

impl Baseline {
    /// How many scales a value lies away, with a floor to the scale; at most a million.
    #[inline]
    pub fn distance(self, value: f64, floor: f64) -> f64 {
        // halves, so that a difference of extremes does not overflow
        let away = (value / 2.0 - self.center / 2.0).abs() / (self.scale.max(floor) / 2.0);
        away.min(1e6)
    }
}

/// Median and scale of thousands of values from at most 81 of them: every value at first; when
/// there are 81 two of three are dropped and from then on every third is taken, and so on up to
/// every 243rd, when the oldest leaves for each that comes. The order of arrival decides alone, so
/// the same values give the same memory. Factors of 3 keep all hours of the day and days of the
/// week in it for steps that divide an hour.
///
/// *Scale*: 1.4826 MAD; 1.2533 mean absolute deviation where that is 0; at least 0.3 of what the
/// range from the 5th to the 95th percentile would make it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub(super) struct LongMemory {
    values: Vec<f32>,
    oldest: u32,
    stride: u32,
    /// Values since one was taken, below `stride`.
    since: u32,
    baseline: Option<Baseline>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "LongMemory", deny_unknown_fields)]
struct Saved {
    stride: u32,
    since: u32,
    values: Vec<f32>,
}

impl Default for LongMemory {
    fn default() -> Self {
        Self { values: Vec::new(), oldest: 0, stride: 1, since: 0, baseline: None }
    }
}

impl LongMemory {
    /// Center and scale; nothing before 10 values.
    #[inline]
    pub fn baseline(&self) -> Option<Baseline> {
        self.baseline
    }

    /// Values kept now.
    pub fn points(&self) -> usize {
        self.values.len()
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

    fn take(&mut self, value: f32) {
        if self.values.len() < KEPT {
            self.values.push(value);
        } else if self.stride < LONGEST_STRIDE {
            let mut place = 0_usize;
            self.values.retain(|_| {
                place += 1;
                place % 3 == 1
            });
            self.values.push(value);
            self.stride *= 3;
        } else if let Some(slot) = self.values.get_mut(self.oldest as usize) {
            *slot = value;
            self.oldest = (self.oldest + 1) % KEPT as u32;
        }
        self.baseline = baseline_of(&self.values);
    }
}

fn baseline_of(values: &[f32]) -> Option<Baseline> {
    if values.len() < LEAST {
        return None;
    }
    let mut sorted: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let center = quantile_sorted(&sorted, 0.5);
    let range = quantile_sorted(&sorted, 0.95) - quantile_sorted(&sorted, 0.05);
    for value in &mut sorted {
        *value = (*value - center).abs();
    }
    let mean = sorted.iter().sum::<f64>() / sorted.len() as f64;
    sorted.sort_unstable_by(f64::total_cmp);
    let mad = quantile_sorted(&sorted, 0.5);
    Some(Baseline {
        center,
        scale: scale_of(center, mad, range, || mean).0,
        tail: range * SIGMA_OF_RANGE,
    })
}

/// The scale ladder of every part, and what the scale rests on.
pub(super) fn scale_of(
    center: f64,
    mad: f64,
    range: f64,
    mean: impl Fn() -> f64,
) -> (f64, ScaleSource) {
    let (own, tail) = (MAD_TO_SIGMA * mad, RANGE_TO_SCALE * range);
    let scale = if tail > own { (tail, ScaleSource::Tail) } else { (own, ScaleSource::Mad) };
    // a MAD that is rounding noise is no spread
    let mean = if mad <= 1e-3 * center.abs() + 1e-9 { SIGMA_OF_MEAN_AD * mean() } else { 0.0 };
    if mean > scale.0 { (mean, ScaleSource::MeanAbsoluteDeviation) } else { scale }
}

impl From<LongMemory> for Saved {
    fn from(mut memory: LongMemory) -> Self {
        let oldest = (memory.oldest as usize).min(memory.values.len());
        memory.values.rotate_left(oldest);
        Self { stride: memory.stride, since: memory.since, values: memory.values }
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
        let baseline = baseline_of(&values);
        Ok(Self { values, oldest: 0, stride, since, baseline })
    }
}
