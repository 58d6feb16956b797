//! Silence: entities with regular traffic that stop.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{EntityState, Judge};
use crate::config::{GuardConfig, PipelineConfig};
use crate::guard::Severity;
use crate::history::{FlaggedRow, FlaggedSignal};
use crate::pipeline::names::Names;
use crate::series::{EntityId, SILENCE, SignalName};
use crate::slo::RowObjectives;
use crate::telemetry::PartitionId;
use crate::time::{MINUTE, SECOND, Timestamp, duration_of};

/// Time from its first to its newest row that an entity needs before its silence is judged. Shorter
/// ones, such as canaries and tests, are expected to stop.
const KNOWN_FOR: i64 = 30 * MINUTE;
/// Rows that an entity needs before a long gap is a silence and not a part of its rhythm.
const KNOWN_ROWS: u64 = 20;
/// Rows of a silence by the time it is found, at most: later ones come as far apart.
const ROWS: i64 = 6;

/// Usual times between steps from which on a pause of all entities is a hole of the collection.
const HOLE: i64 = 5;
/// Steps over which the usual time between steps is averaged.
const USUAL_STEPS: i64 = 16;

/// The steps of one partition in which some entity had a row, and when each entity is due.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct StepWatch {
    /// Number of whole steps with rows.
    steps: i64,
    /// Start of the newest of them.
    now: Timestamp,
    /// Usual time between two of them, nanoseconds.
    usual: i64,
    /// Entities by the step at the end of which they are silent if they have no row until then.
    /// It is derived from the states of the entities and not saved.
    #[serde(skip)]
    due: BTreeSet<(i64, EntityId)>,
}

/// A silence that lasts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(in crate::pipeline) struct Silence {
    /// Start of the first missed row.
    pub since: Timestamp,
    /// The step of its partition that has the next flagged row.
    next: i64,
}

impl EntityState {
    /// Notes that the entity has a row in a step.
    fn has_row(&mut self, at: Timestamp, partition: u32, steps: i64) {
        let gap = u32::try_from(steps - self.seen).unwrap_or(0);
        // a silence that was expected, muted or before the watched time is one as well
        let is_silence = self.rhythm.silent_from().is_some_and(|from| gap >= from);
        let is_old = self.rows >= KNOWN_ROWS && self.last_row.since(self.first) >= KNOWN_FOR;
        let silence = self.silence.take();
        if silence.is_some() || is_silence && is_old {
            let since = silence.map_or(self.last_row, |silence| silence.since);
            self.rhythm.learn_silence(gap, since, at);
        } else if self.rows > 1 && gap > 0 && partition == self.partition {
            self.rhythm.learn(gap, at);
        }
        self.rhythm.has_row(at);
        (self.partition, self.seen, self.last_row) = (partition, steps, at);
    }

    /// The number of the step with which its silence is due. `None` while no gap is known.
    fn due(&self, least: i64) -> Option<i64> {
        if let Some(silence) = &self.silence {
            return Some(silence.next);
        }
        // the steps after its newest row, the current one included, are empty
        let from = i64::from(self.rhythm.silent_from()?) - 1;
        Some(self.seen + from.max(least))
    }

    /// Steps between two flagged rows of a silence.
    fn cadence(&self, least: i64) -> i64 {
        let from = self.rhythm.silent_from().map_or(1, i64::from);
        i64::from(self.rhythm.usual()).max(from.max(least) / ROWS)
    }

    /// Steps since its newest row, in a form that another pipeline can take over.
    pub fn exported(mut self, steps: i64) -> Self {
        self.shift(-steps);
        self
    }

    /// Moves the numbers of steps.
    fn shift(&mut self, by: i64) {
        self.seen += by;
        if let Some(silence) = &mut self.silence {
            silence.next += by;
        }
    }
}

impl Judge {
    /// Begins a step of requests of a partition. A step that the end of the stream cuts off does
    /// not count, because an entity without a row in it may have one after the end.
    pub fn begin_step(&mut self, partition: PartitionId, at: Timestamp, whole: bool) {
        let place = partition.index();
        if self.watches.len() <= place {
            self.watches.resize_with(place + 1, StepWatch::default);
        }
        if let Some(watch) = self.watches.get_mut(place)
            && whole
        {
            let interval = at.since(watch.now);
            if watch.steps > 0 && watch.usual == 0 {
                watch.usual = interval;
            } else if watch.steps > 0 {
                // One hole hardly moves it, and longer intervals are followed all the same.
                let bounded = interval.min(watch.usual.saturating_mul(2));
                watch.usual += (bounded - watch.usual) / USUAL_STEPS;
            }
            watch.steps += 1;
            watch.now = at;
        }
    }

    /// How long the collection of a partition was interrupted before a step: the time without a row of
    /// any entity, if that is unusual, else 0. Nothing is known of that time.
    pub fn interrupted_for(&self, partition: PartitionId, at: Timestamp, step: i64) -> i64 {
        let Some(watch) = self.watches.get(partition.index()).filter(|watch| watch.steps > 0)
        else {
            return 0;
        };
        let (pause, usual) = (at.since(watch.now), watch.usual.max(step));
        if pause > HOLE.saturating_mul(usual) { pause - usual } else { 0 }
    }

    /// Notes that an entity has a row in the current step of a partition.
    pub fn has_row(
        &mut self,
        id: EntityId,
        partition: PartitionId,
        at: Timestamp,
        config: &PipelineConfig,
    ) {
        let steps = self.watches.get(partition.index()).map_or(0, |watch| watch.steps);
        let Some(Some(state)) = self.rows.get_mut(id.index()) else { return };
        state.has_row(at, partition.index() as u32, steps);
        if let Some(least) = least(config)
            && let Some(due) = state.due(least)
        {
            let place = state.partition;
            self.list(id, place, due, false);
        }
    }

    /// The flagged rows of the entities of a partition that are silent at the end of its current
    /// step.
    pub fn silences(
        &mut self,
        partition: PartitionId,
        config: &PipelineConfig,
        names: &Names,
    ) -> Vec<FlaggedRow> {
        let Some(least) = least(config) else { return Vec::new() };
        if !std::mem::replace(&mut self.is_listed, true) {
            self.list_all(least);
        }
        let mut out = Vec::new();
        let mut alive = None;
        let watch = self.watches.get(partition.index());
        let (steps, now) = watch.map_or((0, Timestamp::MIN), |watch| (watch.steps, watch.now));
        while let Some(watch) = self.watches.get_mut(partition.index()) {
            let Some((_, id)) = watch.due.first().copied().filter(|(due, _)| *due <= steps) else {
                break;
            };
            watch.due.pop_first();
            if let Some(listed) = self.listed.get_mut(id.index()) {
                *listed = i64::MAX;
            }
            let next = self.check(id, partition, (steps, now), (config, names), &mut out);
            if let Some(next) = next {
                self.list(id, partition.index() as u32, next, true);
            }
        }
        for row in &mut out {
            let alive = alive.get_or_insert_with(|| self.newest_of_services(names));
            let Some(entity) = names.entities.get(row.entity) else { continue };
            let Some(state) = self.entity(row.entity) else { continue };
            let newest = alive.get(&entity.service).copied().unwrap_or(i64::MIN);
            // no endpoint of the service had a request for as long as a silence needs at least
            if steps - newest >= least.min(steps - state.seen) {
                row.severity = Severity::Critical;
            }
        }
        out
    }

    /// Judges the silence of one entity. Returns the step at which it is judged again.
    fn check(
        &mut self,
        id: EntityId,
        partition: PartitionId,
        (steps, now): (i64, Timestamp),
        (config, names): (&PipelineConfig, &Names),
        out: &mut Vec<FlaggedRow>,
    ) -> Option<i64> {
        let least = least(config)?;
        self.learn_rules(id, config, names);
        let is_muted = self.is_muted(id, now, config, names);
        let rules = self.rules.get(&id).and_then(Option::as_ref);
        let guard = rules.map_or(&config.guard, |rules| &rules.settings.guard);
        let is_watched = rules.is_none_or(|rules| rules.settings.of_signal(SILENCE).watched);
        let slo = rules.map_or(config.slo, |rules| rules.settings.slo);
        let is_backfill = self.backfill;
        let Some(Some(state)) = self.rows.get_mut(id.index()) else { return None };
        if state.partition as usize != partition.index() || names.entities.is_overflow(id) {
            return None;
        }
        // its requests go to another endpoint
        if names.entities.is_retired(id) {
            return None;
        }
        let due = state.due(least)?;
        if due > steps {
            return Some(due);
        }
        let idle = i64::try_from(config.limits.idle_seconds).unwrap_or(i64::MAX);
        let is_gone = now.since(state.last) > idle.saturating_mul(SECOND);
        if !is_watched || is_gone || !is_known(state, guard) {
            return None;
        }
        let step = config.features.step_nanos();
        let cadence = state.cadence(least);
        let first = state.last.plus(i64::from(state.rhythm.usual()).saturating_mul(step)).min(now);
        let is_new = state.silence.is_none();
        let since = state.silence.map_or(first, |silence| silence.since);
        if is_muted || is_backfill || is_new && state.rhythm.is_expected(since, now, &config.season)
        {
            return Some(steps + 1);
        }
        state.silence = Some(Silence { since, next: steps + cadence });
        let gap = u32::try_from(steps - state.seen + 1).unwrap_or(u32::MAX);
        let neg_log10_p = state.rhythm.neg_log10_p(gap);
        let usual = (i64::from(state.rhythm.usual()) * step) as f64 / SECOND as f64;
        let longest = state.rhythm.silent_from().map_or(usual, f64::from);
        let high = longest * step as f64 / SECOND as f64;
        let window_requests = state.traffic.expected(slo.window_seconds());
        let objectives = RowObjectives { slo, slow: 0, window_requests };
        let rhythm = cadence.saturating_mul(step);
        let mut at = if is_new { since } else { now };
        while at <= now {
            let seconds = at.since(state.last) as f64 / SECOND as f64;
            let signal =
                FlaggedSignal::new(SignalName::Metric(SILENCE.into()), seconds, neg_log10_p)
                    .expected(usual, 0.0, high)
                    .z((seconds / usual).max(1.0));
            out.push(FlaggedRow {
                step: duration_of(step),
                rhythm: duration_of(rhythm),
                delay: now.duration_since(at),
                objectives: Some(objectives),
                effective_n: (steps - state.seen) as f64,
                ..FlaggedRow::new(id, at).signal(signal)
            });
            at = at.plus(rhythm);
        }
        Some(steps + cadence)
    }

    /// Since when an entity is silent.
    pub fn silent_since(&self, id: EntityId) -> Option<Timestamp> {
        Some(self.entity(id)?.silence?.since)
    }

    /// Lists an entity for a step, unless it is listed for an earlier one. `fresh`: it is not
    /// listed.
    fn list(&mut self, id: EntityId, partition: u32, due: i64, fresh: bool) {
        if self.listed.len() <= id.index() {
            self.listed.resize(id.index() + 1, i64::MAX);
        }
        let Some(listed) = self.listed.get_mut(id.index()) else { return };
        if !fresh && *listed <= due {
            return;
        }
        if let Some(watch) = self.watches.get_mut(partition as usize) {
            watch.due.remove(&(*listed, id));
            watch.due.insert((due, id));
            *listed = due;
        }
    }

    /// Lists all entities, after their states were read.
    fn list_all(&mut self, least: i64) {
        self.listed.clear();
        self.watches.iter_mut().for_each(|watch| watch.due.clear());
        let states = self.rows.iter().enumerate();
        let due = states.filter_map(|(index, state)| {
            let state = state.as_ref()?;
            Some((EntityId(index as u32), state.partition, state.due(least)?))
        });
        for (id, partition, due) in due.collect::<Vec<_>>() {
            self.list(id, partition, due, true);
        }
    }

    /// The newest step with a row of each service.
    fn newest_of_services(&self, names: &Names) -> BTreeMap<Arc<str>, i64> {
        let mut out: BTreeMap<Arc<str>, i64> = BTreeMap::new();
        for (id, entity) in names.entities.iter() {
            if let Some(state) = self.entity(id) {
                let newest = out.entry(Arc::clone(&entity.service)).or_insert(i64::MIN);
                *newest = state.seen.max(*newest);
            }
        }
        out
    }

    /// The state of an entity with its steps counted from the current one.
    pub fn exported(&self, id: EntityId) -> Option<Box<EntityState>> {
        let state = self.entity(id)?;
        let watch = self.watches.get(state.partition as usize);
        Some(Box::new(state.clone().exported(watch.map_or(0, |watch| watch.steps))))
    }

    /// Takes over an exported state of an entity, in the first partition.
    pub fn put_exported(&mut self, id: EntityId, state: Option<Box<EntityState>>) {
        let steps = self.watches.first().map_or(0, |watch| watch.steps);
        let moved = state.map(|mut state| {
            state.shift(steps);
            state.partition = 0;
            state
        });
        self.put_entity(id, moved);
        self.is_listed = false;
    }
}

/// The shortest silence in steps; `None` if silences are not judged.
fn least(config: &PipelineConfig) -> Option<i64> {
    let seconds = 60.0 * config.incident.silence_minutes;
    (seconds > 0.0).then(|| (seconds / config.features.step_seconds).ceil() as i64)
}

/// Whether enough is known of an entity to judge its silence.
fn is_known(state: &EntityState, guard: &GuardConfig) -> bool {
    let warm_up = (guard.warm_up_minutes * MINUTE as f64) as i64;
    state.rows >= guard.min_points as u64 && state.last.since(state.first) >= warm_up.max(KNOWN_FOR)
}
