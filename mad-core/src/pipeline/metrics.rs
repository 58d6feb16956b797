//! Points of metrics through the same stages: score, guard, learn, remember, group.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::partition::Partition;
use super::rules::metric_scorer;
use super::{JudgedPoint, Pipeline, Update};
use crate::feature::FeaturePoint;
use crate::guard::{
    EntityMaturity, Reason, ScoredRow, ScoredSignal, Severity, SignalTraits, Verdict,
};
use crate::history::{Decision, FlaggedRow, FlaggedSignal, HistoryPoint};
use crate::score::{DriftAlarm, MetricScorer, Pause, Score};
use crate::series::{Entity, EntityId, SeriesId, SignalKind, SignalName};
use crate::telemetry::{MetricPoint, PartitionId, Source};
use crate::time::Timestamp;

use serde::{Deserialize, Serialize};

/// What is known of one series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SeriesState {
    pub first: Timestamp,
    pub last: Timestamp,
    pub scorer: MetricScorer,
    pub points: u64,
    pub flagged: u64,
    pub newest: Option<Decision>,
    #[serde(default)]
    pub paused: Pause,
}

impl Pipeline {
    pub(super) fn push_metric(
        &mut self,
        point: &MetricPoint<'_>,
        source: &Source,
        update: &mut Update,
    ) {
        let Source { partition, position, .. } = *source;
        let Self { partitions, entities, series_names, closed_points, .. } = self;
        let Some(Partition { metrics, .. }) = partitions.get_mut(partition.index()) else { return };
        let rejected = &mut update.rejected;
        metrics.push(point, position, entities, series_names, closed_points, rejected);
        if !self.closed_points.is_empty() {
            self.judge_points(partition, update);
        }
    }

    /// Points and flagged points of each entity.
    pub fn points_of_entities(&self) -> BTreeMap<EntityId, (u64, u64)> {
        let mut out: BTreeMap<EntityId, (u64, u64)> = BTreeMap::new();
        for (id, name) in self.series_names.iter() {
            if let Some(Some(state)) = self.series.get(id.index()) {
                let (points, flagged) = out.entry(name.entity).or_default();
                *points += state.points;
                *flagged += state.flagged;
            }
        }
        out
    }

    /// How long a series has been known and what was decided of its newest point, if it has one.
    pub fn newest_point(&self, series: SeriesId) -> Option<(EntityMaturity, Decision)> {
        let state = self.series.get(series.index())?.as_ref()?;
        let maturity = EntityMaturity { first: state.first, points: state.scorer.points() };
        state.newest.map(|newest| (maturity, newest))
    }

    pub(super) fn judge_points(&mut self, partition: PartitionId, update: &mut Update) {
        let points = std::mem::take(&mut self.closed_points);
        let same =
            |a: &FeaturePoint, b: &FeaturePoint| (a.bucket, a.entity) == (b.bucket, b.entity);
        for row in points.chunk_by(same) {
            self.judge_row_of_points(partition, row, update);
        }
        self.closed_points = points;
        self.closed_points.clear();
        self.sweep();
    }

    /// Points of one entity at one time: each is judged alone, all of them make one row.
    fn judge_row_of_points(
        &mut self,
        partition: PartitionId,
        points: &[FeaturePoint],
        update: &mut Update,
    ) {
        let Some(first) = points.first() else { return };
        let FeaturePoint { bucket, entity, step, .. } = *first;
        self.time_comes_to(partition, bucket, update);
        let Some(name) = self.entities.get(entity).map(Arc::clone) else { return };
        self.learn_rules(entity);
        self.dirty.insert(entity);
        // what looking at all of them costs (Bonferroni)
        let look_elsewhere = (points.len() as f64).log10();
        let (mut worth, mut told) = (0.0_f64, Vec::new());
        for point in points {
            if let Some((judged, alarm)) = self.judge_point(&name, point) {
                worth = worth.max(alarm.score.neg_log10_p - look_elsewhere);
                told.push(Told::new(&judged, &alarm, look_elsewhere));
                update.points.push(judged);
            }
        }
        let enough = self.guardrails.threshold_neg_log10_p();
        told.retain(|told| told.signal.neg_log10_p >= enough);
        told.sort_by(|a, b| b.signal.neg_log10_p.total_cmp(&a.signal.neg_log10_p));
        let before = update.changes.len();
        match told.first() {
            Some(Told { signal: FlaggedSignal { neg_log10_p, .. }, .. }) => {
                let neg_log10_p = *neg_log10_p;
                let severity = told.iter().map(|told| told.severity).max();
                let alarms = told.iter().filter(|told| told.alarming >= enough);
                let effective_n = alarms.map(|told| told.effective_n).reduce(f64::max);
                let row = FlaggedRow {
                    entity,
                    bucket,
                    step,
                    count: 0,
                    errors: 0,
                    expected_error_rate: f64::NAN,
                    objectives: None,
                    severity: severity.unwrap_or_default(),
                    neg_log10_p,
                    signals: told.into_iter().map(|told| told.signal).collect(),
                };
                self.history.push_flagged(row.clone());
                let (graph, changes) = (&self.graph, &mut update.changes);
                match effective_n {
                    Some(effective_n) => {
                        self.grouper.flagged(&name, row, effective_n, graph, changes)
                    }
                    None => {
                        self.grouper.extend(&name, &row, changes);
                    }
                }
            }
            None => self.grouper.quiet(entity, bucket, step, worth, &mut update.changes),
        }
        self.follow_changes(before, update);
        if let Some(id) = self.open_windows.get(&entity)
            && !self.windows.get_mut(id).is_some_and(super::IncidentWindow::wants_more)
        {
            self.open_windows.remove(&entity);
        }
    }

    /// What is said of a point, of it as an alarm, and of a level that is leaving slowly.
    fn judge_point(
        &mut self,
        entity: &Arc<Entity>,
        point: &FeaturePoint,
    ) -> Option<(JudgedPoint, Alarm)> {
        let index = point.series.index();
        if self.series.len() <= index {
            self.series.resize_with(index + 1, || None);
        }
        let metric = Arc::clone(&self.series_names.get(point.series)?.metric);
        let settings = self.metric_settings(point.entity, &metric);
        let is_muted = self.muted_until(point.entity, point.bucket).is_some();
        let slot = self.series.get_mut(index)?;
        if slot.is_none() {
            // the config was validated when the pipeline was made
            let scorer = metric_scorer(&metric, settings.as_ref(), &self.config.score).ok()?;
            let first = point.bucket;
            let (points, flagged, newest) = (0, 0, None);
            let paused = Pause::default();
            let state = SeriesState { first, last: first, scorer, points, flagged, newest, paused };
            *slot = Some(Box::new(state));
        }
        let state = slot.as_mut()?;
        let sample = state.scorer.sample(point.bucket, point.sample);
        let maturity = EntityMaturity { first: state.first, points: state.scorer.points() };
        let score = state.scorer.score(point.bucket, sample);
        let alarm = state.scorer.alarm(point.bucket, sample, &score);
        let leaving = state.scorer.leaving(point.bucket, sample);
        if is_muted {
            state.scorer.learn_muted(point.bucket, sample, &score);
        } else {
            state.scorer.learn(point.bucket, sample, &score);
        }
        let kind = state.scorer.kind();
        let guardrails = match self.rules.get(&point.entity) {
            Some(Some(rules)) => &rules.guardrails,
            _ => &self.guardrails,
        };
        let (at, settings) = (point.bucket, settings.as_ref());
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
            } else if self.backfill {
                verdict.suppressed_by(Reason::History)
            } else {
                verdict
            }
        };
        let (verdict, alarmed) = (judge(&score), judge(&alarm));
        let leaving = leaving.map(|leaving| (judge(&leaving.score), leaving));
        let leaving = leaving.filter(|(verdict, _)| verdict.is_anomaly);
        let (is_alarm, alarm_score) = state.paused.tell(
            alarmed.is_anomaly,
            alarm.neg_log10_p,
            self.config.score.alarm_cooldown,
        );
        let judged = FeaturePoint { sample, ..*point };
        state.last = state.last.max(point.bucket);
        state.newest = Some(Decision::of_point(&judged, kind, &score, &verdict));
        state.points += 1;
        state.flagged += u64::from(verdict.is_anomaly);
        self.counters.points += 1;
        self.counters.flagged_points += u64::from(verdict.is_anomaly);
        self.counters.saw(point.bucket, point.bucket);
        if !verdict.is_anomaly && score.neg_log10_p >= self.guardrails.threshold_neg_log10_p() {
            *self.counters.suppressed.entry(verdict.reason).or_default() += 1;
        }
        let kept = HistoryPoint::new(point.bucket, sample.value, &score, &verdict);
        if let Some(id) = self.open_windows.get(&point.entity)
            && let Some(window) = self.windows.get_mut(id)
        {
            window.push_point(&metric, &kept);
        }
        self.history.push_point(point.series, kept);
        let entity = Arc::clone(entity);
        let judged =
            JudgedPoint { entity, metric, point: judged, score, verdict, alarm_score, is_alarm };
        Some((judged, Alarm { kind, score: alarm, verdict: alarmed, leaving }))
    }
}

/// What is said of a point as an alarm, before the pause: incidents have a gap of their own.
struct Alarm {
    kind: SignalKind,
    score: Score,
    verdict: Verdict,
    /// That its level is leaving.
    leaving: Option<(Verdict, DriftAlarm)>,
}

/// A point's part in what incidents are told.
struct Told {
    signal: FlaggedSignal,
    severity: Severity,
    /// Evidence that it is worth an alarm.
    alarming: f64,
    /// Observations that carry the evidence. One point of a gauge, of how many ever it was made, is
    /// no level that lasts.
    effective_n: f64,
}

impl Told {
    /// Of a point that is neither flagged nor worth an alarm, and whose level is not leaving, the
    /// evidence is 0. A level that is leaving pays nothing for the other metrics: hundreds of values
    /// stand behind it, and blocks that add up by chance are far rarer than its evidence says.
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
