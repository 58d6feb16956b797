//! Flagged rows with everything that incidents, rankings and explanations read of them.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::feature::{Row, StatusCounts, Subset};
use crate::guard::{Severity, Verdict};
use crate::score::{RowScores, ScaleSource};
use crate::series::{Entity, EntityId, SILENCE, Signal, SignalName};
use crate::slo::RowObjectives;
use crate::time::Timestamp;

/// A flagged signal of a flagged row.
///
/// # Examples
///
/// ```
/// use mad_core::Signal;
/// use mad_core::history::FlaggedSignal;
///
/// let slow = FlaggedSignal::new(Signal::P95Latency, 900.0, 12.0).expected(140.0, 100.0, 210.0);
/// assert_eq!((slow.value, slow.high), (900.0, 210.0));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlaggedSignal {
    /// The signal.
    pub signal: SignalName,
    /// Its value.
    pub value: f64,
    /// The expected value.
    pub expected: f64,
    /// Lower end of the expected band.
    pub low: f64,
    /// Upper end of the expected band.
    pub high: f64,
    /// Distance from the expected value, in scales.
    pub z: f64,
    /// `-log10 p`, less the price of looking at all signals of the row.
    pub neg_log10_p: f64,
    /// How long the level had been drifting away from the expected value, if the signal is flagged for
    /// a slow change.
    #[serde(with = "crate::time::nanoseconds::optional")]
    pub drifting_for: Option<Duration>,
    /// Latency beyond which requests count for a slow share, ms.
    pub tail_ms: Option<f64>,
    /// Whether the expected value is assumed, because the entity fails since it was first seen.
    pub first_sight: bool,
}

impl FlaggedSignal {
    /// A signal with its value and `-log10 p`. The expected value and its band are unknown.
    pub fn new(signal: impl Into<SignalName>, value: f64, neg_log10_p: f64) -> Self {
        let (signal, nan) = (signal.into(), f64::NAN);
        let (expected, low, high, z) = (nan, nan, nan, nan);
        Self {
            signal,
            value,
            expected,
            low,
            high,
            z,
            neg_log10_p,
            drifting_for: None,
            tail_ms: None,
            first_sight: false,
        }
    }

    /// Sets the expected value and its band.
    #[must_use]
    pub fn expected(self, expected: f64, low: f64, high: f64) -> Self {
        Self { expected, low, high, ..self }
    }

    /// Sets the distance from the expected value, in scales.
    #[must_use]
    pub fn z(self, z: f64) -> Self {
        Self { z, ..self }
    }
}

/// A flagged row of requests or metrics.
///
/// The pipeline makes them of judged rows. For a stage that is used alone, make one by hand:
///
/// ```
/// use mad_core::history::{FlaggedRow, FlaggedSignal};
/// use mad_core::{EntityId, Signal, Timestamp};
///
/// let row = FlaggedRow::new(EntityId(0), Timestamp::from_seconds(0))
///     .requests(50, 3)
///     .signal(FlaggedSignal::new(Signal::P95Latency, 900.0, 12.0))
///     .signal(FlaggedSignal::new(Signal::ErrorRate, 0.06, 5.0));
/// assert_eq!(row.neg_log10_p, 12.0);
/// assert_eq!(row.signals.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlaggedRow {
    /// The entity.
    pub entity: EntityId,
    /// Start of the step.
    pub bucket: Timestamp,
    /// Length of the step.
    #[serde(with = "crate::time::nanoseconds")]
    pub step: Duration,
    /// Usual time between two rows of the entity; zero if it is unknown.
    #[serde(with = "crate::time::nanoseconds")]
    pub rhythm: Duration,
    /// Time from the step to the step with which the row became known: zero unless it is a row of a
    /// silence, which is known when it has lasted for some steps.
    #[serde(with = "crate::time::nanoseconds")]
    pub delay: Duration,
    /// Requests; 0 for a row of metrics.
    pub count: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Failed requests without a response.
    pub no_response: u64,
    /// The most frequent statuses that are no success.
    pub statuses: StatusCounts,
    /// Its requests by the version and by the host that served them, where these are known.
    pub subsets: Vec<Subset>,
    /// Share of requests that was expected to fail; NaN if unknown.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub expected_error_rate: f64,
    /// Objectives of the entity and the traffic of their window; none for a row of metrics.
    pub objectives: Option<RowObjectives>,
    /// How bad it is.
    pub severity: Severity,
    /// `-log10 p` of the row.
    pub neg_log10_p: f64,
    /// Observations behind `neg_log10_p`; 0 if they are not counted, as for gauges.
    pub effective_n: f64,
    /// The flagged signals, the strongest first.
    pub signals: Vec<FlaggedSignal>,
    /// Signals of the row that are not flagged, or too weakly beside others. Their values can
    /// be the extremes of an incident in which other rows flag them.
    pub others: Vec<FlaggedSignal>,
    /// Whether it can open an incident.
    pub opens: bool,
    /// The endpoint that explains most of a row of a whole service; `None` for other rows.
    pub explained_by: Option<ExplainedBy>,
}

/// The endpoint that has at least 60 % of the deviation of its service in one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedBy {
    /// The id of the endpoint.
    pub id: EntityId,
    /// Its names.
    pub entity: Arc<Entity>,
}

impl FlaggedRow {
    /// A warning of one minute without requests and signals.
    pub fn new(entity: EntityId, bucket: Timestamp) -> Self {
        Self {
            entity,
            bucket,
            step: Duration::from_secs(60),
            rhythm: Duration::ZERO,
            delay: Duration::ZERO,
            count: 0,
            errors: 0,
            no_response: 0,
            statuses: StatusCounts::default(),
            subsets: Vec::new(),
            expected_error_rate: f64::NAN,
            objectives: None,
            severity: Severity::Warning,
            neg_log10_p: 0.0,
            effective_n: 0.0,
            signals: Vec::new(),
            others: Vec::new(),
            opens: true,
            explained_by: None,
        }
    }

    /// A judged row of requests; `None` if it is not flagged. The objectives are not set.
    pub fn of_requests(row: &Row<'_>, scores: &RowScores, verdict: &Verdict) -> Option<Self> {
        if !verdict.is_anomaly {
            return None;
        }
        let tail_ms = |signal: Signal| {
            let limit = row.requests.and_then(|facts| facts.tail_ms);
            limit.filter(|_| signal == Signal::SlowShare)
        };
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
                    drifting_for: scores
                        .drift_since(signal)
                        .map(|since| row.head.at.duration_since(since)),
                    tail_ms: tail_ms(signal),
                    first_sight: score.source == ScaleSource::Assumed,
                }
            })
            .collect();
        signals.sort_by(|a, b| b.neg_log10_p.total_cmp(&a.neg_log10_p));
        let is_other =
            |signal: &Signal| !signals.iter().any(|known: &FlaggedSignal| known.signal == *signal);
        let others = Signal::ALL.into_iter().filter(is_other).filter_map(|signal| {
            let (value, score) = (row.sample(signal).value, scores.of(signal));
            let is_known = value.is_finite() && score.expected.is_finite() && score.z.is_finite();
            is_known.then(|| FlaggedSignal {
                tail_ms: tail_ms(signal),
                ..FlaggedSignal::new(signal, value, scores.neg_log10_p_of(signal))
                    .expected(score.expected, score.low, score.high)
                    .z(score.z)
            })
        });
        let others = others.collect();
        Some(Self {
            step: row.head.step,
            count: row.requests.map_or(0, |facts| facts.requests),
            errors: row.requests.map_or(0, |facts| facts.errors),
            no_response: row.requests.map_or(0, |facts| facts.no_response),
            statuses: row.requests.map(|facts| facts.statuses).unwrap_or_default(),
            subsets: row.subsets.to_vec(),
            expected_error_rate: scores.of(Signal::ErrorRate).expected,
            severity: verdict.severity,
            neg_log10_p: verdict.neg_log10_p,
            effective_n: verdict.effective_n,
            signals,
            others,
            ..Self::new(row.head.entity, row.head.at)
        })
    }

    /// Whether a metric is flagged in it. The silence of an entity is none.
    pub fn is_of_metrics(&self) -> bool {
        let is_metric = |name: &SignalName| name.request().is_none() && name.as_str() != SILENCE;
        self.signals.iter().any(|one| is_metric(&one.signal))
    }

    /// Sets the length of the step.
    #[must_use]
    pub fn step(self, step: Duration) -> Self {
        Self { step, ..self }
    }

    /// Sets the usual time between two rows of the entity.
    #[must_use]
    pub fn rhythm(self, rhythm: Duration) -> Self {
        Self { rhythm, ..self }
    }

    /// Sets the number of requests and of failed requests.
    #[must_use]
    pub fn requests(self, count: u64, errors: u64) -> Self {
        Self { count, errors, ..self }
    }

    /// Sets the share of requests that was expected to fail.
    #[must_use]
    pub fn expected_error_rate(self, expected_error_rate: f64) -> Self {
        Self { expected_error_rate, ..self }
    }

    /// Sets the objectives of the entity.
    #[must_use]
    pub fn objectives(self, objectives: RowObjectives) -> Self {
        Self { objectives: Some(objectives), ..self }
    }

    /// Sets the severity.
    #[must_use]
    pub fn severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// Sets the number of observations behind `neg_log10_p`.
    #[must_use]
    pub fn effective_n(self, effective_n: f64) -> Self {
        Self { effective_n, ..self }
    }

    /// Adds a flagged signal. `neg_log10_p` of the row becomes that of its strongest signal.
    #[must_use]
    pub fn signal(mut self, signal: FlaggedSignal) -> Self {
        self.neg_log10_p = self.neg_log10_p.max(signal.neg_log10_p);
        self.signals.push(signal);
        self.signals.sort_by(|a, b| b.neg_log10_p.total_cmp(&a.neg_log10_p));
        self
    }
}
