//! The decision about the newest row or point, with its numbers.

use serde::{Deserialize, Serialize};

use crate::feature::{FeaturePoint, FeatureRow};
use crate::guard::{Reason, Verdict};
use crate::score::{RowScores, Score};
use crate::series::{Signal, SignalKind};
use crate::time::Timestamp;

/// The decision about one row or point: the verdict and its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Start of the step, or the time of the point.
    pub bucket: Timestamp,
    /// Requests of the row; 0 for a point.
    pub count: u64,
    /// The leading signal of a row of requests; none for a point.
    pub signal: Option<Signal>,
    /// The kind of the signal.
    pub kind: SignalKind,
    /// The value of the signal, in its unit; NaN for a gap.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub value: f64,
    /// The expected value; NaN if unknown.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub expected: f64,
    /// Lower end of the expected band; NaN if unknown.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub low: f64,
    /// Upper end of the expected band; NaN if unknown.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub high: f64,
    /// The score, 0 to 1.
    pub score: f64,
    /// Whether it was flagged.
    pub is_anomaly: bool,
    /// Why it was flagged, or why it was not.
    pub reason: Reason,
}

impl Decision {
    /// The decision about a row of requests.
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

    /// The decision about a point of a metric.
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
