//! The health states of all entities and series of a pipeline.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{EntityStatus, HealthState, StateDocument};
use crate::config::{EntitySettings, GuardConfig};
use crate::explain::{TemplateExplainer, Why, date_clock, muted, silence};
use crate::guard::{EntityMaturity, Reason};
use crate::history::Decision;
use crate::pipeline::Pipeline;
use crate::score::Gaps;
use crate::series::{Entity, EntityId, SeriesId, Signal};
use crate::time::{MINUTE, Timestamp};

/// Evidence from which an entity is silent: a gap of this length has a probability of 1 in 10,000.
const SILENT: f64 = 4.0;
/// Maximum of states in a document.
const LISTED: usize = 200;

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
/// assert_eq!(found[0].state, HealthState::Unknown);
/// assert_eq!(
///     found[0].reason,
///     "learning until about 1970-01-01 00:20 UTC: 17 of 20 points (guard.min_points)"
/// );
/// assert_eq!(found[0].ready_at, Some(Timestamp::from_seconds(60 * 20)));
/// # Ok::<(), mad_core::Error>(())
/// ```
pub fn states(pipeline: &Pipeline) -> Vec<EntityStatus> {
    let observer = Observer::new(pipeline);
    let entities = pipeline.entities().iter().filter_map(|(id, _)| observer.entity_state(id));
    let series = pipeline.series().iter().filter_map(|(id, _)| observer.series_state(id));
    let mut all: Vec<EntityStatus> = entities.chain(series).collect();
    all.sort_by(|a, b| {
        let score = b.score.total_cmp(&a.score);
        let name = (&a.entity, &a.metric).cmp(&(&b.entity, &b.metric));
        a.state.cmp(&b.state).then(score).then(name)
    });
    all
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

/// A pipeline and the event time at which its states are asked for.
struct Observer<'a> {
    pipeline: &'a Pipeline,
    now: Timestamp,
}

impl<'a> Observer<'a> {
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
        // its requests go to another endpoint
        if self.pipeline.entities().is_retired(id) {
            return None;
        }
        let settings = self.pipeline.config().resolve(entity);
        let enough = |count: u64| !settings.guard.too_few_requests(count as f64);
        let rows = || self.pipeline.history().recent(id).rev();
        let past = Past {
            times: rows().map(|row| row.at).collect(),
            states: rows()
                .map(|row| HealthState::of(row.reason, enough(u64::from(row.requests()))))
                .collect(),
            step: Some(self.pipeline.config().features.step_nanos()),
            disabled: !Signal::ALL.iter().any(|signal| settings.of_signal(signal.as_str()).watched),
            enough: enough(newest.count),
            silent_since: self.pipeline.silent_since(id),
        };
        let newest_row = self.pipeline.history().recent(id).next_back();
        let is_silent = past.silent_since.is_some();
        let health = newest_row.map(|row| if is_silent { 0.0 } else { row.health() });
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
            silent_since: None,
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
            step: self.pipeline.config().features.step(),
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
        let is_new = matches!(newest.reason, Reason::WarmUp | Reason::TooFewPoints);
        let ready_at = (state == HealthState::Unknown && is_new)
            .then(|| past.ready_at(newest.bucket, maturity, &settings.guard));
        let reason = ready_at.map_or(reason.clone(), |at| {
            format!("learning until about {}: {reason}", date_clock(at, why.step))
        });
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
            ready_at,
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
    /// Since when its requests are missing, if it is silent by the judgement of its rhythm.
    silent_since: Option<Timestamp>,
}

impl Past {
    /// Start of the unbroken run of newest rows in this state.
    fn since(&self, state: HealthState) -> Option<Timestamp> {
        let same = self.times.iter().zip(&self.states).take_while(|(_, known)| **known == state);
        same.last().map(|(time, _)| *time)
    }

    /// When an entity will have passed its warm-up and have enough points, at the middle pace of its
    /// kept rows.
    fn ready_at(
        &self,
        newest: Timestamp,
        maturity: EntityMaturity,
        guard: &GuardConfig,
    ) -> Timestamp {
        let pairs = self.times.iter().zip(self.times.iter().skip(1));
        let mut gaps: Vec<i64> = pairs.map(|(newer, older)| newer.since(*older)).collect();
        gaps.sort_unstable();
        let pace = gaps.get(gaps.len() / 2).copied().or(self.step).unwrap_or(MINUTE);
        let missing = guard.min_points.saturating_sub(maturity.points) as i64;
        // the first row that is judged is the one after the last that is missing
        let enough = newest.plus(pace.saturating_mul(missing.saturating_add(1)));
        let warm = maturity.first.plus((guard.warm_up_minutes * MINUTE as f64) as i64);
        enough.max(warm)
    }

    fn is_silent(&self, now: Timestamp) -> bool {
        if self.silent_since.is_some() {
            return true;
        }
        let Some(newest) = self.times.first() else { return false };
        let pairs = self.times.iter().zip(self.times.iter().skip(1));
        let gaps = pairs.map(|(newer, older)| newer.since(*older)).chain(self.step);
        let mut gaps: Vec<f64> = gaps.map(|gap| gap as f64).collect();
        gaps.sort_unstable_by(f64::total_cmp);
        let silence = now.since(*newest) as f64;
        Gaps::of(&gaps).is_some_and(|past| past.neg_log10_p(silence) >= SILENT)
    }
}
