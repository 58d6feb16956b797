//! The decision about the newest row or point, with its numbers.

use serde::{Deserialize, Serialize};

use crate::guard::{JudgedRow, JudgedSignal, Reason};
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
    pub fn of_row(judged: &JudgedRow) -> Self {
        let verdict = &judged.verdict;
        let leading = verdict.request_signal();
        let score = judged.score(leading);
        Self {
            bucket: judged.head.at,
            count: judged.requests.map_or(0, |facts| facts.requests),
            signal: Some(leading),
            kind: leading.kind(),
            value: judged.value(leading),
            expected: score.expected,
            low: score.low,
            high: score.high,
            score: verdict.score(),
            is_anomaly: verdict.is_anomaly,
            reason: verdict.reason,
        }
    }

    /// The decision about a value of a series.
    pub fn of_series(at: Timestamp, kind: SignalKind, judged: &JudgedSignal) -> Self {
        Self {
            bucket: at,
            count: 0,
            signal: None,
            kind,
            value: judged.sample.value,
            expected: judged.score.expected,
            low: judged.score.low,
            high: judged.score.high,
            score: judged.score.value(),
            is_anomaly: judged.is_anomaly,
            reason: judged.reason,
        }
    }
}
