//! What every scorer answers, and the trait they share.

use serde::{Deserialize, Serialize};

use crate::series::Sample;
use crate::time::Timestamp;

/// Evidence at which the score is 0.5: one in ten thousand.
pub const HALF_SCORE_NEG_LOG10_P: f64 = 4.0;

/// What the scale of a score rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScaleSource {
    /// Nothing was learnt yet.
    None,
    /// Median absolute deviation.
    Mad,
    /// Mean absolute deviation about the median: more than half of the values are equal.
    MeanAbsoluteDeviation,
    /// The 5th or 95th percentile: the past has a longer tail on this side than its MAD says.
    Tail,
    /// The configured floor: past values hardly differ.
    Floor,
    /// The counting noise that a rate or count of this size must have.
    Counting,
}

/// How unlikely one value is, given what came before it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Distance from the center in scales, signed and finite. NaN when nothing was learnt or the
    /// value is NaN.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub z: f64,
    /// Minus log10 of the probability of a value at least this far out in the watched direction,
    /// 0 to 300. 0 when unknown.
    pub neg_log10_p: f64,
    /// The center, in the signal's unit.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub expected: f64,
    /// Lower end of the expected band, in the signal's unit.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub low: f64,
    /// Upper end of the expected band. A flagged value is always outside of the band.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub high: f64,
    /// What the scale rests on.
    pub source: ScaleSource,
    /// Earlier values behind the score.
    pub points: u32,
    /// Observations of the row that carry the evidence: half of a median's, a twentieth of a
    /// p95's, the errors of a rate. One is an anecdote.
    pub effective_n: f64,
}

impl Score {
    /// The score of a value about which nothing can be said.
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

    /// The evidence on a scale from 0 to 1: `e / (e + 4)`, so that one in ten thousand is 0.5.
    pub fn value(&self) -> f64 {
        score_of(self.neg_log10_p)
    }
}

/// The evidence behind a score from 0 to 1: the inverse of [`Score::value`].
///
/// ```
/// assert_eq!(mad_core::score::neg_log10_p_of(0.5), 4.0);
/// ```
pub fn neg_log10_p_of(score: f64) -> f64 {
    HALF_SCORE_NEG_LOG10_P * score / (1.0 - score)
}

/// Evidence on a scale from 0 to 1.
pub(crate) fn score_of(neg_log10_p: f64) -> f64 {
    if neg_log10_p > 0.0 { neg_log10_p / (neg_log10_p + HALF_SCORE_NEG_LOG10_P) } else { 0.0 }
}

/// How a value is learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Learn {
    /// As it is.
    Full,
    /// Pulled inside of the expected band: to its nearer edge, for a level to the 5th or 95th
    /// percentile of the past. What an anomaly may teach at most.
    Clipped,
    /// Not at all.
    Skip,
}

/// One signal's judge. Scoring is pure; learning is separate, so that a value is always judged by
/// what came before it.
pub trait Scorer {
    /// Judges a value without learning it.
    fn score(&self, at: Timestamp, sample: Sample) -> Score;

    /// Learns a value. NaN, infinities and samples without observations teach nothing.
    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn);

    /// Time has passed without a value.
    fn tick(&mut self, at: Timestamp) {
        let _ = at;
    }

    /// Judges, then learns: anomalies (evidence at or above `threshold`) are clipped.
    fn observe(&mut self, at: Timestamp, sample: Sample, threshold: f64) -> Score {
        let score = self.score(at, sample);
        let how = if score.neg_log10_p >= threshold { Learn::Clipped } else { Learn::Full };
        self.learn(at, sample, how);
        score
    }
}
