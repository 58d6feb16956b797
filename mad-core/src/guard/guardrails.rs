//! The judgement of a scored row.

use serde::{Deserialize, Serialize};

use super::{Confidence, Reason, Severity, SignalTraits, Verdict, exceeds_min_effect};
use crate::config::{GuardConfig, SignalSettings};
use crate::error::{Error, Result};
use crate::feature::{Row, SignalSample};
use crate::score::{RowScores, ScaleSource, Score, neg_log10_p_of};
use crate::series::{Direction, Sample, Signal, SignalKind};
use crate::time::{MINUTE, Timestamp};

/// How long an entity or a series has been known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityMaturity {
    /// Start of its first row.
    pub first: Timestamp,
    /// Rows learnt before this one.
    pub points: usize,
}

/// One signal of a row with its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredSignal<'a> {
    /// The traits of the signal.
    pub traits: SignalTraits,
    /// Its value and the observations behind it.
    pub sample: Sample,
    /// Its score.
    pub score: &'a Score,
    /// `-log10 p` that the signal contributes to its row: that of the score, less the price of
    /// looking at several signals.
    pub neg_log10_p: f64,
}

/// A row of any signals with their scores.
///
/// # Examples
///
/// ```
/// use mad_core::guard::{EntityMaturity, Guardrails, Reason, ScoredRow, ScoredSignal, SignalTraits};
/// use mad_core::{GuardConfig, Sample, Score, SignalKind, Timestamp};
///
/// let guardrails = Guardrails::new(GuardConfig::default(), 0.5)?;
/// let score = Score { z: 9.0, neg_log10_p: 12.0, expected: 4.0, ..Score::unknown() };
/// let memory = ScoredSignal {
///     traits: SignalTraits {
///         kind: SignalKind::Gauge,
///         in_ms: false,
///         has_trials: false,
///         request: None,
///     },
///     sample: Sample { value: 7.5, n: 1 },
///     score: &score,
///     neg_log10_p: 12.0,
/// };
/// let at = Timestamp::from_seconds(7200);
/// let row = ScoredRow { at, requests: None, leading: 0, signals: &[memory] };
/// let known = EntityMaturity { first: Timestamp::from_seconds(0), points: 120 };
/// let verdict = guardrails.judge_row(&row, known, &[]);
/// assert!(verdict.is_anomaly);
/// assert_eq!(verdict.reason, Reason::AboveExpected);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredRow<'a> {
    /// Start of the step, or the time of a metric.
    pub at: Timestamp,
    /// Number of requests; `None` for a row of metrics.
    pub requests: Option<u64>,
    /// Place of the signal with the strongest score.
    pub leading: u16,
    /// The signals. Those beyond the 64th are never marked as flagged.
    pub signals: &'a [ScoredSignal<'a>],
}

/// Judges rows: decides which anomalous rows are flagged and which are suppressed.
///
/// A signal is unlikely if its `-log10 p` reaches the threshold. It is suppressed for the first of
/// these reasons that applies: warm-up (not for a rate that is judged by an assumption), too few learnt rows, the direction, too few requests,
/// too small an effect. A row is flagged if one of its signals is unlikely and not suppressed.
/// [`IncidentGrouper`](crate::IncidentGrouper) decides later whether an incident opens.
///
/// # Examples
///
/// ```
/// use mad_core::guard::{EntityMaturity, Guardrails, Reason};
/// use mad_core::score::RowScores;
/// use mad_core::{
///     EntityId, GuardConfig, RowBuilder, RowKind, RowScorer, ScoreConfig, Timestamp,
/// };
///
/// let config = ScoreConfig::default();
/// let mut scorer = RowScorer::new(RowKind::Requests, &config)?;
/// let guardrails = Guardrails::new(GuardConfig::default(), config.threshold)?;
/// let row = |minute: i64, latency: f64| {
///     let at = Timestamp::from_seconds(60 * minute);
///     let latencies: Vec<f64> = (0..50).map(|i| latency + f64::from(i)).collect();
///     RowBuilder::requests(EntityId(0), at).latencies(&latencies)
/// };
/// let mut scores = RowScores::default();
/// for minute in 0..60 {
///     scorer.observe(&row(minute, 100.0 + (minute % 7) as f64).row(), &mut scores);
/// }
/// let slow = row(60, 900.0);
/// scorer.score(&slow.row(), &mut scores);
/// let known = EntityMaturity { first: Timestamp::from_seconds(0), points: 60 };
/// let verdict = guardrails.judge(&slow.row(), &scores, known);
/// assert!(verdict.is_anomaly && verdict.reason == Reason::AboveExpected);
///
/// // a new entity is still warming up
/// let new = EntityMaturity { first: Timestamp::from_seconds(3600), points: 0 };
/// assert_eq!(guardrails.judge(&slow.row(), &scores, new).reason, Reason::WarmUp);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Guardrails {
    config: GuardConfig,
    /// `-log10 p` of the threshold.
    threshold: f64,
}

impl Guardrails {
    /// Guardrails for rows that are anomalous from a score of `threshold`, above 0 and below 1.
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
        Ok(Self { config, threshold: neg_log10_p_of(threshold) })
    }

    /// `-log10 p` from which on a row is anomalous.
    pub fn threshold_neg_log10_p(&self) -> f64 {
        self.threshold
    }

    /// Judges a row of any signals with its scores.
    pub fn judge(&self, row: &Row<'_>, scores: &RowScores, maturity: EntityMaturity) -> Verdict {
        self.judge_by(row, scores, maturity, &[])
    }

    /// Judges a row of any signals with the settings of its signals, in the order of the row's
    /// samples. A signal without settings has those of the guardrails, and a metric without a kind
    /// is a gauge.
    pub fn judge_by(
        &self,
        row: &Row<'_>,
        scores: &RowScores,
        maturity: EntityMaturity,
        settings: &[SignalSettings],
    ) -> Verdict {
        let scored = |(place, one): (usize, &SignalSample)| ScoredSignal {
            traits: SignalTraits::of(one, settings.get(place)),
            sample: one.sample,
            score: scores.of(one.signal),
            neg_log10_p: scores.neg_log10_p_of(one.signal),
        };
        // Rows of requests, which are most rows, need no memory for their signals.
        let (mut place, of_requests, any);
        let signals = if let Ok(samples) = <&[_; Signal::ALL.len()]>::try_from(row.samples) {
            place = 0..;
            of_requests = samples.each_ref().map(|one| scored((place.next().unwrap_or(0), one)));
            of_requests.as_slice()
        } else {
            any = row.samples.iter().enumerate().map(scored).collect::<Vec<ScoredSignal<'_>>>();
            any.as_slice()
        };
        let strongest = scores.leading();
        let leading = row.samples.iter().position(|one| one.signal == strongest).unwrap_or(0);
        let row = ScoredRow {
            at: row.head.at,
            requests: row.requests.map(|facts| facts.requests),
            leading: leading as u16,
            signals,
        };
        self.judge_row(&row, maturity, settings)
    }

    /// Judges a row whose scored signals are given one by one, with their settings as in
    /// [`judge_by`](Self::judge_by).
    pub fn judge_row(
        &self,
        row: &ScoredRow<'_>,
        maturity: EntityMaturity,
        settings: &[SignalSettings],
    ) -> Verdict {
        let immature = self.immature(row.at, maturity);
        let leading = row.signals.get(usize::from(row.leading));
        let mut verdict = Verdict {
            is_anomaly: false,
            reason: Reason::Normal,
            severity: Severity::Info,
            confidence: Confidence::Low,
            leading: row.leading,
            flagged: 0,
            neg_log10_p: leading.map_or(0.0, |signal| signal.neg_log10_p),
            effective_n: leading.map_or(0.0, |signal| signal.score.effective_n),
        };
        let mut is_critical = false;
        // the strongest flagged signal, and the strongest suppressed one with its reason
        let (mut best, mut suppressed) = (0.0, (0.0, Reason::Normal));
        for (place, signal) in (0_u16..).zip(row.signals) {
            let own = settings.get(usize::from(place));
            // Step 1: the value has to be unlikely, by the threshold of its signal.
            let threshold = own.map_or(self.threshold, |own| neg_log10_p_of(own.threshold));
            let is_watched = own.is_none_or(|own| own.watched);
            if !(signal.neg_log10_p >= threshold && is_watched) {
                continue;
            }
            // Step 2: it has to matter. The first rule that suppresses it is the reason.
            let config = own.map_or(&self.config, |own| &own.guard);
            let direction = own.and_then(|own| own.direction);
            // an assumed rate needs no warm-up
            let is_assumed = signal.score.source == ScaleSource::Assumed;
            let reason = immature
                .filter(|_| !is_assumed)
                .or_else(|| wrong_direction(direction, signal.score))
                .or_else(|| below_min_effect(config, row.requests, signal));
            if let Some(reason) = reason {
                if signal.neg_log10_p > suppressed.0 {
                    suppressed = (signal.neg_log10_p, reason);
                }
                continue;
            }
            // Step 3: it is flagged. A row has 64 bits, so that a later signal sets none.
            verdict.flagged |= 1_u64.checked_shl(u32::from(place)).unwrap_or_default();
            verdict.is_anomaly = true;
            is_critical |= signal.traits.is_critical(&self.config, signal.sample.value);
            if signal.neg_log10_p > best {
                // The strongest flagged signal leads, even where a suppressed one is stronger.
                best = signal.neg_log10_p;
                verdict.leading = place;
                verdict.neg_log10_p = signal.neg_log10_p;
                verdict.effective_n = signal.score.effective_n;
                let is_below = signal.score.z < 0.0;
                verdict.reason =
                    if is_below { Reason::BelowExpected } else { Reason::AboveExpected };
            }
        }
        if !verdict.is_anomaly {
            // A row without an unlikely value is normal, unless its entity is too new to be judged.
            // A row that is faster than usual says so, because a fall of latency is no anomaly.
            verdict.reason = match (suppressed.1, immature) {
                (Reason::Normal, None) if is_faster(row) => Reason::WrongDirection,
                (Reason::Normal, Some(reason)) | (reason, _) => reason,
            };
            return verdict;
        }
        // The size of the effect decides about the severity, the evidence about the confidence.
        verdict.severity = if is_critical { Severity::Critical } else { Severity::Warning };
        verdict.confidence = Confidence::of(verdict.neg_log10_p, verdict.effective_n);
        verdict
    }

    /// Whether a verdict's row was suppressed although it was unlikely.
    pub fn suppressed(&self, verdict: &Verdict) -> bool {
        !verdict.is_anomaly && verdict.neg_log10_p >= self.threshold
    }

    /// The reason why an entity is too new to be flagged.
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
}

/// Whether a latency of a row of requests lies below its band. Faster requests are no fault.
fn is_faster(row: &ScoredRow<'_>) -> bool {
    row.requests.is_some()
        && row.signals.iter().any(|signal| {
            signal.traits.kind == SignalKind::Latency && signal.sample.value < signal.score.low
        })
}

/// The reason why a deviation in its direction is not watched.
fn wrong_direction(direction: Option<Direction>, score: &Score) -> Option<Reason> {
    let is_watched = match direction {
        Some(Direction::Up) => score.z > 0.0,
        Some(Direction::Down) => score.z < 0.0,
        Some(Direction::Both) | None => true,
    };
    (!is_watched).then_some(Reason::WrongDirection)
}

/// The reason why an unlikely signal has too few requests or too small an effect.
fn below_min_effect(
    config: &GuardConfig,
    requests: Option<u64>,
    signal: &ScoredSignal<'_>,
) -> Option<Reason> {
    let ScoredSignal { traits, sample, score, .. } = *signal;
    if let Some(requests) = requests {
        let requests = requests as f64;
        // requests that are missing count as requests
        let is_count = traits.kind == SignalKind::Count;
        let requests = if is_count { score.expected.max(requests) } else { requests };
        if config.too_few_requests(requests) {
            return Some(Reason::TooLittleTraffic);
        }
    }
    (!exceeds_min_effect(config, traits, sample, score)).then_some(Reason::BelowMinEffect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PipelineConfig, SeriesKind};
    use crate::feature::{RowBuilder, RowKind};
    use crate::score::SignalScore;
    use crate::series::{Entity, EntityId, SeriesId};

    #[test]
    fn a_row_of_metrics_is_judged_as_one_of_requests() {
        let at = Timestamp::from_seconds(7_200);
        let row = RowBuilder::new(RowKind::Metrics, EntityId(0), at)
            .signal(SeriesId(0), 4.1, 1)
            .signal(SeriesId(1), 120.0, 1);
        let score =
            |z, neg_log10_p, expected| Score { z, neg_log10_p, expected, ..Score::unknown() };
        let kept = |series: u32, score| SignalScore {
            signal: SeriesId(series).into(),
            score,
            drift_since: None,
        };
        let scores = vec![kept(0, score(0.1, 0.3, 4.0)), kept(1, score(7.0, 9.0, 100.0))];
        let scores = RowScores::from_kept(scores);
        let guardrails = Guardrails::new(GuardConfig::default(), 0.5).unwrap();
        let known = EntityMaturity { first: Timestamp::from_seconds(0), points: 60 };
        let verdict = guardrails.judge(&row.row(), &scores, known);
        assert_eq!((verdict.leading, verdict.flagged), (1, 0b10));
        assert_eq!(verdict.reason, Reason::AboveExpected);
        // a latency has to change by a quarter, and a gauge has no smallest effect
        let config = PipelineConfig::default();
        let own = config.resolve(&Entity::new("db", "")).of_signal("wait");
        let own = [own, SignalSettings { kind: Some(SeriesKind::Latency), ..own }];
        let verdict = guardrails.judge_by(&row.row(), &scores, known, &own);
        assert_eq!((verdict.is_anomaly, verdict.reason), (false, Reason::BelowMinEffect));
        let new = EntityMaturity { points: 3, ..known };
        assert_eq!(guardrails.judge(&row.row(), &scores, new).reason, Reason::TooFewPoints);
    }
}
