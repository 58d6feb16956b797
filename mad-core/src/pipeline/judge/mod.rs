//! The part that judges rows: the state of each entity and series, guardrails, overrides and mutes.

mod explained;
mod levels;
mod line_memory;
mod line_noise;
mod log_volumes;
mod points;
mod rules;
mod silence;
mod state;
mod together;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::explained::EndpointsOfStep;
use self::levels::{accepted, signal_name};
use self::rules::Rules;
use self::silence::{Silence, StepWatch};
pub(super) use self::state::{EntityState, SeriesState};
use super::LevelAccepted;
use super::names::Names;
use crate::config::{MuteWindow, PipelineConfig};
use crate::error::Result;
use crate::feature::{Row, RowHead, RowKind};
use crate::guard::{EntityMaturity, Guardrails, JudgedRow, Reason, Verdict};
use crate::history::{Decision, FlaggedRow};
use crate::incident::RowOutcome;
use crate::score::{JointScorer, RowScores};
use crate::series::{EntityId, SeriesId, Signal};
use crate::slo::RowObjectives;
use crate::time::{Timestamp, duration_of};

/// Most endpoints of a service whose errors give the rate that is assumed of a new one.
const MOST_ENDPOINTS: usize = 100;

/// Scores rows, applies the guardrails and learns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Judge {
    /// By entity.
    rows: Vec<Option<Box<EntityState>>>,
    /// By series.
    series: Vec<Option<Box<SeriesState>>>,
    /// By entity: how its metrics move together.
    joint: Vec<Option<Box<JointScorer>>>,
    guardrails: Guardrails,
    /// Mute windows of commands. Those of the configuration stand there.
    mutes: Vec<MuteWindow>,
    backfill: bool,
    /// The steps with requests, by partition.
    watches: Vec<StepWatch>,
    /// The step for which each entity is listed in its [`StepWatch`].
    #[serde(skip)]
    listed: Vec<i64>,
    /// Whether all entities are listed. They are not after the state was read.
    #[serde(skip)]
    is_listed: bool,
    /// Settings of the entities that an override applies to. They are derived from the
    /// configuration and not saved.
    #[serde(skip)]
    rules: HashMap<EntityId, Option<Rules>>,
    /// Levels that were accepted since they were last taken.
    #[serde(skip)]
    levels: Vec<LevelAccepted>,
    /// Scores of the row that is judged: a buffer that is reused.
    #[serde(skip)]
    scores: RowScores,
    /// The endpoints that were judged in the step and service of the newest row. The row of the
    /// service follows them at once.
    #[serde(skip)]
    endpoints: EndpointsOfStep,
}

impl Judge {
    pub fn new(config: &PipelineConfig) -> Result<Self> {
        Ok(Self {
            rows: Vec::new(),
            series: Vec::new(),
            joint: Vec::new(),
            guardrails: Guardrails::new(config.guard, config.score.threshold)?,
            mutes: Vec::new(),
            backfill: false,
            watches: Vec::new(),
            listed: Vec::new(),
            is_listed: false,
            rules: HashMap::new(),
            levels: Vec::new(),
            scores: RowScores::default(),
            endpoints: EndpointsOfStep::default(),
        })
    }

    /// Applies another configuration.
    pub fn reconfigure(&mut self, config: &PipelineConfig) -> Result<()> {
        self.guardrails = Guardrails::new(config.guard, config.score.threshold)?;
        self.rules.clear();
        Ok(())
    }

    /// Starts or ends a backfill. Returns whether one ended.
    pub fn set_backfill(&mut self, on: bool) -> bool {
        let ended = self.backfill && !on;
        self.backfill = on;
        ended
    }

    /// Judges a row of requests, then learns from it.
    pub fn judge_row(
        &mut self,
        row: &Row<'_>,
        config: &PipelineConfig,
        names: &Names,
    ) -> Option<(JudgedRow, RowOutcome)> {
        let RowHead { entity: id, at, step, kind, .. } = *row.head;
        let facts = row.requests?;
        self.learn_rules(id, config, names);
        let entity = Arc::clone(names.entities.get(id)?);
        let is_muted = self.is_muted(id, at, config, names);
        let known = self.rows.get(id.index()).and_then(Option::as_ref);
        // a service has no elsewhere: its endpoints are the same requests
        let may_begin =
            kind == RowKind::Requests && known.is_none_or(|state| state.scorer.may_begin());
        let service = if may_begin { self.errors_elsewhere(id, names) } else { (0, 0) };
        let rules = self.rules.get(&id).and_then(Option::as_ref);
        let slot = slot(&mut self.rows, id.index())?;
        // the configuration was validated when the pipeline was made
        let score = rules.map_or(&config.score, |rules| &rules.settings.score);
        if slot.is_none() {
            *slot = Some(Box::new(EntityState::new(kind, score, at, service).ok()?));
        }
        let state = slot.as_mut()?;
        if state.scorer.begin_after_stray(row.head.gap, service.0, service.1) {
            state.first = at;
        }
        let scores = &mut self.scores;
        state.scorer.set_utc_offset(config.season.utc_offset_seconds(at));
        state.scorer.score(row, scores);
        let maturity = state.maturity();
        let mut verdict = match rules {
            Some(rules) => rules.guardrails.judge_by(row, scores, maturity, &rules.signals),
            None => self.guardrails.judge(row, scores, maturity),
        };
        let guard = rules.map_or(&config.guard, |rules| &rules.settings.guard);
        let is_cold = state.starts_cold(row, guard);
        if is_cold && verdict.is_anomaly && is_only_slow(row, &verdict) {
            verdict = verdict.suppressed_by(Reason::ColdStart);
        }
        if is_muted {
            verdict = verdict.suppressed_by(Reason::Muted);
            state.scorer.learn_muted(row, scores);
        } else {
            if self.backfill {
                verdict = verdict.suppressed_by(Reason::History);
            }
            for (signal, level) in state.scorer.learn(row, scores) {
                let name = signal_name(signal);
                self.levels.extend(name.map(|name| accepted(&entity, name, at, level)));
            }
        }
        let mut explained_by = None;
        if kind == RowKind::Services {
            if verdict.is_anomaly {
                let explained = self.endpoints.explain(row, &entity, scores, &verdict);
                if let Some(reason) = explained.silenced {
                    verdict = verdict.suppressed_by(reason);
                }
                explained_by = explained.by;
            }
        } else {
            let by_override = rules.is_some() && !verdict.is_anomaly;
            let silenced = (is_muted || by_override).then_some(verdict.reason);
            let silenced = silenced.map(|reason| match reason {
                Reason::Normal => Reason::BelowMinEffect,
                reason => reason,
            });
            self.endpoints.push(row, &entity, scores, silenced);
        }
        let slo = rules.map_or(config.slo, |rules| rules.settings.slo);
        let seconds = config.features.step_seconds * (u64::from(row.head.gap) + 1) as f64;
        state.traffic.add(facts.requests, seconds, slo.window_seconds());
        let window_requests = state.traffic.expected(slo.window_seconds());
        let judged = JudgedRow::new(entity, *row, scores, verdict);
        state.judged(at, Decision::of_row(&judged));
        let outcome = match FlaggedRow::of_requests(row, scores, &verdict) {
            Some(flagged) => {
                let slow = facts.over_objective;
                let objectives = RowObjectives { slo, slow, window_requests };
                let rhythm = duration_of(state.rhythm.interval());
                let flagged = flagged.objectives(objectives);
                RowOutcome::Alarm(FlaggedRow { rhythm, explained_by, ..flagged })
            }
            None => RowOutcome::Quiet { entity: id, at, step, neg_log10_p: verdict.neg_log10_p },
        };
        Some((judged, outcome))
    }

    /// Errors and requests that are learnt as normal of the other endpoints of an entity's service.
    fn errors_elsewhere(&self, id: EntityId, names: &Names) -> (u64, u64) {
        let Some(entity) = names.entities.get(id) else { return (0, 0) };
        let others = names.entities.of_service(&entity.service).filter(|other| *other != id);
        let learnt = others.take(MOST_ENDPOINTS).filter_map(|other| self.entity(other));
        // the row across the endpoints counts their requests again
        let learnt = learnt.filter(|state| state.scorer.kind() == RowKind::Requests);
        learnt
            .map(|state| state.scorer.learnt_errors())
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// Whether a guardrail kept an unlikely row from being flagged.
    pub fn is_suppressed(&self, judged: &JudgedRow) -> bool {
        self.guardrails.suppressed(&judged.verdict)
    }

    /// Evidence from which a row is unlikely.
    pub fn threshold_neg_log10_p(&self) -> f64 {
        self.guardrails.threshold_neg_log10_p()
    }

    /// Whether anything was learnt of the requests of an entity.
    pub fn knows_requests(&self, entity: EntityId) -> bool {
        self.rows.get(entity.index()).is_some_and(Option::is_some)
    }

    /// Rows and flagged rows of an entity.
    pub fn rows_of(&self, entity: EntityId) -> (u64, u64) {
        let state = self.rows.get(entity.index()).and_then(Option::as_ref);
        state.map_or((0, 0), |state| (state.rows, state.flagged))
    }

    /// Points and flagged points of each entity.
    pub fn points_of_entities(&self, names: &Names) -> BTreeMap<EntityId, (u64, u64)> {
        let mut out: BTreeMap<EntityId, (u64, u64)> = BTreeMap::new();
        for (id, name) in names.series.iter() {
            if let Some(Some(state)) = self.series.get(id.index()) {
                let (points, flagged) = out.entry(name.entity).or_default();
                *points += state.points;
                *flagged += state.flagged;
            }
        }
        out
    }

    /// How long an entity has been known and the decision on its newest row, if it has rows.
    pub fn newest_row(&self, entity: EntityId) -> Option<(EntityMaturity, Decision)> {
        let state = self.rows.get(entity.index())?.as_ref()?;
        state.newest.map(|newest| (state.maturity(), newest))
    }

    /// How long a series has been known and the decision on its newest point, if it has one.
    pub fn newest_point(&self, series: SeriesId) -> Option<(EntityMaturity, Decision)> {
        let state = self.series.get(series.index())?.as_ref()?;
        state.newest.map(|newest| (state.maturity(), newest))
    }

    /// Whether an entity had no row since a time.
    pub fn is_idle(&self, entity: EntityId, since: Timestamp) -> bool {
        let state = self.rows.get(entity.index()).and_then(Option::as_ref);
        state.is_none_or(|state| state.last < since)
    }

    /// Whether a series had no point since a time.
    pub fn is_idle_series(&self, series: SeriesId, since: Timestamp) -> bool {
        let state = self.series.get(series.index()).and_then(Option::as_ref);
        state.is_none_or(|state| state.last < since)
    }

    pub fn forget(&mut self, entities: &BTreeSet<EntityId>, series: &BTreeSet<SeriesId>) {
        for id in entities {
            if let Some(state) = self.rows.get_mut(id.index()) {
                *state = None;
            }
            if let Some(joint) = self.joint.get_mut(id.index()) {
                *joint = None;
            }
            self.rules.remove(id);
        }
        for id in series {
            if let Some(state) = self.series.get_mut(id.index()) {
                *state = None;
            }
        }
    }

    /// Everything learnt of the requests of an entity.
    pub fn entity(&self, id: EntityId) -> Option<&EntityState> {
        self.rows.get(id.index()).and_then(Option::as_deref)
    }

    /// Everything learnt of a series.
    pub fn series(&self, id: SeriesId) -> Option<&SeriesState> {
        self.series.get(id.index()).and_then(Option::as_deref)
    }

    /// How the metrics of an entity move together.
    pub fn joint(&self, id: EntityId) -> Option<&JointScorer> {
        self.joint.get(id.index()).and_then(Option::as_deref)
    }

    pub fn put_joint(&mut self, id: EntityId, state: Option<Box<JointScorer>>) {
        if let Some(slot) = slot(&mut self.joint, id.index()) {
            *slot = state;
        }
    }

    pub fn put_entity(&mut self, id: EntityId, state: Option<Box<EntityState>>) {
        if let Some(slot) = slot(&mut self.rows, id.index()) {
            *slot = state;
        }
    }

    pub fn put_series(&mut self, id: SeriesId, state: Option<Box<SeriesState>>) {
        if let Some(slot) = slot(&mut self.series, id.index()) {
            *slot = state;
        }
    }

    /// The states of all entities and series, out of here.
    pub fn take_states(&mut self) -> States {
        States {
            rows: std::mem::take(&mut self.rows),
            series: std::mem::take(&mut self.series),
            joint: std::mem::take(&mut self.joint),
        }
    }

    pub fn put_states(&mut self, States { rows, series, joint }: States) {
        (self.rows, self.series, self.joint) = (rows, series, joint);
    }
}

/// Whether nothing but latencies is flagged: quantiles and the share of slow requests.
fn is_only_slow(row: &Row<'_>, verdict: &Verdict) -> bool {
    let flagged = row.samples.iter().enumerate();
    let mut flagged = flagged.filter(|(place, _)| verdict.flagged >> place & 1 == 1);
    flagged.all(|(_, sample)| {
        let signal = sample.signal.builtin();
        signal.is_some_and(|one| one.quantile().is_some() || one == Signal::SlowShare)
    })
}

/// The guardrails of an entity: those of its overrides, or else the general ones.
fn guardrails_of<'a>(
    rules: &'a HashMap<EntityId, Option<Rules>>,
    general: &'a Guardrails,
    entity: EntityId,
) -> &'a Guardrails {
    match rules.get(&entity) {
        Some(Some(rules)) => &rules.guardrails,
        _ => general,
    }
}

/// The states of entities and of series, by id.
#[derive(Default)]
pub(super) struct States {
    pub rows: Vec<Option<Box<EntityState>>>,
    pub series: Vec<Option<Box<SeriesState>>>,
    pub joint: Vec<Option<Box<JointScorer>>>,
}

/// The place of an id, made if it is not there.
fn slot<T>(states: &mut Vec<Option<T>>, index: usize) -> Option<&mut Option<T>> {
    if states.len() <= index {
        states.resize_with(index + 1, || None);
    }
    states.get_mut(index)
}
