//! What is remembered of a row.

use crate::feature::FeatureRow;
use crate::guard::{Reason, Verdict};
use crate::score::{RowScores, Score};
use crate::series::Signal;
use crate::time::Timestamp;

/// One row as reports show it: values and bands to seven digits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HistoryRow {
    /// Start of the step.
    pub bucket: Timestamp,
    /// Requests.
    pub count: u32,
    /// Requests that failed.
    pub errors: u32,
    /// Value of each signal, in the order of [`Signal::ALL`].
    pub values: [f32; Signal::ALL.len()],
    /// Lower end of each expected band; NaN while too little is known to judge.
    pub low: [f32; Signal::ALL.len()],
    /// Upper end of each expected band; NaN likewise.
    pub high: [f32; Signal::ALL.len()],
    /// Whether the row was flagged.
    pub is_anomaly: bool,
    /// Why, or why not.
    pub reason: Reason,
}

impl HistoryRow {
    /// What is remembered of a row.
    pub fn new(row: &FeatureRow, scores: &RowScores, verdict: &Verdict) -> Self {
        let judged = !matches!(verdict.reason, Reason::WarmUp | Reason::TooFewPoints);
        let band = |edge: f64| if judged { short(edge) } else { f32::NAN };
        Self {
            bucket: row.bucket,
            count: u32::try_from(row.count).unwrap_or(u32::MAX),
            errors: u32::try_from(row.errors).unwrap_or(u32::MAX),
            values: Signal::ALL.map(|signal| short(row.sample(signal).value)),
            low: Signal::ALL.map(|signal| band(scores.of(signal).low)),
            high: Signal::ALL.map(|signal| band(scores.of(signal).high)),
            is_anomaly: verdict.is_anomaly,
            reason: verdict.reason,
        }
    }

    /// How well the entity does, 0 to 100: less 50 times the share of requests that failed, less 30
    /// when the median latency is more than twice the middle of its expected band.
    pub fn health(&self) -> f64 {
        let errors = f64::from(self.errors) / f64::from(self.count.max(1));
        let p50 = Signal::ALL.iter().position(|signal| *signal == Signal::P50Latency);
        let of =
            |values: &[f32]| p50.and_then(|i| values.get(i)).map_or(f64::NAN, |v| f64::from(*v));
        let expected = f64::midpoint(of(&self.low), of(&self.high));
        let slow = of(&self.values) > 2.0 * expected;
        100.0 - 50.0 * errors.min(1.0) - if slow { 30.0 } else { 0.0 }
    }
}

/// One point of a metric as reports show it: value and band to seven digits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HistoryPoint {
    /// When it was measured.
    pub bucket: Timestamp,
    /// The value that was judged; NaN is a gap.
    pub value: f32,
    /// Lower end of the expected band; NaN while too little is known to judge.
    pub low: f32,
    /// Upper end of the expected band; NaN likewise.
    pub high: f32,
    /// Whether the point was flagged.
    pub is_anomaly: bool,
    /// Why, or why not.
    pub reason: Reason,
}

impl HistoryPoint {
    /// What is remembered of a point.
    pub fn new(bucket: Timestamp, value: f64, score: &Score, verdict: &Verdict) -> Self {
        let judged = !matches!(verdict.reason, Reason::WarmUp | Reason::TooFewPoints);
        let band = |edge: f64| if judged { short(edge) } else { f32::NAN };
        Self {
            bucket,
            value: short(value),
            low: band(score.low),
            high: band(score.high),
            is_anomaly: verdict.is_anomaly,
            reason: verdict.reason,
        }
    }
}

/// To seven digits; a finite number stays one.
fn short(value: f64) -> f32 {
    value.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}
