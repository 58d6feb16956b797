//! Rows of series: each signal is judged alone, and the row pays for all of them.

use std::sync::Arc;

use super::rules::metric_scorer;
use super::{Judge, SeriesState, slot};
use crate::config::PipelineConfig;
use crate::feature::{FeaturePoint, Row, RowHead};
use crate::guard::{Reason, ScoredRow, ScoredSignal, Severity, SignalTraits, Verdict};
use crate::history::{Decision, FlaggedRow, FlaggedSignal};
use crate::incident::RowOutcome;
use crate::pipeline::JudgedPoint;
use crate::pipeline::names::Names;
use crate::score::{DriftAlarm, Score, SignalScores};
use crate::series::{Entity, SignalKind, SignalName};

impl Judge {
    /// Judges a row of metrics, logs or traces, then learns from it. Appends its judged points to
    /// `out`.
    pub fn judge_points(
        &mut self,
        row: &Row<'_>,
        config: &PipelineConfig,
        names: &Names,
        out: &mut Vec<JudgedPoint>,
    ) -> Option<RowOutcome> {
        let RowHead { at: bucket, entity, step, .. } = *row.head;
        let name = names.entities.get(entity)?;
        self.learn_rules(entity, config, names);
        // the price of looking at several points (Bonferroni)
        let look_elsewhere = (row.samples.len() as f64).log10();
        let (mut highest, mut outcomes) = (0.0_f64, Vec::new());
        for point in FeaturePoint::all_of(*row) {
            if let Some((judged, alarm)) = self.judge_point(name, &point, config, names) {
                highest = highest.max(alarm.score.neg_log10_p - look_elsewhere);
                outcomes.push(PointOutcome::new(&judged, &alarm, look_elsewhere));
                out.push(judged);
            }
        }
        let threshold = self.threshold_neg_log10_p();
        outcomes.retain(|one: &PointOutcome| one.signal.neg_log10_p >= threshold);
        outcomes.sort_by(|a, b| b.signal.neg_log10_p.total_cmp(&a.signal.neg_log10_p));
        let Some(strongest) = outcomes.first() else {
            return Some(RowOutcome::Quiet { entity, at: bucket, step, neg_log10_p: highest });
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
            ..FlaggedRow::new(entity, bucket)
        };
        Some(match effective_n {
            Some(effective_n) => RowOutcome::Alarm(row.effective_n(effective_n)),
            None => RowOutcome::Flagged(row),
        })
    }

    /// Judges a point, the point as an alarm, and a slow change of the level.
    fn judge_point(
        &mut self,
        entity: &Arc<Entity>,
        point: &FeaturePoint,
        config: &PipelineConfig,
        names: &Names,
    ) -> Option<(JudgedPoint, Alarm)> {
        let metric = Arc::clone(&names.series.get(point.series)?.metric);
        let settings = self.metric_settings(point.entity, &metric, config);
        let is_muted = self.is_muted(point.entity, point.bucket, config, names);
        let slot = slot(&mut self.series, point.series.index())?;
        if slot.is_none() {
            // the configuration was validated when the pipeline was made
            let (scorer, counter) =
                metric_scorer(&metric, settings.as_ref(), &config.score).ok()?;
            *slot = Some(Box::new(SeriesState::new(scorer, counter, point.bucket)));
        }
        let state = slot.as_mut()?;
        let sample = match &mut state.counter {
            Some(counter) => counter.rate(point.bucket, point.sample),
            None => point.sample,
        };
        let maturity = state.maturity();
        let scores = state.scorer.judge(point.bucket, sample);
        let SignalScores { score, alarm, drift, .. } = scores;
        if is_muted {
            state.scorer.learn_muted(point.bucket, sample, &scores);
        } else {
            state.scorer.learn_judged(point.bucket, sample, &scores);
        }
        let kind = state.scorer.kind();
        let guardrails = match self.rules.get(&point.entity) {
            Some(Some(rules)) => &rules.guardrails,
            _ => &self.guardrails,
        };
        let (at, settings, is_backfill) = (point.bucket, settings.as_ref(), self.backfill);
        let in_ms = settings.is_some_and(|own| own.in_ms);
        let traits = SignalTraits { kind, in_ms, has_trials: sample.n > 1 };
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
            } else {
                verdict
            }
        };
        let (verdict, alarmed) = (judge(&score), judge(&alarm));
        let leaving = drift.map(|leaving| (judge(&leaving.score), leaving));
        let leaving = leaving.filter(|(verdict, _)| verdict.is_anomaly);
        let cooldown = config.score.alarm_cooldown;
        let (is_alarm, alarm_score) =
            state.cooldown.step(alarmed.is_anomaly, alarm.neg_log10_p, cooldown);
        let judged = FeaturePoint { sample, ..*point };
        state.judged(point.bucket, Decision::of_point(&judged, kind, &score, &verdict));
        let entity = Arc::clone(entity);
        let judged =
            JudgedPoint { entity, metric, point: judged, score, verdict, alarm_score, is_alarm };
        Some((judged, Alarm { kind, score: alarm, verdict: alarmed, leaving }))
    }
}

/// The judgement of a point as an alarm, before the cooldown: incidents have their own.
struct Alarm {
    kind: SignalKind,
    score: Score,
    verdict: Verdict,
    /// The slow change of its level, if there is one.
    leaving: Option<(Verdict, DriftAlarm)>,
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
    fn new(judged: &JudgedPoint, alarm: &Alarm, look_elsewhere: f64) -> Self {
        let JudgedPoint { metric, point, score: own, verdict, .. } = judged;
        let less = |said: bool, neg_log10_p: f64| {
            if said { (neg_log10_p - look_elsewhere).max(0.0) } else { 0.0 }
        };
        let flagged = less(verdict.is_anomaly, own.neg_log10_p);
        let leaving = &alarm.leaving;
        let slow = leaving.map_or(0.0, |(_, leaving)| leaving.score.neg_log10_p);
        let alarming = less(alarm.verdict.is_anomaly, alarm.score.neg_log10_p).max(slow);
        let alone = if verdict.is_anomaly { own } else { &alarm.score };
        let score = leaving.as_ref().map_or(alone, |(_, leaving)| &leaving.score);
        Self {
            signal: FlaggedSignal {
                signal: SignalName::Metric(Arc::clone(metric)),
                value: point.sample.value,
                expected: score.expected,
                low: score.low,
                high: score.high,
                z: score.z,
                neg_log10_p: flagged.max(alarming),
                drifting_for: leaving
                    .and_then(|(_, leaving)| leaving.since)
                    .map(|since| point.bucket.since(since)),
            },
            severity: leaving
                .map_or(Severity::Info, |(verdict, _)| verdict.severity)
                .max(verdict.severity.max(alarm.verdict.severity)),
            alarming,
            effective_n: if alarm.kind == SignalKind::Gauge { 0.0 } else { own.effective_n },
        }
    }
}
