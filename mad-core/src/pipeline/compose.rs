//! Score, guard, learn, remember, group: in that order, row by row.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::metrics::SeriesState;
use super::partition::Partition;
use super::rules::Rules;
use super::{Counters, IncidentWindow, JudgedRow, Update};
use crate::config::{MuteWindow, PipelineConfig};
use crate::error::Result;
use crate::feature::{FeaturePoint, FeatureRow, RecentIds};
use crate::graph::{ServiceGraph, TraceProfiles};
use crate::guard::{EntityMaturity, Guardrails, Reason};
use crate::history::{Decision, FlaggedRow, History, HistoryRow};
use crate::incident::IncidentGrouper;
use crate::score::RowScorer;
use crate::series::{EntityId, EntityTable, SeriesTable};
use crate::slo::{RowObjectives, Traffic};
use crate::telemetry::{PartitionId, Record, Rejections, Request, Source};
use crate::time::Timestamp;

/// What is known of one entity.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct EntityState {
    pub first: Timestamp,
    pub last: Timestamp,
    pub scorer: RowScorer,
    pub traffic: Traffic,
    pub rows: u64,
    pub flagged: u64,
    pub newest: Option<Decision>,
}

/// Requests in; judged rows, incidents, culprits and explanations out.
///
/// The same inputs give the same outputs however they are cut into batches, and a batch is the
/// stream run to its end. Each row is judged by what came before it.
///
/// # Examples
///
/// ```
/// use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
///
/// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
/// let mut requests = Vec::new();
/// for second in 0..3600_i64 {
///     let slow = (2400..2700).contains(&second);
///     let latency = if slow { 2000.0 } else { 100.0 + (second * 37 % 50) as f64 };
///     let at = Timestamp::from_seconds(second);
///     requests.push(Request::new(at, "payments", "/pay", 200, latency));
/// }
/// pipeline.ingest(requests);
/// pipeline.finish();
/// let incident = pipeline.incidents()[0];
/// assert_eq!(&*incident.entity.service, "payments");
/// assert_eq!(incident.start, Timestamp::from_seconds(2400));
/// println!("{}", pipeline.explain(incident).summary);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pipeline {
    pub(super) config: PipelineConfig,
    pub(super) entities: EntityTable,
    pub(super) series_names: SeriesTable,
    pub(super) partitions: Vec<Partition>,
    pub(super) graph: ServiceGraph,
    pub(super) profiles: TraceProfiles,
    pub(super) rows: Vec<Option<Box<EntityState>>>,
    pub(super) series: Vec<Option<Box<SeriesState>>>,
    pub(super) guardrails: Guardrails,
    pub(super) history: History,
    pub(super) grouper: IncidentGrouper,
    pub(super) windows: BTreeMap<String, IncidentWindow>,
    /// Records that still take rows of their entity.
    pub(super) open_windows: BTreeMap<EntityId, String>,
    pub(super) counters: Counters,
    pub(super) rejections: Rejections,
    pub(super) position: u64,
    /// The newest step that was judged.
    pub(super) bucket: Option<Timestamp>,
    pub(super) bounded: bool,
    pub(super) backfill: bool,
    /// Mute windows that somebody asked for.
    pub(super) mutes: Vec<MuteWindow>,
    pub(super) batches: RecentIds,
    pub(super) swept: Option<Timestamp>,
    /// Of the entities that some override is for; found again after a restore.
    #[serde(skip)]
    pub(super) rules: HashMap<EntityId, Option<Rules>>,
    /// Entities that changed since state was last saved by what changed.
    #[serde(skip)]
    pub(super) dirty: BTreeSet<EntityId>,
    #[serde(skip)]
    pub(super) closed_rows: Vec<FeatureRow>,
    #[serde(skip)]
    pub(super) closed_points: Vec<FeaturePoint>,
}

impl Pipeline {
    /// A pipeline that has seen nothing.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn new(config: PipelineConfig) -> Result<Self> {
        config.validate()?;
        let lateness = config.features.lateness();
        Ok(Self {
            entities: EntityTable::new(config.limits.entities),
            series_names: SeriesTable::new(config.limits.series),
            partitions: vec![Partition::new("", &config)?],
            graph: ServiceGraph::new(&config.limits)?,
            profiles: TraceProfiles::new(&config.limits),
            rows: Vec::new(),
            series: Vec::new(),
            guardrails: Guardrails::new(config.guard, config.score.threshold)?,
            history: History::new(&config.limits),
            grouper: IncidentGrouper::new(
                config.incident,
                lateness,
                config.limits.closed_incidents,
            )?
            .with_critical_error_rate(config.guard.critical_error_rate),
            windows: BTreeMap::new(),
            open_windows: BTreeMap::new(),
            counters: Counters::default(),
            rejections: Rejections::default(),
            position: 0,
            bucket: None,
            bounded: false,
            backfill: false,
            mutes: Vec::new(),
            batches: RecentIds::default(),
            swept: None,
            rules: HashMap::new(),
            dirty: BTreeSet::new(),
            closed_rows: Vec::new(),
            closed_points: Vec::new(),
            config,
        })
    }

    /// Takes a batch of records of any kind. Their positions follow those of the batch before.
    ///
    /// ```
    /// use mad_core::{LogLine, Pipeline, PipelineConfig, Record, Request, Timestamp};
    ///
    /// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
    /// let at = Timestamp::from_seconds(0);
    /// pipeline.ingest([Request::new(at, "payments", "/pay", 200, 80.0)]);
    /// pipeline.ingest([
    ///     Record::from(Request::new(at, "payments", "/pay", 200, 90.0)),
    ///     Record::from(LogLine::new(at, "payments", "ERROR", "card refused")),
    /// ]);
    /// pipeline.finish();
    /// assert_eq!((pipeline.counters().requests, pipeline.counters().lines), (2, 1));
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn ingest<'a, R: Into<Record<'a>>>(
        &mut self,
        records: impl IntoIterator<Item = R>,
    ) -> Update {
        let mut update = Update::default();
        for record in records {
            let source = Source::at(self.position + 1);
            self.push(record, &source, &mut update);
        }
        self.rejections.merge(update.rejected.clone());
        update
    }

    /// Takes one record of any kind. Rows that it closes are judged, and what came of them is added
    /// to `update`. A rejection is only in `update`: hand it to
    /// [`note_rejections`](Self::note_rejections).
    ///
    /// | record | effect |
    /// |---|---|
    /// | request | counts in the row of its service and endpoint; requests with the same trace id give the service graph an edge |
    /// | metric point | a value of its series. It is judged as a gauge; a name that ends in `_total` is a running total, of which the increase per second is judged |
    /// | span | an edge of the service graph, and a row of its service and operation as a request gives one, unless it is the caller's view of a call or its service also sends requests with trace ids. Spans that are missing from their traces ([`TraceProfiles`](crate::graph::TraceProfiles)) are counted per operation and step and judged as a metric, `missing_spans` |
    /// | log line | counts in `log_errors` or `log_warnings` of its service, by its level. Only more lines than expected are flagged |
    /// | change | evidence against its service in the half hour after it |
    /// | edge | an edge of the service graph |
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::{MetricPoint, Pipeline, PipelineConfig, Source, Timestamp, Update};
    ///
    /// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
    /// let mut update = Update::default();
    /// for minute in 0..3 {
    ///     let at = Timestamp::from_seconds(60 * minute);
    ///     let point = MetricPoint::new(at, "payments", "cpu", 0.4);
    ///     pipeline.push(point, &Source::at(1), &mut update);
    /// }
    /// assert_eq!(update.points.len(), 2);
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn push<'a>(
        &mut self,
        record: impl Into<Record<'a>>,
        source: &Source,
        update: &mut Update,
    ) {
        self.position = source.position;
        match record.into() {
            Record::Request(request) => self.push_request(&request, source, update),
            Record::Metric(point) => self.push_metric(&point, source, update),
            Record::Span(span) => self.push_span(&span, source, update),
            Record::Log(line) => self.push_log(&line, source, update),
            Record::Change(change) => self.push_change(&change, source, update),
            Record::Edge(edge) => self.push_edge(&edge, source, update),
        }
    }

    pub(super) fn push_request(
        &mut self,
        request: &Request<'_>,
        source: &Source,
        update: &mut Update,
    ) {
        let Source { partition, position, .. } = *source;
        let Self { partitions, entities, closed_rows, config, .. } = self;
        let Some(Partition { features, .. }) = partitions.get_mut(partition.index()) else {
            return;
        };
        if request.trace_id.is_some() && request.check().is_ok() {
            let known = features.newest();
            self.graph.request_by(request, known.map(|known| known.min(request.timestamp)));
        }
        // a name that is known stands for itself
        let known = entities.find(request.service, request.endpoint).is_some();
        let route = if known {
            Cow::Borrowed(request.endpoint)
        } else {
            config.routes.template(request.endpoint)
        };
        let request = Request { endpoint: &route, ..*request };
        features.push(&request, position, entities, closed_rows, &mut update.rejected);
        if !known && let Some(entity) = self.entities.find(request.service, &route) {
            self.learn_objective(entity);
        }
        if !self.closed_rows.is_empty() {
            self.judge_closed(partition, update);
        }
    }

    /// Adds rejections from outside, such as a decoder's, to the pipeline's count.
    pub fn note_rejections(&mut self, rejections: Rejections) {
        self.rejections.merge(rejections);
    }

    /// Begins a batch that its sender may send again. The answer is whether it is new: one with an
    /// id of the last [`Limits::batch_ids`](crate::Limits::batch_ids) was taken already and is to be
    /// left out.
    ///
    /// ```
    /// use mad_core::{Pipeline, PipelineConfig};
    ///
    /// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
    /// assert!(pipeline.begin_batch("2026-01-06/17"));
    /// assert!(!pipeline.begin_batch("2026-01-06/17"));
    /// assert_eq!(pipeline.counters().batches_repeated, 1);
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn begin_batch(&mut self, id: &str) -> bool {
        let is_new = self.batches.remember(id, self.config.limits.batch_ids);
        self.counters.batches_repeated += u64::from(!is_new);
        is_new
    }

    /// Whether a batch of this id was begun.
    pub fn has_batch(&self, id: &str) -> bool {
        self.batches.contains(id)
    }

    /// Starts (`true`) or ends (`false`) a backfill, in which rows and points are learnt but never
    /// flagged. Use it to teach the past of a system before watching it. The rows of a backfill
    /// have the reason `history`. All counters start at zero when a backfill ends.
    pub fn backfill(&mut self, on: bool) {
        if self.backfill && !on {
            self.counters = Counters::default();
            self.rejections = Rejections::default();
            for partition in &mut self.partitions {
                partition.count_anew();
            }
        }
        self.backfill = on;
    }

    pub(super) fn judge_closed(&mut self, partition: PartitionId, update: &mut Update) {
        let rows = std::mem::take(&mut self.closed_rows);
        for row in &rows {
            self.time_comes_to(partition, row.bucket, update);
            self.judge(row, update);
        }
        self.closed_rows = rows;
        self.closed_rows.clear();
        self.sweep();
    }

    fn judge(&mut self, row: &FeatureRow, update: &mut Update) {
        self.learn_rules(row.entity);
        self.dirty.insert(row.entity);
        let is_muted = self.muted_until(row.entity, row.bucket).is_some();
        if self.rows.len() <= row.entity.index() {
            self.rows.resize_with(row.entity.index() + 1, || None);
        }
        let Some(slot) = self.rows.get_mut(row.entity.index()) else { return };
        if slot.is_none() {
            // the config was validated when the pipeline was made
            let score = self.rules.get(&row.entity).and_then(Option::as_ref);
            let score = score.map_or(&self.config.score, |rules| &rules.settings.score);
            let Ok(scorer) = RowScorer::new(score) else { return };
            let first = row.bucket;
            let (traffic, rows, flagged, newest) = (Traffic::default(), 0, 0, None);
            let last = first;
            *slot =
                Some(Box::new(EntityState { first, last, scorer, traffic, rows, flagged, newest }));
        }
        let Some(state) = slot else { return };
        let scores = state.scorer.score(row);
        let maturity = EntityMaturity { first: state.first, points: state.scorer.points() };
        let mut verdict = match self.rules.get(&row.entity) {
            Some(Some(rules)) => rules.guardrails.judge_by(row, &scores, maturity, &rules.signals),
            _ => self.guardrails.judge(row, &scores, maturity),
        };
        if is_muted {
            verdict = verdict.suppressed_by(Reason::Muted);
            state.scorer.learn_muted(row, &scores);
        } else {
            if self.backfill {
                verdict = verdict.suppressed_by(Reason::History);
            }
            state.scorer.learn(row, &scores);
        }
        state.last = state.last.max(row.bucket);
        let slo = self.rules.get(&row.entity).and_then(Option::as_ref);
        let slo = slo.map_or(self.config.slo, |rules| rules.settings.slo);
        let seconds = self.config.features.step_seconds * (row.gap + 1) as f64;
        state.traffic.add(row.count, seconds, slo.window_seconds());
        let window_requests = state.traffic.expected(slo.window_seconds());
        let objectives = RowObjectives { slo, slow: row.slow, window_requests };
        state.newest = Some(Decision::of_row(row, &scores, &verdict));
        state.rows += 1;
        state.flagged += u64::from(verdict.is_anomaly);
        self.counters.rows += 1;
        self.counters.flagged += u64::from(verdict.is_anomaly);
        self.counters.saw(row.bucket, row.bucket.plus(self.config.features.step()));
        if self.guardrails.suppressed(&verdict) {
            *self.counters.suppressed.entry(verdict.reason).or_default() += 1;
        }
        let Some(entity) = self.entities.get(row.entity).map(Arc::clone) else { return };
        let judged = JudgedRow { entity, row: *row, scores, verdict };
        self.remember(&judged, objectives, update);
        update.rows.push(judged);
    }

    fn remember(&mut self, judged: &JudgedRow, objectives: RowObjectives, update: &mut Update) {
        let JudgedRow { entity, row, scores, verdict } = judged;
        let kept = HistoryRow::new(row, scores, verdict);
        if let Some(id) = self.open_windows.get(&row.entity) {
            let more = self.windows.get_mut(id).is_some_and(|window| window.push(&kept));
            if !more {
                self.open_windows.remove(&row.entity);
            }
        }
        self.history.push(row.entity, kept);
        let step = self.config.features.step();
        let flagged = FlaggedRow::new(row, step, scores, verdict);
        let before = update.changes.len();
        if let Some(flagged) = flagged {
            let flagged = FlaggedRow { objectives: Some(objectives), ..flagged };
            self.history.push_flagged(flagged.clone());
            self.grouper.flagged(
                entity,
                flagged,
                verdict.effective_n,
                &self.graph,
                &mut update.changes,
            );
        } else {
            let neg_log10_p = verdict.neg_log10_p;
            self.grouper.quiet(row.entity, row.bucket, step, neg_log10_p, &mut update.changes);
        }
        self.follow_changes(before, update);
    }
}
