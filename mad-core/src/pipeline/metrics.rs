//! Points of metrics through the same stages: score, guard, learn, remember, group.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::partition::{Partition, PartitionId};
use super::rules::metric_scorer;
use super::{JudgedPoint, Pipeline, Update};
use crate::feature::FeaturePoint;
use crate::guard::{EntityMaturity, PointVerdict, Reason, Severity};
use crate::history::{Decision, FlaggedRow, FlaggedSignal, HistoryPoint};
use crate::score::MetricScorer;
use crate::series::{Entity, EntityId, SeriesId, SignalName};
use crate::telemetry::MetricPoint;
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
}

impl Pipeline {
    /// Takes a batch of points; they are numbered on from the batch before.
    pub fn ingest_metrics<'a>(
        &mut self,
        points: impl IntoIterator<Item = MetricPoint<'a>>,
    ) -> Update {
        let mut update = Update::default();
        for point in points {
            let position = self.position + 1;
            self.push_metric(&point, position, &mut update);
        }
        self.rejections.merge(update.rejected.clone());
        update
    }

    /// Takes one point of a metric that stands at `position` of its source, as
    /// [`push`](Self::push) takes a request.
    ///
    /// A metric is judged as a gauge; one whose name ends in `_total` is a running total, of which
    /// the increase a second is judged.
    pub fn push_metric(&mut self, point: &MetricPoint<'_>, position: u64, update: &mut Update) {
        self.push_metric_from(PartitionId::default(), point, position, update);
    }

    /// The same for a point of a partition.
    pub fn push_metric_from(
        &mut self,
        partition: PartitionId,
        point: &MetricPoint<'_>,
        position: u64,
        update: &mut Update,
    ) {
        self.position = position;
        let Self { partitions, entities, series_names, closed_points, .. } = self;
        let Some(Partition { metrics, .. }) = partitions.get_mut(partition.index()) else { return };
        let rejected = &mut update.rejected;
        metrics.push(point, position, entities, series_names, closed_points, rejected);
        if !self.closed_points.is_empty() {
            self.judge_points(partition, update);
        }
    }

    /// Points and flagged points of each entity.
    pub(super) fn points_of_entities(&self) -> BTreeMap<EntityId, (u64, u64)> {
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
    pub(super) fn newest_point(&self, series: SeriesId) -> Option<(EntityMaturity, Decision)> {
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
        self.touched.insert(entity);
        let from = update.points.len();
        for point in points {
            if let Some(judged) = self.judge_point(&name, point) {
                update.points.push(judged);
            }
        }
        // what looking at all of them costs (Bonferroni)
        let look_elsewhere = (points.len() as f64).log10();
        let judged = update.points.get(from..).unwrap_or_default();
        let strongest = judged.iter().map(|judged| judged.score.evidence).fold(0.0, f64::max);
        let evidence = (strongest - look_elsewhere).max(0.0);
        let mut flagged: Vec<(FlaggedSignal, Severity, f64)> = judged
            .iter()
            .filter(|judged| judged.verdict.is_anomaly)
            .map(|judged| {
                let signal = flagged_signal(judged, look_elsewhere);
                (signal, judged.verdict.severity, judged.score.support)
            })
            .collect();
        flagged.retain(|(signal, ..)| signal.evidence >= self.guardrails.evidence());
        flagged.sort_by(|(a, ..), (b, ..)| b.evidence.total_cmp(&a.evidence));
        let before = update.changes.len();
        let leading = flagged.first().map(|(signal, _, support)| (signal.evidence, *support));
        match leading {
            Some((evidence, support)) => {
                let severity = flagged.iter().map(|(_, severity, _)| *severity).max();
                let row = FlaggedRow {
                    entity,
                    bucket,
                    step,
                    count: 0,
                    errors: 0,
                    expected_error_rate: f64::NAN,
                    objectives: None,
                    severity: severity.unwrap_or_default(),
                    evidence,
                    signals: flagged.into_iter().map(|(signal, ..)| signal).collect(),
                };
                self.history.push_flagged(row.clone());
                self.grouper.flagged(&name, row, support, &self.graph, &mut update.changes);
            }
            None => self.grouper.quiet(entity, bucket, step, evidence, &mut update.changes),
        }
        self.follow_changes(before, update);
        if let Some(id) = self.recording.get(&entity)
            && !self.records.get_mut(id).is_some_and(super::IncidentRecord::wants_more)
        {
            self.recording.remove(&entity);
        }
    }

    fn judge_point(&mut self, entity: &Arc<Entity>, point: &FeaturePoint) -> Option<JudgedPoint> {
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
            let state = SeriesState { first, last: first, scorer, points, flagged, newest };
            *slot = Some(Box::new(state));
        }
        let state = slot.as_mut()?;
        let sample = state.scorer.sample(point.bucket, point.sample);
        let maturity = EntityMaturity { first: state.first, points: state.scorer.points() };
        let score = if is_muted {
            state.scorer.observe_muted(point.bucket, sample)
        } else {
            state.scorer.observe(point.bucket, sample)
        };
        let kind = state.scorer.kind();
        let guardrails = match self.rules.get(&point.entity) {
            Some(Some(rules)) => &rules.guardrails,
            _ => &self.guardrails,
        };
        let (at, settings) = (point.bucket, settings.as_ref());
        let mut verdict =
            guardrails.judge_point(at, kind, sample.value, &score, maturity, settings);
        if is_muted || self.learn_only {
            let reason = if is_muted { Reason::Muted } else { Reason::History };
            verdict = PointVerdict { is_anomaly: false, reason, severity: Severity::Info };
        }
        let judged = FeaturePoint { sample, ..*point };
        state.last = state.last.max(point.bucket);
        state.newest = Some(Decision::of_point(&judged, kind, &score, &verdict));
        state.points += 1;
        state.flagged += u64::from(verdict.is_anomaly);
        self.counters.points += 1;
        self.counters.flagged_points += u64::from(verdict.is_anomaly);
        self.counters.saw(point.bucket, point.bucket);
        if !verdict.is_anomaly && score.evidence >= self.guardrails.evidence() {
            *self.counters.suppressed.entry(verdict.reason).or_default() += 1;
        }
        let kept = HistoryPoint::new(point.bucket, sample.value, &score, &verdict);
        if let Some(id) = self.recording.get(&point.entity)
            && let Some(record) = self.records.get_mut(id)
        {
            record.push_point(&metric, &kept);
        }
        self.history.push_point(point.series, kept);
        Some(JudgedPoint { entity: Arc::clone(entity), metric, point: judged, score, verdict })
    }
}

fn flagged_signal(judged: &JudgedPoint, look_elsewhere: f64) -> FlaggedSignal {
    let JudgedPoint { metric, point, score, .. } = judged;
    FlaggedSignal {
        signal: SignalName::Metric(Arc::clone(metric)),
        value: point.sample.value,
        expected: score.expected,
        low: score.low,
        high: score.high,
        z: score.z,
        evidence: (score.evidence - look_elsewhere).max(0.0),
    }
}
