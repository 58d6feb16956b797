//! `Score`, the answer of every scorer, and the trait that scorers share.

use serde::{Deserialize, Serialize};

use crate::series::Sample;
use crate::time::Timestamp;

/// `-log10 p` at which the score from 0 to 1 is 0.5: one value in ten thousand.
pub const HALF_SCORE_NEG_LOG10_P: f64 = 4.0;

/// The statistic behind the scale of a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScaleSource {
    /// No value was learnt yet.
    None,
    /// Median absolute deviation.
    Mad,
    /// Mean absolute deviation about the median, because more than half of the values are equal.
    MeanAbsoluteDeviation,
    /// The 5th or 95th percentile, because the tail on this side is longer than the MAD says.
    Tail,
    /// The standard deviation.
    StandardDeviation,
    /// The configured floor, because past values hardly differ.
    Floor,
    /// The counting noise that a rate or count of this size must have.
    Counting,
    /// The counting noise about a rate that is assumed, because too few rows were learnt.
    Assumed,
}

/// How unlikely one value is, given the values before it.
///
/// # Examples
///
/// ```
/// use mad_core::Score;
///
/// let score = Score { neg_log10_p: 4.0, ..Score::unknown() };
/// assert_eq!(score.value(), 0.5);
/// assert_eq!(Score::unknown().value(), 0.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Distance from the center in scales, signed and finite. NaN if no value was learnt or the value
    /// is NaN.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub z: f64,
    /// Negative decimal logarithm of the probability of a value at least this far out in the watched
    /// direction, 0 to 300. 0 when unknown.
    pub neg_log10_p: f64,
    /// The center, in the signal's unit.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub expected: f64,
    /// Lower end of the expected band, in the signal's unit.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub low: f64,
    /// Upper end of the expected band, in the signal's unit. A value that reaches the threshold lies
    /// outside the band.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub high: f64,
    /// The statistic behind the scale.
    pub source: ScaleSource,
    /// Earlier values behind the score.
    pub points: u32,
    /// Observations that the probability rests on: half of the requests behind a median, a twentieth
    /// of those behind a p95, the errors of a rate. 1 is a single request.
    pub effective_n: f64,
}

impl Score {
    /// The score of a value about which nothing is known.
    pub const fn unknown() -> Self {
        Self {
            z: f64::NAN,
            neg_log10_p: 0.0,
            expected: f64::NAN,
            low: f64::NAN,
            high: f64::NAN,
            source: ScaleSource::None,
            points: 0,
            effective_n: 0.0,
        }
    }

    /// The score from 0 to 1: `e / (e + 4)` with `e = -log10 p`, so that one in ten thousand is 0.5.
    pub fn value(&self) -> f64 {
        score_of(self.neg_log10_p)
    }
}

/// The `-log10 p` behind a score from 0 to 1: the inverse of [`Score::value`].
///
/// # Examples
///
/// ```
/// assert_eq!(mad_core::score::neg_log10_p_of(0.5), 4.0);
/// ```
pub fn neg_log10_p_of(score: f64) -> f64 {
    HALF_SCORE_NEG_LOG10_P * score / (1.0 - score)
}

/// The score from 0 to 1 of a `-log10 p`.
pub(crate) fn score_of(neg_log10_p: f64) -> f64 {
    if neg_log10_p > 0.0 { neg_log10_p / (neg_log10_p + HALF_SCORE_NEG_LOG10_P) } else { 0.0 }
}

/// How a value is learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Learn {
    /// As it is.
    Full,
    /// Clipped to the expected band, or for a level to the 5th or 95th percentile of the past: the
    /// most that an anomaly may teach.
    Clipped,
    /// Not at all.
    Skip,
}

/// A scorer of one signal.
///
/// Scoring is pure and learning is a separate step, so that a value is always judged by the values
/// before it.
///
/// # Examples
///
/// A scorer that knows one value and finds any larger one unlikely:
///
/// ```
/// use mad_core::score::{Learn, Score, Scorer};
/// use mad_core::{Sample, Timestamp};
///
/// #[derive(Default)]
/// struct Larger(Option<f64>);
///
/// impl Scorer for Larger {
///     fn score(&self, _at: Timestamp, sample: Sample) -> Score {
///         let larger = self.0.is_some_and(|known| sample.value > known);
///         Score { neg_log10_p: if larger { 5.0 } else { 0.0 }, ..Score::unknown() }
///     }
///
///     fn learn(&mut self, _at: Timestamp, sample: Sample, how: Learn) {
///         if how == Learn::Full {
///             self.0 = Some(sample.value);
///         }
///     }
/// }
///
/// let (at, mut scorer) = (Timestamp::from_seconds(0), Larger::default());
/// assert!(scorer.observe(at, Sample { value: 3.0, n: 1 }, 4.0).neg_log10_p < 4.0);
/// assert!(scorer.observe(at, Sample { value: 9.0, n: 1 }, 4.0).neg_log10_p >= 4.0);
/// ```
pub trait Scorer {
    /// Judges a value without learning it. A value that is not finite, or without an observation
    /// behind it, is unknown.
    fn score(&self, at: Timestamp, sample: Sample) -> Score;

    /// Learns a value. NaN, infinities and samples without observations teach nothing.
    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn);

    /// Takes note that time has passed without a value. Scorers that do not judge silence ignore it.
    fn tick(&mut self, at: Timestamp) {
        let _ = at;
    }

    /// Judges a value, then learns it: clipped if its `-log10 p` is `threshold` or more.
    fn observe(&mut self, at: Timestamp, sample: Sample, threshold: f64) -> Score {
        let score = self.score(at, sample);
        let how = if score.neg_log10_p >= threshold { Learn::Clipped } else { Learn::Full };
        self.learn(at, sample, how);
        score
    }
}
