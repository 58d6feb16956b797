//! Score, guard, learn, remember, group: in that order, row by row.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::metrics::SeriesState;
use super::rules::{Rules, muted};
use super::{Command, Counters, IncidentRecord, JudgedRow, PipelineConfig, Update};
use crate::culprit::{CulpritConfig, CulpritRanker, Ranking};
use crate::error::Result;
use crate::explain::{Explanation, TemplateExplainer};
use crate::feature::{FeatureBuilder, FeaturePoint, FeatureRow, MetricBuilder};
use crate::guard::{EntityMaturity, Guardrails};
use crate::history::{Decision, FlaggedRow, History, HistoryRow};
use crate::incident::{Incident, IncidentChange, IncidentGrouper};
use crate::score::RowScorer;
use crate::series::{EntityId, EntityTable, SeriesTable, SignalName};
use crate::telemetry::{Rejections, Request};
use crate::time::Timestamp;

/// What is known of one entity.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct EntityState {
    first: Timestamp,
    scorer: RowScorer,
    rows: u64,
    flagged: u64,
    #[serde(default)]
    newest: Option<Decision>,
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
    features: FeatureBuilder,
    pub(super) metrics: MetricBuilder,
    rows: Vec<Option<EntityState>>,
    pub(super) series: Vec<Option<SeriesState>>,
    pub(super) guardrails: Guardrails,
    pub(super) history: History,
    pub(super) grouper: IncidentGrouper,
    pub(super) records: BTreeMap<String, IncidentRecord>,
    /// Records that still take rows of their entity.
    pub(super) recording: BTreeMap<EntityId, String>,
    pub(super) counters: Counters,
    pub(super) rejections: Rejections,
    pub(super) position: u64,
    bucket: Option<Timestamp>,
    /// Of the entities that some override is for; found again after a restore.
    #[serde(skip)]
    pub(super) rules: HashMap<EntityId, Option<Rules>>,
    #[serde(skip)]
    closed_rows: Vec<FeatureRow>,
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
        let features = FeatureBuilder::new(config.features, &config.limits)?;
        let metrics = MetricBuilder::new(config.features, &config.limits)?;
        let lateness = config.features.lateness();
        Ok(Self {
            entities: EntityTable::new(config.limits.entities),
            features,
            metrics,
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
            records: BTreeMap::new(),
            recording: BTreeMap::new(),
            counters: Counters::default(),
            rejections: Rejections::default(),
            position: 0,
            bucket: None,
            rules: HashMap::new(),
            closed_rows: Vec::new(),
            closed_points: Vec::new(),
            config,
        })
    }

    /// Believes every jump ahead in time at once: for input that is read to its end in time order.
    #[must_use]
    pub fn trusting_the_clock(mut self) -> Self {
        self.features = self.features.trusting_the_clock();
        self.metrics = self.metrics.trusting_the_clock();
        self
    }

    /// Takes a batch of requests; they are numbered on from the batch before.
    pub fn ingest<'a>(&mut self, requests: impl IntoIterator<Item = Request<'a>>) -> Update {
        let mut update = Update::default();
        for request in requests {
            let position = self.position + 1;
            self.push(&request, position, &mut update);
        }
        self.rejections.merge(update.rejected.clone());
        update
    }

    /// Takes one request that stands at `position` of its source. Its rejection, if any, is only
    /// in `update`: hand that to [`note_rejections`](Self::note_rejections).
    pub fn push(&mut self, request: &Request<'_>, position: u64, update: &mut Update) {
        self.position = position;
        let Self { features, entities, closed_rows, config, .. } = self;
        // a name that is known stands for itself
        let route = match entities.find(request.service, request.endpoint) {
            Some(_) => Cow::Borrowed(request.endpoint),
            None => config.routes.template(request.endpoint),
        };
        let request = Request { endpoint: &route, ..*request };
        features.push(&request, position, entities, closed_rows, &mut update.rejected);
        if !self.closed_rows.is_empty() {
            self.judge_closed(update);
        }
    }

    /// Adds rejections from outside, such as a decoder's, to the pipeline's count.
    pub fn note_rejections(&mut self, rejections: Rejections) {
        self.rejections.merge(rejections);
    }

    /// Moves the watermark to `at`: a tick of a source that went idle.
    pub fn advance(&mut self, at: Timestamp) -> Update {
        let mut update = Update::default();
        let Self { features, metrics, entities, closed_rows, closed_points, .. } = self;
        features.advance(at, entities, closed_rows, &mut update.rejected);
        metrics.advance(at, closed_points, &mut update.rejected);
        self.judge_closed(&mut update);
        self.judge_points(&mut update);
        self.silence(at, &mut update);
        self.rejections.merge(update.rejected.clone());
        update
    }

    /// Closes every open step: the stream has ended.
    pub fn finish(&mut self) -> Update {
        let mut update = Update::default();
        let Self { features, metrics, entities, closed_rows, closed_points, .. } = self;
        features.finish(entities, closed_rows, &mut update.rejected);
        metrics.finish(closed_points, &mut update.rejected);
        self.judge_closed(&mut update);
        self.judge_points(&mut update);
        self.rejections.merge(update.rejected.clone());
        update
    }

    /// Does what somebody says.
    ///
    /// # Errors
    ///
    /// The incident that the command names is not open.
    pub fn apply(&mut self, command: &Command) -> Result<Update> {
        let change = match command {
            Command::Acknowledge { id, at } => self.grouper.acknowledge(id, *at)?,
            Command::Resolve { id, at } => self.grouper.resolve(id, *at)?,
        };
        let mut update = Update { changes: vec![change], ..Update::default() };
        self.follow_changes(0, &mut update);
        Ok(update)
    }

    /// All incidents that are kept, newest start first.
    pub fn incidents(&self) -> Vec<&Incident> {
        self.grouper.incidents()
    }

    /// What is kept of an incident for its report.
    pub fn record(&self, id: &str) -> Option<&IncidentRecord> {
        self.records.get(id)
    }

    /// Ranks by the flagged rows known by `at` (the newest row where it is `None`).
    pub fn culprits(&self, at: Option<Timestamp>) -> Ranking {
        self.culprits_with(self.config.culprit, at).unwrap_or_else(|_| self.rank_none(at))
    }

    /// The same with another look-back or another number of culprits.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn culprits_with(&self, config: CulpritConfig, at: Option<Timestamp>) -> Result<Ranking> {
        let ranker = CulpritRanker::new(config)?;
        let at = at.or(self.bucket).unwrap_or_default();
        let rows = self.history.flagged(ranker.from(at), at);
        Ok(ranker.rank(rows, &self.entities, at))
    }

    /// The ranking at an incident's end: kept since it closed, or as of now.
    pub fn ranking_of(&self, incident: &Incident) -> Ranking {
        let kept = self.records.get(&incident.id).and_then(|record| record.ranking.clone());
        let at = incident.end.plus(-incident.step);
        kept.unwrap_or_else(|| self.culprits(Some(at)))
    }

    /// Explains an incident.
    pub fn explain(&self, incident: &Incident) -> Explanation {
        TemplateExplainer.explain(incident, Some(&self.ranking_of(incident)))
    }

    /// What was taken, flagged, held back and dropped.
    pub fn counters(&self) -> Counters {
        Counters {
            requests: self.features.accepted(),
            errors: self.features.errors(),
            points_overflowed: self.metrics.overflowed(),
            series: self.metrics.series().len() as u64,
            entities: self.entities.len() as u64,
            entities_overflowed: self.entities.overflowed(),
            samples_dropped: self.features.samples_dropped(),
            flagged_dropped: self.history.flagged_dropped(),
            incidents_dropped: self.grouper.closed_dropped(),
            ..self.counters.clone()
        }
    }

    /// Records that were not taken since the beginning.
    pub fn rejected(&self) -> &Rejections {
        &self.rejections
    }

    /// The entities seen so far.
    pub fn entities(&self) -> &EntityTable {
        &self.entities
    }

    /// The series of metrics seen so far.
    pub fn series(&self) -> &SeriesTable {
        self.metrics.series()
    }

    /// Rows and flagged rows of an entity.
    pub fn rows_of(&self, entity: EntityId) -> (u64, u64) {
        let state = self.rows.get(entity.index()).and_then(Option::as_ref);
        state.map_or((0, 0), |state| (state.rows, state.flagged))
    }

    /// How long an entity has been known and what was decided of its newest row, if it has rows.
    pub(super) fn newest_row(&self, entity: EntityId) -> Option<(EntityMaturity, Decision)> {
        let state = self.rows.get(entity.index())?.as_ref()?;
        let maturity = EntityMaturity { first: state.first, points: state.scorer.points() };
        state.newest.map(|newest| (maturity, newest))
    }

    /// Recent rows.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The configuration.
    pub fn config(&self) -> &PipelineConfig {
        &self.config
    }

    /// Everything before this moment is closed.
    pub fn watermark(&self) -> Timestamp {
        match (self.features.newest(), self.metrics.newest()) {
            (None, Some(_)) => self.metrics.watermark(),
            (Some(_), Some(_)) => self.features.watermark().min(self.metrics.watermark()),
            _ => self.features.watermark(),
        }
    }

    fn rank_none(&self, at: Option<Timestamp>) -> Ranking {
        let at = at.or(self.bucket).unwrap_or_default();
        Ranking { from: at, at, rows: 0, culprits: Vec::new(), abstained: true }
    }

    fn judge_closed(&mut self, update: &mut Update) {
        let rows = std::mem::take(&mut self.closed_rows);
        for row in &rows {
            self.time_comes_to(row.bucket, update);
            self.judge(row, update);
        }
        self.closed_rows = rows;
        self.closed_rows.clear();
    }

    pub(super) fn time_comes_to(&mut self, bucket: Timestamp, update: &mut Update) {
        if self.bucket.is_none_or(|known| bucket > known) {
            self.bucket = Some(bucket);
            self.silence(bucket, update);
        }
    }

    fn judge(&mut self, row: &FeatureRow, update: &mut Update) {
        self.learn_rules(row.entity);
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
            *slot =
                Some(EntityState { first: row.bucket, scorer, rows: 0, flagged: 0, newest: None });
        }
        let Some(state) = slot else { return };
        let scores = state.scorer.score(row);
        let maturity = EntityMaturity { first: state.first, points: state.scorer.points() };
        let mut verdict = match self.rules.get(&row.entity) {
            Some(Some(rules)) => {
                rules.guardrails.judge_by(row, &scores, maturity, Some(&rules.signals))
            }
            _ => self.guardrails.judge(row, &scores, maturity),
        };
        if is_muted {
            verdict = muted(verdict);
            state.scorer.learn_muted(row, &scores);
        } else {
            state.scorer.learn(row, &scores);
        }
        state.newest = Some(Decision::of_row(row, &scores, &verdict));
        state.rows += 1;
        state.flagged += u64::from(verdict.is_anomaly);
        self.counters.rows += 1;
        self.counters.flagged += u64::from(verdict.is_anomaly);
        self.counters.saw(row.bucket, row.bucket.plus(self.config.features.step()));
        if self.guardrails.held_back(&verdict) {
            *self.counters.suppressed.entry(verdict.reason).or_default() += 1;
        }
        let judged = JudgedRow { row: *row, scores, verdict };
        self.remember(&judged, update);
        update.rows.push(judged);
    }

    fn remember(&mut self, judged: &JudgedRow, update: &mut Update) {
        let JudgedRow { row, scores, verdict } = judged;
        let kept = HistoryRow::new(row, scores, verdict);
        if let Some(id) = self.recording.get(&row.entity) {
            let more = self.records.get_mut(id).is_some_and(|record| record.push(&kept));
            if !more {
                self.recording.remove(&row.entity);
            }
        }
        self.history.push(row.entity, kept);
        let step = self.config.features.step();
        let flagged = FlaggedRow::new(row, step, scores, verdict);
        let before = update.changes.len();
        if let (Some(flagged), Some(entity)) = (flagged, self.entities.get(row.entity)) {
            self.history.push_flagged(flagged.clone());
            self.grouper.flagged(entity, flagged, verdict.support, &mut update.changes);
        } else {
            let evidence = verdict.evidence;
            self.grouper.quiet(row.entity, row.bucket, step, evidence, &mut update.changes);
        }
        self.follow_changes(before, update);
    }

    fn silence(&mut self, at: Timestamp, update: &mut Update) {
        let before = update.changes.len();
        self.grouper.advance(at, &mut update.changes);
        self.follow_changes(before, update);
    }

    /// Opens and closes the records of incidents that changed since `from`.
    pub(super) fn follow_changes(&mut self, from: usize, update: &mut Update) {
        for change in update.changes.iter().skip(from) {
            match change {
                IncidentChange::Opened(incident) => {
                    let recent = self.history.recent(incident.entity_id);
                    let mut record = IncidentRecord::open(incident.entity_id, recent);
                    show_metrics(&mut record, incident, &self.metrics, &self.history);
                    self.recording.insert(incident.entity_id, incident.id.clone());
                    self.records.insert(incident.id.clone(), record);
                }
                IncidentChange::Closed(incident) => {
                    let at = incident.end.plus(-incident.step);
                    let ranking = self.culprits(Some(at));
                    if let Some(record) = self.records.get_mut(&incident.id) {
                        record.ranking = Some(ranking);
                    }
                    self.forget_records();
                }
                IncidentChange::Updated(incident) => {
                    if let Some(record) = self.records.get_mut(&incident.id) {
                        show_metrics(record, incident, &self.metrics, &self.history);
                    }
                }
                IncidentChange::Acknowledged(_) => {}
            }
        }
    }

    /// Keeps no more records than incidents.
    fn forget_records(&mut self) {
        if self.records.len() <= 2 * self.config.limits.closed_incidents {
            return;
        }
        let kept: std::collections::HashSet<String> =
            self.grouper.incidents().into_iter().map(|incident| incident.id.clone()).collect();
        self.records.retain(|id, _| kept.contains(id));
    }
}

/// Shows the metrics that were flagged so far.
fn show_metrics(
    record: &mut IncidentRecord,
    incident: &Incident,
    metrics: &MetricBuilder,
    history: &History,
) {
    for signal in incident.signals() {
        if let SignalName::Metric(metric) = signal
            && let Some(series) = metrics.series().find(incident.entity_id, metric)
        {
            record.show(metric, history.points(series));
        }
    }
}
