//! Scores against a `LongMemory`, shared by the scorers of one view.

use super::long_memory::{Baseline, LongMemory};
use super::mad::directed_neg_log10_p;
use super::tail::mad_degrees_of_freedom;
use super::{Learn, ScaleSource, Score, Scorer, band_z, normal_equivalent};
use crate::error::{Error, Result};
use crate::series::{Direction, Sample};
use crate::time::Timestamp;

/// Whether a sample can be judged: its value is finite, and an observation is behind it.
pub(super) fn is_usable(sample: Sample) -> bool {
    sample.value.is_finite() && sample.n > 0
}

/// Checks a band: a finite number above 0.
pub(super) fn check_band(band: f64) -> Result<f64> {
    if band.is_finite() && band > 0.0 {
        Ok(band)
    } else {
        Err(Error::config("score.band", band, "a finite number above 0"))
    }
}

/// A memory that values are scored against, with the watched direction and the band.
pub(super) struct Past<'a> {
    pub memory: &'a LongMemory,
    pub direction: Direction,
    pub band: f64,
}

impl Past<'_> {
    /// Scores a value against the remembered deviations from `base`.
    ///
    /// z is the modified z-score, its tail probability that of Student's t with the degrees of freedom of
    /// the MAD of the remembered values. The scale is at least that of the range of the past, and a thousandth of
    /// the level. Unknown before ten values.
    pub fn score(&self, sample: Sample, base: f64) -> Score {
        let center = self.memory.baseline().map_or(0.0, |past| base + past.center);
        let floor = (1e-3 * center.abs()).clamp(1e-9, f64::MAX);
        self.score_with_floor(floor, sample, base)
    }

    /// The same with another floor of the scale.
    pub fn score_with_floor(&self, floor: f64, sample: Sample, base: f64) -> Score {
        let Self { memory, direction, band } = *self;
        let Some(Baseline { center, scale, tail }) =
            memory.baseline().filter(|_| is_usable(sample))
        else {
            return Score::unknown();
        };
        let center = (base + center).clamp(f64::MIN, f64::MAX);
        // The largest of the three scales counts.
        let source = match scale.max(tail) {
            own if own <= floor => ScaleSource::Floor,
            own if own > scale => ScaleSource::Tail,
            _ => ScaleSource::Mad,
        };
        let (scale, dof) = (scale.max(tail).max(floor), mad_degrees_of_freedom(memory.points()));
        // Halves, so that the difference of two extremes does not overflow.
        let z = ((sample.value / 2.0 - center / 2.0) / (scale / 2.0)).clamp(f64::MIN, f64::MAX);
        // Distance at which the tail probability is that of the band.
        let reach = (band_z(band, dof) * scale).min(f64::MAX);
        Score {
            z,
            neg_log10_p: directed_neg_log10_p(normal_equivalent(z, dof), direction),
            expected: center,
            low: (center - reach).max(f64::MIN),
            high: (center + reach).min(f64::MAX),
            source,
            points: memory.points() as u32,
            effective_n: sample.n as f64,
        }
    }
}

/// The value to learn of a sample: clipped to the band where `how` asks for it, `None` where nothing is
/// to be learnt.
pub(super) fn value_to_learn(
    scorer: &impl Scorer,
    at: Timestamp,
    sample: Sample,
    how: Learn,
) -> Option<f64> {
    match how {
        Learn::Skip => None,
        _ if !is_usable(sample) => None,
        Learn::Clipped => Some(clipped(sample.value, &scorer.score(at, sample))),
        Learn::Full => Some(sample.value),
    }
}

/// A value clipped to the band of its score, if it has one.
fn clipped(value: f64, score: &Score) -> f64 {
    if score.low <= score.high { value.clamp(score.low, score.high) } else { value }
}
