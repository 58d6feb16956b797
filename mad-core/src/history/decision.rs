//! What was decided of one row or point, for those who ask why.

use serde::{Deserialize, Serialize};

use crate::feature::{FeaturePoint, FeatureRow};
use crate::guard::{Reason, Verdict};
use crate::score::{RowScores, Score};
use crate::series::{Signal, SignalKind};
use crate::time::Timestamp;

/// What was decided of one row or point: the verdict and the numbers that it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Start of the step, or when the point was measured.
    pub bucket: Timestamp,
    /// Requests of the row; 0 for a point.
    pub count: u64,
    /// The signal that a row's verdict is about; none for a point.
    pub signal: Option<Signal>,
    /// What kind of number it is.
    pub kind: SignalKind,
    /// Its value, in its unit; NaN for a gap.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub value: f64,
    /// What was expected; NaN when unknown.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub expected: f64,
    /// Lower end of the expected band; NaN when unknown.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub low: f64,
    /// Upper end of the expected band; NaN when unknown.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub high: f64,
    /// The row's or point's score, 0 to 1.
    pub score: f64,
    /// Whether it was flagged.
    pub is_anomaly: bool,
    /// Why, or why not.
    pub reason: Reason,
}

impl Decision {
    /// Of a row.
    pub fn of_row(row: &FeatureRow, scores: &RowScores, verdict: &Verdict) -> Self {
        let score = scores.of(verdict.request_signal());
        Self {
            bucket: row.bucket,
            count: row.count,
            signal: Some(verdict.request_signal()),
            kind: verdict.request_signal().kind(),
            value: row.sample(verdict.request_signal()).value,
            expected: score.expected,
            low: score.low,
            high: score.high,
            score: verdict.score(),
            is_anomaly: verdict.is_anomaly,
            reason: verdict.reason,
        }
    }

    /// Of a point of a metric of that kind.
    pub fn of_point(
        point: &FeaturePoint,
        kind: SignalKind,
        score: &Score,
        verdict: &Verdict,
    ) -> Self {
        Self {
            bucket: point.bucket,
            count: 0,
            signal: None,
            kind,
            value: point.sample.value,
            expected: score.expected,
            low: score.low,
            high: score.high,
            score: score.value(),
            is_anomaly: verdict.is_anomaly,
            reason: verdict.reason,
        }
    }
}
