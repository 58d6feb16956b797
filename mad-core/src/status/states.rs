//! The health state of each entity and series, and why a row was flagged or not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::EntitySettings;
use crate::explain::{TemplateExplainer, Why, muted, silence};
use crate::guard::{EntityMaturity, Reason};
use crate::history::Decision;
use crate::pipeline::{JudgedPoint, JudgedRow, Pipeline};
use crate::score::Gaps;
use crate::series::{Entity, EntityId, SeriesId, Signal};
use crate::time::Timestamp;

/// Evidence from which an entity is silent: a gap of this length has a probability of 1 in 10,000.
const SILENT: f64 = 4.0;
/// Maximum of states in a document.
const LISTED: usize = 200;

/// The health state of an entity or series. The worst state comes first.
///
/// # Examples
///
/// ```
/// use mad_core::status::HealthState;
///
/// assert!(HealthState::Anomalous < HealthState::Normal);
/// assert_eq!(HealthState::TooFewRequests.as_str(), "too_few_requests");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// Its newest row is flagged.
    Anomalous,
    /// Its newest row was unlikely, and a guardrail suppressed it.
    Suppressed,
    /// It had rows and has had none for longer than its usual gaps explain.
    Silent,
    /// Its newest row has too few requests to be flagged.
    TooFewRequests,
    /// It is warming up or has too few points.
    Learning,
    /// It is muted.
    Muted,
    /// An override sets `watched = false`, so it is not judged.
    Disabled,
    /// Its newest row is not unlikely.
    Normal,
}

impl HealthState {
    /// The state in files and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anomalous => "anomalous",
            Self::Suppressed => "suppressed",
            Self::Silent => "silent",
            Self::TooFewRequests => "too_few_requests",
            Self::Learning => "learning",
            Self::Muted => "muted",
            Self::Disabled => "disabled",
            Self::Normal => "normal",
        }
    }

    /// The state by the reason of a row's verdict. `enough`: the row has enough requests.
    const fn of(reason: Reason, enough: bool) -> Self {
        match reason {
            Reason::AboveExpected | Reason::BelowExpected => Self::Anomalous,
            Reason::SmallEffect | Reason::Direction => Self::Suppressed,
            Reason::WarmUp | Reason::TooFewPoints | Reason::History => Self::Learning,
            Reason::Muted => Self::Muted,
            Reason::Normal if enough => Self::Normal,
            Reason::TooLittleTraffic | Reason::Normal => Self::TooFewRequests,
        }
    }
}

/// The health state of an entity or of one of its metrics, with the reason.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityStatus {
    /// The entity.
    pub entity: Entity,
    /// The metric; none for the requests of an entity.
    pub metric: Option<Arc<str>>,
    /// The state.
    pub state: HealthState,
    /// The reason: one sentence without a full stop.
    pub reason: String,
    /// Number of learnt points.
    pub points: u64,
    /// Start of the state, as far back as rows are kept.
    pub since: Timestamp,
    /// Start of its newest row.
    pub last_seen: Timestamp,
    /// Score of its newest row, 0 to 1.
    pub score: f64,
    /// Health of its newest row of requests: 100, less 50 times the share of errors, less 30 when the
    /// median latency is more than twice the middle of its expected band. None for a metric.
    pub health: Option<f64>,
}

/// A state in files and reports.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct StateDocument {
    pub service: String,
    pub endpoint: String,
    pub metric: String,
    pub state: &'static str,
    pub reason: String,
    pub points: u64,
    pub since: String,
    pub last_seen: String,
    pub score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<f64>,
}

/// The health states of all entities (by their requests) and of all series of metrics, ordered from
/// the worst, then by score, service, endpoint and metric.
///
/// The reason is that of the newest row's verdict, in words. An entity is silent when it has had no
/// row for longer than the gaps between its kept rows explain
/// ([`SilenceScorer`](crate::score::SilenceScorer), evidence 4). With a row in every step that is
/// after five or six steps.
///
/// # Examples
///
/// ```
/// use mad_core::status::{HealthState, states};
/// use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
///
/// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
/// for minute in 0..17 {
///     let at = Timestamp::from_seconds(60 * minute);
///     pipeline.ingest([Request::new(at, "payments", "/pay", 200, 80.0)]);
/// }
/// pipeline.finish();
/// let found = states(&pipeline);
/// assert_eq!(found[0].state, HealthState::Learning);
/// assert_eq!(found[0].reason, "17 of 20 points (guard.min_points)");
/// # Ok::<(), mad_core::Error>(())
/// ```
pub fn states(pipeline: &Pipeline) -> Vec<EntityStatus> {
    let view = View::new(pipeline);
    let entities = pipeline.entities().iter().filter_map(|(id, _)| view.entity_state(id));
    let series = pipeline.series().iter().filter_map(|(id, _)| view.series_state(id));
    let mut all: Vec<EntityStatus> = entities.chain(series).collect();
    all.sort_by(|a, b| {
        let score = b.score.total_cmp(&a.score);
        let name = (&a.entity, &a.metric).cmp(&(&b.entity, &b.metric));
        a.state.cmp(&b.state).then(score).then(name)
    });
    all
}

/// Why a row of requests was flagged or not, in sentences.
pub fn why(pipeline: &Pipeline, judged: &JudgedRow) -> String {
    let JudgedRow { entity, row, scores, verdict } = judged;
    let points = scores.iter().map(|signal| signal.score.points).max().unwrap_or(0);
    let decision = Decision::of_row(row, scores, verdict);
    let first = pipeline.newest_row(row.entity).map(|(known, _)| known.first);
    answer(pipeline, entity, None, &decision, first, points)
}

/// Why a point of a metric was flagged or not, in sentences.
pub fn why_point(pipeline: &Pipeline, judged: &JudgedPoint) -> String {
    let JudgedPoint { entity, metric, point, score, verdict, .. } = judged;
    let newest = pipeline.newest_point(point.series);
    let kind = newest.map_or(crate::SignalKind::Gauge, |(_, newest)| newest.kind);
    let decision = Decision::of_point(point, kind, score, verdict);
    let first = newest.map(|(known, _)| known.first);
    answer(pipeline, entity, Some(metric), &decision, first, score.points)
}

/// The number of entities and series in each state, and the worst states.
pub(crate) fn state_documents(
    pipeline: &Pipeline,
) -> (BTreeMap<&'static str, u64>, Vec<StateDocument>) {
    let states = states(pipeline);
    let mut counts = BTreeMap::new();
    for status in &states {
        *counts.entry(status.state.as_str()).or_default() += 1;
    }
    (counts, states.into_iter().take(LISTED).map(StateDocument::from).collect())
}

fn answer(
    pipeline: &Pipeline,
    name: &Entity,
    metric: Option<&str>,
    decision: &Decision,
    first: Option<Timestamp>,
    points: u32,
) -> String {
    let settings = pipeline.config().resolve(name);
    let maturity = first.map(|first| EntityMaturity { first, points: points as usize });
    let why = Why {
        decision,
        metric,
        settings: Some(&settings),
        maturity,
        muted_until: pipeline.muted_until(name, decision.bucket),
        step: Duration::from_nanos(pipeline.config().features.step().unsigned_abs()),
    };
    let sentences = TemplateExplainer.answer(name, &why);
    if !decision.is_anomaly {
        return sentences;
    }
    let at = decision.bucket;
    let holds = |incident: &&crate::Incident| {
        incident.is_about(name) && incident.start <= at && at < incident.end
    };
    let incident = pipeline.incidents().into_iter().find(holds);
    let part = incident.map_or_else(
        || "no incident that is kept".to_owned(),
        |incident| format!("incident {}", incident.id),
    );
    format!("{sentences} Part of {part}.")
}

/// A pipeline and the event time at which its states are asked for.
struct View<'a> {
    pipeline: &'a Pipeline,
    now: Timestamp,
}

impl<'a> View<'a> {
    fn new(pipeline: &'a Pipeline) -> Self {
        let last = pipeline.counters().last.unwrap_or(Timestamp::MIN);
        Self { pipeline, now: pipeline.watermark().max(last) }
    }

    fn muted_until(&self, id: EntityId, at: Timestamp) -> Option<Timestamp> {
        self.pipeline.muted_until(self.pipeline.entities().get(id)?, at)
    }

    fn entity_state(&self, id: EntityId) -> Option<EntityStatus> {
        let (maturity, newest) = self.pipeline.newest_row(id)?;
        let entity = self.pipeline.entities().get(id)?;
        let settings = self.pipeline.config().resolve(entity);
        let enough = |count: u64| !settings.guard.too_few_requests(count as f64);
        let rows = || self.pipeline.history().recent(id).rev();
        let past = Past {
            times: rows().map(|row| row.at).collect(),
            states: rows()
                .map(|row| HealthState::of(row.reason, enough(u64::from(row.requests()))))
                .collect(),
            step: Some(self.pipeline.config().features.step()),
            disabled: !Signal::ALL.iter().any(|signal| settings.of_signal(signal.as_str()).watched),
            enough: enough(newest.count),
        };
        let health = self.pipeline.history().recent(id).next_back().map(|row| row.health());
        Some(EntityStatus { health, ..self.status(id, None, maturity, newest, &settings, &past) })
    }

    fn series_state(&self, id: SeriesId) -> Option<EntityStatus> {
        let (maturity, newest) = self.pipeline.newest_point(id)?;
        let name = self.pipeline.series().get(id)?;
        let settings = self.pipeline.config().resolve(self.pipeline.entities().get(name.entity)?);
        let points = || self.pipeline.history().points(id).rev();
        let past = Past {
            times: points().map(|point| point.at).collect(),
            states: points().map(|point| HealthState::of(point.reason, true)).collect(),
            step: None,
            disabled: !settings.of_signal(&name.metric).watched,
            enough: true,
        };
        let metric = Some(Arc::clone(&name.metric));
        Some(self.status(name.entity, metric, maturity, newest, &settings, &past))
    }

    fn status(
        &self,
        id: EntityId,
        metric: Option<Arc<str>>,
        maturity: EntityMaturity,
        newest: Decision,
        settings: &EntitySettings,
        past: &Past,
    ) -> EntityStatus {
        let now = self.now;
        let mute = self.muted_until(id, now);
        let why = Why {
            decision: &newest,
            metric: metric.as_deref(),
            settings: Some(settings),
            maturity: Some(maturity),
            muted_until: mute.or_else(|| self.muted_until(id, newest.bucket)),
            step: Duration::from_nanos(self.pipeline.config().features.step().unsigned_abs()),
        };
        let state = HealthState::of(newest.reason, past.enough);
        let (state, reason, since) = if mute.is_some() {
            (HealthState::Muted, muted(&why), past.since(HealthState::Muted))
        } else if past.disabled {
            (
                HealthState::Disabled,
                "an override says watched = false".to_owned(),
                Some(maturity.first),
            )
        } else if past.is_silent(now) {
            let reason = silence(newest.bucket, now, why.step, metric.is_some());
            (HealthState::Silent, reason, Some(newest.bucket))
        } else {
            (state, TemplateExplainer.reason(&why), past.since(state))
        };
        EntityStatus {
            entity: self
                .pipeline
                .entities()
                .get(id)
                .map_or_else(Entity::overflow, |name| Entity::clone(name)),
            metric,
            state,
            reason,
            points: maturity.points as u64,
            since: since.unwrap_or(newest.bucket),
            last_seen: newest.bucket,
            score: newest.score,
            health: None,
        }
    }
}

/// The kept rows or points, newest first.
struct Past {
    times: Vec<Timestamp>,
    states: Vec<HealthState>,
    /// The step of the rows. None for metrics, whose step follows from their gaps.
    step: Option<i64>,
    disabled: bool,
    enough: bool,
}

impl Past {
    /// Start of the unbroken run of newest rows in this state.
    fn since(&self, state: HealthState) -> Option<Timestamp> {
        let same = self.times.iter().zip(&self.states).take_while(|(_, known)| **known == state);
        same.last().map(|(time, _)| *time)
    }

    fn is_silent(&self, now: Timestamp) -> bool {
        let Some(newest) = self.times.first() else { return false };
        let pairs = self.times.iter().zip(self.times.iter().skip(1));
        let gaps = pairs.map(|(newer, older)| newer.since(*older)).chain(self.step);
        let mut gaps: Vec<f64> = gaps.map(|gap| gap as f64).collect();
        gaps.sort_unstable_by(f64::total_cmp);
        let silence = now.since(*newest) as f64;
        Gaps::of(&gaps).is_some_and(|past| past.neg_log10_p(silence) >= SILENT)
    }
}

impl From<EntityStatus> for StateDocument {
    fn from(status: EntityStatus) -> Self {
        Self {
            service: status.entity.service.to_string(),
            endpoint: status.entity.endpoint.to_string(),
            metric: status.metric.map(|name| name.to_string()).unwrap_or_default(),
            state: status.state.as_str(),
            reason: status.reason,
            points: status.points,
            since: status.since.to_string(),
            last_seen: status.last_seen.to_string(),
            score: status.score,
            health: status.health,
        }
    }
}
