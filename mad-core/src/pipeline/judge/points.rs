//! Rows of series: each signal is judged alone, and the row pays for all of them.

use std::sync::Arc;

use super::levels::accepted;
use super::log_volumes::{RowPrices, Volumes};
use super::rules::{metric_scorer, scorer_of};
use super::{Judge, SeriesState, guardrails_of, slot};
use crate::config::PipelineConfig;
use crate::feature::{Row, RowHead, SignalSample};
use crate::guard::{
    EntityMaturity, JudgedRow, JudgedSignal, Reason, ScoredRow, ScoredSignal, Severity,
    SignalTraits, Verdict,
};
use crate::history::{Decision, FlaggedRow, FlaggedSignal};
use crate::incident::RowOutcome;
use crate::pipeline::names::Names;
use crate::score::{DriftAlarm, Score, SignalScores, new_error_scores};
use crate::series::{LOG_NEW_ERRORS, SignalKind, SignalName, log_template_of};
use crate::time::Timestamp;

impl Judge {
    /// Judges a row of metrics, logs or traces, then learns from it.
    pub fn judge_points(
        &mut self,
        row: &Row<'_>,
        config: &PipelineConfig,
        names: &Names,
    ) -> Option<(JudgedRow, RowOutcome)> {
        let RowHead { at: bucket, entity, step, .. } = *row.head;
        let name = Arc::clone(names.entities.get(entity)?);
        self.learn_rules(entity, config, names);
        let prices = RowPrices::of(row, names);
        let look_elsewhere = prices.others;
        let volumes = self.volumes(row, &prices);
        let mut outcomes = Vec::new();
        let mut signals = Vec::with_capacity(row.samples.len());
        let mut verdict = RowVerdict::default();
        let mut points = Vec::with_capacity(row.samples.len());
        for sample in row.samples {
            let volume = Volumes::without(&volumes, sample.signal);
            let price = prices.of_signal(sample.signal);
            points.extend(self.judge_point(row.head, sample, (price, volume), config, names));
        }
        let mut highest = self.judge_together(row.head, &mut points, look_elsewhere, config, names);
        for Judged { signal, verdict: own, alarm, .. } in points {
            let look_elsewhere = prices.of_signal(signal.id);
            highest = highest.max(alarm.score.neg_log10_p - look_elsewhere);
            if signal.is_anomaly || alarm.verdict.is_anomaly {
                outcomes.push(PointOutcome::new(bucket, &signal, &alarm, look_elsewhere));
            }
            verdict.add(&own, signals.len());
            signals.push(signal);
        }
        let head = *row.head;
        let judged = JudgedRow { entity: name, head, requests: None, signals, verdict: verdict.0? };
        let threshold = self.threshold_neg_log10_p();
        outcomes.retain(|one: &PointOutcome| one.signal.neg_log10_p >= threshold);
        outcomes.sort_by(|a, b| b.signal.neg_log10_p.total_cmp(&a.signal.neg_log10_p));
        let is_weak = outcomes.is_empty() && judged.signals.iter().any(|one| one.is_anomaly);
        if outcomes.is_empty() && !is_weak {
            let quiet = RowOutcome::Quiet { entity, at: bucket, step, neg_log10_p: highest };
            return Some((judged, quiet));
        }
        let of_outcomes = |name: &SignalName| outcomes.iter().any(|one| one.signal.signal == *name);
        let others = judged.signals.iter().filter(|one| one.is_anomaly && !of_outcomes(&one.name));
        let others: Vec<FlaggedSignal> = others.filter_map(unflagged).collect();
        let Some(strongest) = outcomes.first() else {
            let row = FlaggedRow {
                step,
                neg_log10_p: highest,
                others,
                opens: false,
                ..FlaggedRow::new(entity, bucket)
            };
            return Some((judged, RowOutcome::Weak(row)));
        };
        let neg_log10_p = strongest.signal.neg_log10_p;
        let severity = outcomes.iter().map(|one| one.severity).max();
        let alarms = outcomes.iter().filter(|one| one.alarming >= threshold);
        let effective_n = alarms.map(|one| one.effective_n).reduce(f64::max);
        let row = FlaggedRow {
            step,
            severity: severity.unwrap_or_default(),
            neg_log10_p,
            signals: outcomes.into_iter().map(|one| one.signal).collect(),
            others,
            ..FlaggedRow::new(entity, bucket)
        };
        let outcome = match effective_n {
            Some(effective_n) => RowOutcome::Alarm(row.effective_n(effective_n)),
            None => RowOutcome::Flagged(row),
        };
        Some((judged, outcome))
    }

    /// Judges a point, the point as an alarm, and a slow change of the level.
    fn judge_point(
        &mut self,
        head: &RowHead,
        point: &SignalSample,
        (look_elsewhere, volumes): (f64, Option<Volumes<'_>>),
        config: &PipelineConfig,
        names: &Names,
    ) -> Option<Judged> {
        let (RowHead { at, entity, .. }, series) = (*head, point.signal.series()?);
        let metric = Arc::clone(&names.series.get(series)?.metric);
        let settings = self.metric_settings(entity, &metric, config);
        let is_muted = self.is_muted(entity, at, config, names);
        let slot = slot(&mut self.series, series.index())?;
        if slot.is_none() {
            // the configuration was validated when the pipeline was made
            let (scorer, total) = metric_scorer(&metric, settings.as_ref(), &config.score).ok()?;
            let fresh = SeriesState::new(scorer, total, at);
            let is_template = log_template_of(&metric).is_some();
            *slot = Some(Box::new(if is_template { fresh.of_template() } else { fresh }));
        }
        let state = slot.as_mut()?;
        let sample = state.judged_sample(at, head.step, point.sample, |kind| {
            scorer_of(kind, &metric, settings.as_ref(), &config.score).ok()
        });
        let is_new = *metric == *LOG_NEW_ERRORS;
        // new templates are judged by an assumption, for which there is nothing to learn
        let maturity = if is_new {
            EntityMaturity { first: Timestamp::default(), points: usize::MAX }
        } else {
            state.maturity()
        };
        state.scorer.set_utc_offset(config.season.utc_offset_seconds(at));
        let scores = if is_new { new_error_scores(sample) } else { state.scorer.judge(at, sample) };
        let of_lines = state.judge_lines(at, sample, volumes, &scores, is_muted);
        if is_new {
            // a later template is as new
        } else if is_muted {
            state.scorer.learn_muted(at, sample, &scores);
        } else {
            let level = state.scorer.learn_judged(at, sample, &scores);
            if let (Some(level), Some(entity)) = (level, names.entities.get(entity)) {
                let name = SignalName::Metric(Arc::clone(&metric));
                self.levels.push(accepted(entity, name, at, level));
            }
        }
        // the lines of a template are learnt by their number alone
        let SignalScores { score, alarm, drift, .. } = of_lines.scores;
        let is_event = is_new || of_lines.is_silence;
        let kind = if is_event { SignalKind::Events } else { state.scorer.kind() };
        let is_warm = of_lines.is_warm;
        let guardrails = guardrails_of(&self.rules, &self.guardrails, entity);
        let (settings, is_backfill) = (settings.as_ref(), self.backfill);
        let in_ms = settings.is_some_and(|own| own.in_ms);
        let traits = SignalTraits { kind, in_ms, has_trials: sample.n > 1, request: None };
        let settings = settings.map(std::slice::from_ref).unwrap_or_default();
        let judge = |score: &Score| {
            let neg_log10_p = score.neg_log10_p;
            let signals = &[ScoredSignal { traits, sample, score, neg_log10_p }];
            let row = ScoredRow { at, requests: None, leading: 0, signals };
            let verdict = guardrails.judge_row(&row, maturity, settings);
            if is_muted {
                verdict.suppressed_by(Reason::Muted)
            } else if is_backfill {
                verdict.suppressed_by(Reason::History)
            } else if verdict.is_anomaly && !is_warm {
                verdict.suppressed_by(Reason::WarmUp)
            } else {
                verdict
            }
        };
        let (verdict, mut alarmed) = (judge(&score), judge(&alarm));
        // it is flagged, and joins incidents of others
        alarmed.is_anomaly &= of_lines.may_open;
        let leaving = drift.map(|leaving| (judge(&leaving.score), leaving));
        let leaving = leaving.filter(|(verdict, _)| verdict.is_anomaly);
        // A point is flagged with the score that raises its alarm, so that what an incident says of
        // it stands in its row.
        let leads = match (&leaving, alarmed.is_anomaly && !verdict.is_anomaly) {
            (Some((slow, drift)), _) => Some((drift.score, *slow)),
            (None, true) => Some((alarm, alarmed)),
            (None, false) => None,
        };
        let (score, verdict) = leads.unwrap_or((score, verdict));
        let cooldown = config.score.alarm_cooldown;
        let (is_alarm, alarm_score) =
            state.cooldown.step(alarmed.is_anomaly, alarm.neg_log10_p, cooldown);
        let judged = JudgedSignal {
            name: SignalName::Metric(metric),
            id: point.signal,
            sample,
            gap: point.gap,
            score,
            neg_log10_p: (score.neg_log10_p - look_elsewhere).max(0.0),
            drift_since: None,
            is_anomaly: verdict.is_anomaly,
            reason: verdict.reason,
            severity: verdict.severity,
            alarm_score,
            is_alarm,
        };
        state.judged(at, Decision::of_series(at, kind, &judged));
        let leaving = leaving.map(|(_, drift)| drift);
        Some(Judged {
            signal: judged,
            verdict,
            alarm: Alarm { kind, score: alarm, verdict: alarmed, leaving },
            traits,
        })
    }
}

/// A judged value of a series.
pub(super) struct Judged {
    pub signal: JudgedSignal,
    pub verdict: Verdict,
    pub alarm: Alarm,
    pub traits: SignalTraits,
}

/// A value that is not flagged strongly enough for its row, with the expected one.
fn unflagged(judged: &JudgedSignal) -> Option<FlaggedSignal> {
    let (score, value) = (&judged.score, judged.sample.value);
    let is_known = value.is_finite() && score.expected.is_finite() && score.z.is_finite();
    is_known.then(|| {
        FlaggedSignal::new(judged.name.clone(), value, judged.neg_log10_p)
            .expected(score.expected, score.low, score.high)
            .z(score.z)
    })
}

/// The verdict of a row of series: that of its flagged series with the strongest evidence, or of
/// its strongest series if none is flagged.
#[derive(Default)]
struct RowVerdict(Option<Verdict>);

impl RowVerdict {
    /// Adds the verdict of the next series of the row.
    fn add(&mut self, own: &Verdict, place: usize) {
        let rank = |verdict: &Verdict| (verdict.is_anomaly, verdict.neg_log10_p);
        let bit = if own.is_anomaly && place < 64 { 1 << place } else { 0 };
        let flagged = self.0.map_or(0, |verdict| verdict.flagged) | bit;
        let leads = self.0.as_ref().is_none_or(|best| rank(own) > rank(best));
        let leading = u16::try_from(place).unwrap_or(u16::MAX);
        match &mut self.0 {
            Some(best) if !leads => best.flagged = flagged,
            best => *best = Some(Verdict { leading, flagged, ..*own }),
        }
    }
}

/// The judgement of a point as an alarm, before the cooldown: incidents have their own.
pub(super) struct Alarm {
    pub kind: SignalKind,
    pub score: Score,
    pub verdict: Verdict,
    /// The slow change of its level, if there is one and no guardrail suppresses it.
    leaving: Option<DriftAlarm>,
}

/// The part of a point in the outcome of its row.
struct PointOutcome {
    signal: FlaggedSignal,
    severity: Severity,
    /// Evidence for an alarm.
    alarming: f64,
    /// Observations behind the evidence. It is 0 for a gauge, because one point of a gauge is no
    /// level that lasts, however many observations it was made of.
    effective_n: f64,
}

impl PointOutcome {
    /// The evidence is 0 for a point that is neither flagged nor an alarm and has no slow change.
    /// A slow change pays no price for the other metrics of the row, because hundreds of values
    /// stand behind it: blocks that add up by chance are far rarer than its evidence says.
    fn new(at: Timestamp, judged: &JudgedSignal, alarm: &Alarm, look_elsewhere: f64) -> Self {
        let own = &judged.score;
        let less = |said: bool, neg_log10_p: f64| {
            if said { (neg_log10_p - look_elsewhere).max(0.0) } else { 0.0 }
        };
        let flagged = if judged.is_anomaly { judged.neg_log10_p } else { 0.0 };
        let leaving = &alarm.leaving;
        let slow = leaving.map_or(0.0, |leaving| leaving.score.neg_log10_p);
        let alarming = less(alarm.verdict.is_anomaly, alarm.score.neg_log10_p).max(slow);
        Self {
            signal: FlaggedSignal {
                signal: judged.name.clone(),
                value: judged.sample.value,
                expected: own.expected,
                low: own.low,
                high: own.high,
                z: own.z,
                neg_log10_p: flagged.max(alarming),
                drifting_for: leaving
                    .and_then(|leaving| leaving.since)
                    .map(|since| at.duration_since(since)),
                tail_ms: None,
                first_sight: false,
            },
            severity: judged.severity.max(alarm.verdict.severity),
            alarming,
            effective_n: if alarm.kind == SignalKind::Gauge { 0.0 } else { own.effective_n },
        }
    }
}
