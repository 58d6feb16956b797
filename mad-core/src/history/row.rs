//! What is remembered of a row.

use serde::{Deserialize, Serialize};

use crate::feature::FeatureRow;
use crate::guard::{Reason, Severity, Verdict};
use crate::score::{RowScores, Score};
use crate::series::{EntityId, Signal, SignalName};
use crate::slo::RowObjectives;
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

/// One flagged signal's part in a flagged row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlaggedSignal {
    /// Which signal.
    pub signal: SignalName,
    /// Its value.
    pub value: f64,
    /// What was expected.
    pub expected: f64,
    /// Lower end of the expected band.
    pub low: f64,
    /// Upper end of the expected band.
    pub high: f64,
    /// Distance from what was expected, in scales.
    pub z: f64,
    /// Minus log10 of its probability, after looking at all signals.
    pub neg_log10_p: f64,
    /// For how long its level had been leaving what was expected, nanoseconds, where that is what
    /// the evidence is of: a slow change.
    #[serde(default)]
    pub drifting_for: Option<i64>,
}

/// A flagged row with all that a ranking or an explanation needs of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlaggedRow {
    /// Whose row it is.
    pub entity: EntityId,
    /// Start of the step.
    pub bucket: Timestamp,
    /// Length of the step, nanoseconds.
    pub step: i64,
    /// Requests.
    pub count: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Share of requests that was expected to fail; NaN when unknown.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub expected_error_rate: f64,
    /// What it means for its entity's objectives; none for a row of metrics.
    pub objectives: Option<RowObjectives>,
    /// How bad.
    pub severity: Severity,
    /// Minus log10 of the row's probability.
    pub neg_log10_p: f64,
    /// The flagged signals, strongest first.
    pub signals: Vec<FlaggedSignal>,
}

impl FlaggedRow {
    /// From a judged row; nothing when it was not flagged.
    pub fn new(row: &FeatureRow, step: i64, scores: &RowScores, verdict: &Verdict) -> Option<Self> {
        if !verdict.is_anomaly {
            return None;
        }
        let mut signals: Vec<FlaggedSignal> = verdict
            .flagged_signals()
            .map(|signal| {
                let score = scores.of(signal);
                FlaggedSignal {
                    signal: signal.into(),
                    value: row.sample(signal).value,
                    expected: score.expected,
                    low: score.low,
                    high: score.high,
                    z: score.z,
                    neg_log10_p: scores.neg_log10_p_of(signal),
                    drifting_for: scores.drift_since(signal).map(|since| row.bucket.since(since)),
                }
            })
            .collect();
        signals.sort_by(|a, b| b.neg_log10_p.total_cmp(&a.neg_log10_p));
        Some(Self {
            entity: row.entity,
            bucket: row.bucket,
            step,
            count: row.count,
            errors: row.errors,
            expected_error_rate: scores.of(Signal::ErrorRate).expected,
            objectives: None,
            severity: verdict.severity,
            neg_log10_p: verdict.neg_log10_p,
            signals,
        })
    }
}
