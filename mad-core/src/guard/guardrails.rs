//! The judgement of a whole row.

use serde::{Deserialize, Serialize};

use super::{Confidence, PointVerdict, Reason, Severity, Verdict};
use crate::config::{GuardConfig, SignalSettings};
use crate::error::{Error, Result};
use crate::feature::FeatureRow;
use crate::score::{RowScores, Score};
use crate::series::{Direction, Signal, SignalKind};
use crate::time::{MINUTE, Timestamp};

/// How long an entity has been known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityMaturity {
    /// Start of its first row.
    pub first: Timestamp,
    /// Rows learnt before this one.
    pub points: usize,
}

/// Judges rows: what their scores say, less what is not worth anyone's attention.
///
/// Suppressions apply in this order, and the first one is the reason given: warm-up, minimum
/// points, minimum traffic, effect size, direction. Whether an incident opens is decided later,
/// by [`IncidentGrouper`](crate::IncidentGrouper).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Guardrails {
    config: GuardConfig,
    threshold: f64,
}

impl Guardrails {
    /// Guardrails for rows whose score is anomalous from `threshold` (0 to 1) on.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn new(config: GuardConfig, threshold: f64) -> Result<Self> {
        config.validate()?;
        if !(threshold > 0.0 && threshold < 1.0) {
            return Err(Error::config(
                "score.threshold",
                threshold,
                "a number above 0 and below 1",
            ));
        }
        Ok(Self { config, threshold: crate::score::threshold_neg_log10_p(threshold) })
    }

    /// `-log10 p` from which on a row is anomalous.
    pub fn threshold_neg_log10_p(&self) -> f64 {
        self.threshold
    }

    /// Judges a row.
    pub fn judge(&self, row: &FeatureRow, scores: &RowScores, maturity: EntityMaturity) -> Verdict {
        self.judge_by(row, scores, maturity, None)
    }

    /// The same with settings of each signal, in the order of [`Signal::ALL`]: its threshold, the
    /// direction that counts, what is too small, whether it is watched.
    pub fn judge_by(
        &self,
        row: &FeatureRow,
        scores: &RowScores,
        maturity: EntityMaturity,
        settings: Option<&[SignalSettings; Signal::ALL.len()]>,
    ) -> Verdict {
        let immature = self.immature(row.bucket, maturity);
        let mut verdict = Verdict {
            is_anomaly: false,
            reason: Reason::Normal,
            severity: Severity::Info,
            confidence: Confidence::Low,
            signal: scores.leading(),
            flagged: 0,
            neg_log10_p: scores.neg_log10_p(),
            effective_n: scores.of(scores.leading()).effective_n,
        };
        let (mut best, mut suppressed) = (0.0, (0.0, Reason::Normal));
        for (signal, score) in scores.iter() {
            let neg_log10_p = scores.neg_log10_p_of(signal);
            let own = settings.and_then(|settings| settings.get(signal.index()));
            let threshold = own
                .map_or(self.threshold, |own| crate::score::threshold_neg_log10_p(own.threshold));
            if neg_log10_p < threshold || own.is_some_and(|own| !own.watched) {
                continue;
            }
            let config = own.map_or(&self.config, |own| &own.guard);
            let direction = own.and_then(|own| own.direction);
            let suppression = immature.or_else(|| wrong_direction(direction, score));
            if let Some(reason) =
                suppression.or_else(|| below_min_effect(config, row, signal, score))
            {
                if neg_log10_p > suppressed.0 {
                    suppressed = (neg_log10_p, reason);
                }
                continue;
            }
            verdict.flagged |= 1 << signal.index();
            if neg_log10_p > best {
                best = neg_log10_p;
                verdict.signal = signal;
                verdict.neg_log10_p = neg_log10_p;
                verdict.effective_n = score.effective_n;
                verdict.reason =
                    if score.z < 0.0 { Reason::BelowExpected } else { Reason::AboveExpected };
            }
        }
        if verdict.flagged == 0 {
            verdict.reason = match (suppressed.1, immature) {
                (Reason::Normal, None) if unwatched(row, scores) => Reason::Direction,
                (Reason::Normal, Some(reason)) | (reason, _) => reason,
            };
            return verdict;
        }
        verdict.is_anomaly = true;
        verdict.severity = self.severity(row, verdict.flagged);
        verdict.confidence = confidence(verdict.neg_log10_p, verdict.effective_n);
        verdict
    }

    /// Whether a verdict's row was suppressed although it was unlikely.
    pub fn suppressed(&self, verdict: &Verdict) -> bool {
        !verdict.is_anomaly && verdict.neg_log10_p >= self.threshold
    }

    fn immature(&self, at: Timestamp, maturity: EntityMaturity) -> Option<Reason> {
        let warm_up = (self.config.warm_up_minutes * MINUTE as f64) as i64;
        if at.since(maturity.first) < warm_up {
            Some(Reason::WarmUp)
        } else if maturity.points < self.config.min_points {
            Some(Reason::TooFewPoints)
        } else {
            None
        }
    }

    /// Judges a point of a metric: warm-up and minimum points as for rows, then the size of the
    /// effect as the kind of the metric has it. A gauge has none: what is small is not known.
    pub fn judge_point(
        &self,
        at: Timestamp,
        kind: SignalKind,
        value: f64,
        score: &Score,
        maturity: EntityMaturity,
        settings: Option<&SignalSettings>,
    ) -> PointVerdict {
        let immature = self.immature(at, maturity);
        let threshold = settings
            .map_or(self.threshold, |own| crate::score::threshold_neg_log10_p(own.threshold));
        let watched = settings.is_none_or(|own| own.watched);
        let unlikely = score.neg_log10_p >= threshold && watched;
        let config = settings.map_or(&self.config, |own| &own.guard);
        let direction = settings.and_then(|own| own.direction);
        let in_ms = settings.is_some_and(|own| own.in_ms);
        let suppressed = immature.or_else(|| {
            let wrong_direction = wrong_direction(direction, score);
            let small = || {
                (!exceeds_min_effect(config, kind, in_ms, value, score))
                    .then_some(Reason::SmallEffect)
            };
            if unlikely { wrong_direction.or_else(small) } else { None }
        });
        let is_anomaly = unlikely && suppressed.is_none();
        let reason = match suppressed {
            Some(reason) => reason,
            None if !is_anomaly => Reason::Normal,
            None if score.z < 0.0 => Reason::BelowExpected,
            None => Reason::AboveExpected,
        };
        let critical = kind == SignalKind::Rate && value >= self.config.critical_error_rate;
        let severity = match (is_anomaly, critical) {
            (false, _) => Severity::Info,
            (true, false) => Severity::Warning,
            (true, true) => Severity::Critical,
        };
        PointVerdict { is_anomaly, reason, severity }
    }

    fn severity(&self, row: &FeatureRow, flagged: u8) -> Severity {
        let errors = flagged & (1 << Signal::ErrorRate.index()) != 0;
        if errors && row.error_rate() >= self.config.critical_error_rate {
            Severity::Critical
        } else {
            Severity::Warning
        }
    }
}

/// Whether a latency lies below its band: faster is no evidence of a fault.
fn unwatched(row: &FeatureRow, scores: &RowScores) -> bool {
    [Signal::P50Latency, Signal::P95Latency]
        .into_iter()
        .any(|signal| row.sample(signal).value < scores.of(signal).low)
}

/// See [`Verdict::confidence`].
fn confidence(neg_log10_p: f64, effective_n: f64) -> Confidence {
    if neg_log10_p >= 8.0 && effective_n >= 5.0 {
        Confidence::High
    } else if neg_log10_p >= 6.0 || effective_n >= 3.0 {
        Confidence::Medium
    } else {
        Confidence::Low
    }
}

/// Whether a signal went the way that does not count.
fn wrong_direction(direction: Option<Direction>, score: &Score) -> Option<Reason> {
    let counts = match direction {
        Some(Direction::Up) => score.z > 0.0,
        Some(Direction::Down) => score.z < 0.0,
        Some(Direction::Both) | None => true,
    };
    (!counts).then_some(Reason::Direction)
}

/// Why an unlikely signal is not worth attention.
fn below_min_effect(
    config: &GuardConfig,
    row: &FeatureRow,
    signal: Signal,
    score: &Score,
) -> Option<Reason> {
    let value = row.sample(signal).value;
    let change = (value - score.expected).abs();
    let relative = |share: f64| change >= share * score.expected.abs();
    let requests = match signal {
        Signal::RequestCount => score.expected.max(row.count as f64),
        _ => row.count as f64,
    };
    if config.too_few_requests(requests) {
        return Some(Reason::TooLittleTraffic);
    }
    let exceeds_min_effect = match signal {
        Signal::P50Latency | Signal::P95Latency => {
            relative(config.latency_relative) && change >= config.latency_absolute_ms
        }
        Signal::ErrorRate => {
            // what lasts rests on the errors of several rows
            let errors = score.effective_n.max(row.errors as f64);
            change >= config.error_rate_absolute && errors >= config.min_errors as f64
        }
        Signal::RequestCount => {
            relative(config.traffic_relative) && change >= config.traffic_absolute
        }
    };
    (!exceeds_min_effect).then_some(Reason::SmallEffect)
}

/// Whether an unlikely point is a change that matters, as its kind has it.
fn exceeds_min_effect(
    config: &GuardConfig,
    kind: SignalKind,
    in_ms: bool,
    value: f64,
    score: &Score,
) -> bool {
    let change = (value - score.expected).abs();
    let relative = |share: f64| change >= share * score.expected.abs();
    match kind {
        SignalKind::Gauge => true,
        SignalKind::Latency => {
            let least = if in_ms { config.latency_absolute_ms } else { 0.0 };
            relative(config.latency_relative) && change >= least
        }
        SignalKind::Rate => change >= config.error_rate_absolute,
        SignalKind::Count => relative(config.traffic_relative) && change >= config.traffic_absolute,
    }
}
