//! A judged row: any number of signals, each with its score, and the verdict on the row.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Reason, Severity, Verdict};
use crate::feature::{FeatureRow, RequestFacts, Row, RowHead};
use crate::score::{RowScores, Score, score_of};
use crate::series::{Entity, Sample, Signal, SignalId, SignalName};
use crate::time::Timestamp;

/// A row of any kind with its scores and its verdict.
///
/// # Examples
///
/// ```
/// use mad_core::{Pipeline, PipelineConfig, Request, Signal, Timestamp};
///
/// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
/// pipeline.ingest([Request::new(Timestamp::from_seconds(0), "payments", "/pay", 200, 80.0)]);
/// let update = pipeline.finish();
/// let row = &update.rows[0];
/// assert_eq!(row.signal(Signal::P95Latency).map(|signal| signal.sample.value), Some(80.0));
/// assert!(!row.verdict.is_anomaly);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgedRow {
    /// The entity.
    pub entity: Arc<Entity>,
    /// Time, step and kind.
    pub head: RowHead,
    /// More figures of a row of requests; `None` for other kinds.
    pub requests: Option<RequestFacts>,
    /// The signals. A row of requests has those of [`Signal::ALL`], in that order; a row of metrics
    /// has its series by name.
    pub signals: Vec<JudgedSignal>,
    /// The verdict of the guardrails. Signals of requests are judged together. Series are judged
    /// each alone: the verdict is that of the leading one.
    pub verdict: Verdict,
}

/// One signal of a judged row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgedSignal {
    /// The name.
    pub name: SignalName,
    /// The signal.
    pub id: SignalId,
    /// The value and the observations behind it. For a running total it is the increase per second.
    pub sample: Sample,
    /// Steps without a value of this signal before this one.
    pub gap: u32,
    /// How unlikely the value is.
    pub score: Score,
    /// `-log10 p` of the signal for its row: its own less the price of looking at all signals.
    pub neg_log10_p: f64,
    /// Since when the level has been drifting slowly, if the score is that of a slow change.
    pub drift_since: Option<Timestamp>,
    /// Whether the signal is flagged.
    pub is_anomaly: bool,
    /// Why it is flagged, or why it is not; for a signal of requests, the reason of the row.
    pub reason: Reason,
    /// How bad it is; `Info` if it is not flagged.
    pub severity: Severity,
    /// Score of the signal as an alarm, 0 to 1. For a gauge it rates a level that lasts, for other
    /// kinds it is the score. It is 0 in the cooldown after an alarm.
    pub alarm_score: f64,
    /// Whether the signal raises an alarm: its alarm score reaches the threshold, no guardrail
    /// suppresses it, and the cooldown after the previous alarm has passed.
    pub is_alarm: bool,
}

impl JudgedRow {
    /// A row whose signals were judged together, such as one of requests.
    pub fn new(entity: Arc<Entity>, row: Row<'_>, scores: &RowScores, verdict: Verdict) -> Self {
        let signals = row.samples.iter().zip(scores.iter()).enumerate();
        let signals = signals.map(|(place, (sample, scored))| {
            let neg_log10_p = scores.neg_log10_p_of(scored.signal);
            // `flagged` is a mask of 64 bits; signals after these are never flagged.
            let is_anomaly = place < 64 && verdict.flagged & (1 << place) != 0;
            JudgedSignal {
                name: SignalName::Request(sample.signal.builtin().unwrap_or(Signal::P95Latency)),
                id: sample.signal,
                sample: sample.sample,
                gap: sample.gap,
                score: scored.score,
                neg_log10_p,
                drift_since: scored.drift_since,
                is_anomaly,
                reason: verdict.reason,
                severity: if is_anomaly { verdict.severity } else { Severity::Info },
                alarm_score: score_of(neg_log10_p),
                // Requests have no separate policy of alarms: a flagged row is one.
                is_alarm: is_anomaly,
            }
        });
        let signals = signals.collect();
        Self { entity, head: *row.head, requests: row.requests.copied(), signals, verdict }
    }

    /// One signal; `None` if the row does not have it.
    pub fn signal(&self, signal: impl Into<SignalId>) -> Option<&JudgedSignal> {
        let signal = signal.into();
        // rows of requests hold the built-in signals at their index
        match self.signals.get(signal.index()) {
            Some(found) if found.id == signal => Some(found),
            _ => self.signals.iter().find(|found| found.id == signal),
        }
    }

    /// The leading signal; `None` for a row without signals.
    pub fn leading(&self) -> Option<&JudgedSignal> {
        self.signals.get(usize::from(self.verdict.leading))
    }

    /// The value of a signal; NaN if the row does not have it.
    pub fn value(&self, signal: impl Into<SignalId>) -> f64 {
        self.signal(signal).map_or(f64::NAN, |signal| signal.sample.value)
    }

    /// The score of a signal; [`Score::unknown`] if the row does not have it.
    pub fn score(&self, signal: impl Into<SignalId>) -> Score {
        self.signal(signal).map_or(Score::unknown(), |signal| signal.score)
    }
}

impl From<&JudgedRow> for FeatureRow {
    /// The row as requests have it. Figures that a row of another kind does not have are 0 or NaN.
    fn from(judged: &JudgedRow) -> Self {
        Self::new(&judged.head, judged.requests.as_ref(), |signal| judged.value(signal))
    }
}
