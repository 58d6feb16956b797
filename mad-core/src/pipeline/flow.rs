//! The way of closed rows through the parts: judged, counted, grouped, ranked.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::first_stage::Stage;
use super::view::Shared;
use super::{Pipeline, Update};
use crate::feature::{Row, RowBuffer, RowKind};
use crate::guard::JudgedRow;
use crate::incident::{IncidentChange, RowOutcome};
use crate::series::{Entity, EntityId, SeriesId};
use crate::telemetry::{PartitionId, Request, Source};
use crate::time::{MINUTE, SECOND, Timestamp};

/// Rows up to which an entity is forgotten first.
const RARE_ROWS: u64 = 2;
/// Time without a row, nanoseconds, after which such an entity is forgotten; two steps if that is more.
const RARE_IDLE: i64 = 30 * MINUTE;

impl Pipeline {
    /// Takes one request and judges the rows that it closes.
    pub(super) fn push_request(
        &mut self,
        request: &Request<'_>,
        source: &Source,
        update: &mut Update,
    ) -> bool {
        let names = (&self.config, &mut self.names);
        let (is_accepted, new) = self.ingest.request(request, source, names, &mut update.rejected);
        if let Some(entity) = new {
            self.set_objective(entity);
        }
        self.drain(source.partition, update);
        is_accepted
    }

    /// Counts the slow requests of an entity by the objective that an override gives it.
    pub(super) fn set_objective(&mut self, entity: EntityId) {
        if let Some(ms) = self.judge.objective_ms(entity, &self.config, &self.names) {
            self.ingest.set_objective(entity, ms);
        }
    }

    /// Closes the steps of all partitions before `at`, or all of them where `at` is None.
    pub(super) fn close(&mut self, at: Option<Timestamp>, update: &mut Update) {
        for partition in self.ingest.partition_ids() {
            self.ingest.close(partition, at, &mut self.names, &mut update.rejected);
            self.drain(partition, update);
        }
        self.ingest.close_traces(at.is_none(), &self.config, &mut self.names);
        self.drain(PartitionId::default(), update);
    }

    /// Judges the rows that the last input closed.
    pub(super) fn drain(&mut self, partition: PartitionId, update: &mut Update) {
        if !self.ingest.has_closed() {
            return;
        }
        match self.stage {
            Stage::First(_) => return self.drain_first(partition, update),
            Stage::Member(_) => return self.drain_member(partition, update),
            _ => {}
        }
        let closed = self.ingest.take_closed();
        // all rows of requests are judged before those of other kinds
        let is_request = |row: &Row<'_>| row.head.kind.is_requests();
        let requests = closed.iter().filter(is_request).count();
        let mut current = None;
        let mut outcomes = Vec::new();
        let mut previous = None;
        let mut of_step = update.changes.len();
        for row in closed.iter().filter(is_request) {
            let service = self.names.entities.get(row.head.entity).map(|one| one.service.clone());
            let of = Some((row.head.at, service));
            if previous.as_ref() != of.as_ref() {
                self.group(&mut outcomes, update);
            }
            previous = of;
            self.begin_step(partition, row.head.at, update);
            let before = current.replace(row.head.at);
            if before != Some(row.head.at) {
                if before.is_some() {
                    self.judge_silences(partition, update);
                }
                of_step = forget_merged(&mut update.changes, of_step);
                self.judge.begin_step(partition, row.head.at, row.head.whole);
            }
            outcomes.extend(self.take_requests(&row, partition, update));
        }
        self.group(&mut outcomes, update);
        if current.is_some() {
            self.judge_silences(partition, update);
        }
        of_step = forget_merged(&mut update.changes, of_step);
        if requests > 0 {
            self.sweep(&closed);
        }
        for row in closed.iter().filter(|row| !is_request(row)) {
            if current.replace(row.head.at) != Some(row.head.at) {
                of_step = forget_merged(&mut update.changes, of_step);
            }
            self.begin_step(partition, row.head.at, update);
            self.take_points(&row, update);
        }
        forget_merged(&mut update.changes, of_step);
        if requests < closed.len() {
            self.sweep(&RowBuffer::default());
        }
        self.ingest.recycle(closed);
    }

    /// Closes the incidents that expire when a new step begins.
    pub(super) fn begin_step(
        &mut self,
        partition: PartitionId,
        step: Timestamp,
        update: &mut Update,
    ) {
        if let Some(at) = self.ingest.step_begins(partition, step) {
            let of_step = self.config.features.step_nanos();
            let hole = self.judge.interrupted_for(partition, step, of_step);
            if hole > 0 {
                self.incidents.pause(step, hole);
            }
            self.expire(at, update);
        }
    }

    /// Closes the incidents without a flagged row for too long at `at`.
    pub(super) fn expire(&mut self, at: Timestamp, update: &mut Update) {
        let Self { config, names, ingest, incidents, .. } = self;
        let shared = Shared { config, names, graph: ingest.graph(), ingest };
        incidents.advance(at, shared, &mut update.changes);
    }

    /// Groups the flagged rows of the entities that are silent at the end of a step.
    fn judge_silences(&mut self, partition: PartitionId, update: &mut Update) {
        let Self { config, names, ingest, judge, incidents, checkpointer, .. } = self;
        for row in judge.silences(partition, config, names) {
            checkpointer.mark_dirty([row.entity]);
            let Some(entity) = names.entities.get(row.entity) else { continue };
            let shared = Shared { config, names, graph: ingest.graph(), ingest };
            incidents.take(entity, RowOutcome::Alarm(row), shared, &mut update.changes);
        }
    }

    /// Judges a row of requests. Rows of services are not counted, because they count the requests
    /// of their endpoints again.
    pub(super) fn judged_requests(
        &mut self,
        row: &Row<'_>,
        partition: PartitionId,
        update: &mut Update,
    ) -> Option<(JudgedRow, RowOutcome)> {
        let Self { config, names, judge, checkpointer, tally, .. } = self;
        checkpointer.mark_dirty([row.head.entity]);
        let (judged, outcome) = judge.judge_row(row, config, names)?;
        judge.has_row(row.head.entity, partition, row.head.at, config);
        update.levels.append(&mut judge.take_levels());
        if row.head.kind != RowKind::Services {
            tally.row(&judged, judge.is_suppressed(&judged));
        }
        Some((judged, outcome))
    }

    /// Judges a row of metrics, logs or traces.
    pub(super) fn judged_points(
        &mut self,
        row: &Row<'_>,
        update: &mut Update,
    ) -> Option<(JudgedRow, RowOutcome)> {
        let Self { config, names, judge, checkpointer, tally, .. } = self;
        checkpointer.mark_dirty([row.head.entity]);
        let (judged, outcome) = judge.judge_points(row, config, names)?;
        update.levels.append(&mut judge.take_levels());
        let threshold = judge.threshold_neg_log10_p();
        for signal in &judged.signals {
            let is_unlikely = signal.score.neg_log10_p >= threshold;
            tally.point(judged.head.at, signal, is_unlikely && !signal.is_anomaly);
        }
        Some((judged, outcome))
    }

    /// Judges a row of requests, and gives its outcome to the grouping of its step.
    fn take_requests(
        &mut self,
        row: &Row<'_>,
        partition: PartitionId,
        update: &mut Update,
    ) -> Option<(Arc<Entity>, RowOutcome)> {
        let (judged, outcome) = self.judged_requests(row, partition, update)?;
        self.incidents.push_row(&judged);
        let entity = Arc::clone(&judged.entity);
        update.rows.push(judged);
        Some((entity, outcome))
    }

    /// Groups the outcomes of one service and step, and empties them. The endpoint that explains
    /// the deviation of its service comes first, so that it leads an incident that opens. Where no
    /// endpoint explains it, the service does.
    pub(super) fn group(
        &mut self,
        outcomes: &mut Vec<(Arc<Entity>, RowOutcome)>,
        update: &mut Update,
    ) {
        let flagged = outcomes.iter().rposition(|(entity, outcome)| {
            entity.is_service() && matches!(outcome, RowOutcome::Alarm(_))
        });
        if let Some(service) = flagged {
            let (entity, outcome) = outcomes.remove(service);
            let by = match &outcome {
                RowOutcome::Alarm(row) => {
                    row.explained_by.as_ref().map(|by| Arc::clone(&by.entity))
                }
                _ => None,
            };
            outcomes.insert(0, (entity, outcome));
            let explains = |(one, _): &(Arc<Entity>, RowOutcome)| by.as_ref() == Some(one);
            if let Some(place) = outcomes.iter().position(explains) {
                let first = outcomes.remove(place);
                outcomes.insert(0, first);
            }
        }
        let Self { config, names, ingest, incidents, .. } = self;
        let shared = Shared { config, names, graph: ingest.graph(), ingest };
        for (entity, outcome) in outcomes.drain(..) {
            incidents.take(&entity, outcome, shared, &mut update.changes);
        }
    }

    /// Judges a row of metrics, logs or traces, and groups its outcome.
    fn take_points(&mut self, row: &Row<'_>, update: &mut Update) {
        let Some((judged, outcome)) = self.judged_points(row, update) else { return };
        let Self { config, names, ingest, incidents, .. } = self;
        for signal in &judged.signals {
            incidents.push_point(&judged.head, signal);
        }
        let shared = Shared { config, names, graph: ingest.graph(), ingest };
        incidents.take(&judged.entity, outcome, shared, &mut update.changes);
        incidents.end_row(row.head.entity);
        update.rows.push(judged);
    }

    /// Forgets what has been idle for [`Limits::idle_seconds`](crate::Limits::idle_seconds), at the
    /// full hours of event time and after enough records, so that new entities and series have room.
    /// Series in `waiting` rows stay. When the table of entities is nearly full, entities that had at
    /// most [`RARE_ROWS`] rows are forgotten after [`RARE_IDLE`] already: a flood of names leaves
    /// first.
    pub(super) fn sweep(&mut self, waiting: &RowBuffer) {
        let names = self.names.entities.len().saturating_add(self.names.series.len());
        if self.stage.newest().is_some() {
            self.ingest.begin_records(names.saturating_mul(2));
        }
        let Some(at) = self.ingest.sweep_due(names) else { return };
        let idle_since = at.plus(-(self.config.limits.idle_seconds as i64).saturating_mul(SECOND));
        self.ingest.forget_calls(idle_since);
        self.judge.forget_mutes(idle_since);
        let Self { names, ingest, judge, incidents, stage, .. } = self;
        let newest = stage.newest();
        let is_idle_series = |series: SeriesId| match newest {
            Some(newest) if newest.points.contains_key(&series) => {
                newest.is_idle_series(series, idle_since)
            }
            // it is registered, and no point of it came yet
            Some(_) if judge.series(series).is_none() => false,
            _ => judge.is_idle_series(series, idle_since),
        };
        let crowded = names.entities.is_nearly_full();
        let rare_idle = RARE_IDLE.max(self.config.features.step_nanos().saturating_mul(2));
        let (mut kept, in_flight) = ingest.in_flight(waiting);
        let series: BTreeSet<SeriesId> = names
            .series
            .iter()
            .filter(|(id, name)| {
                !in_flight.contains(id)
                    && incidents.grouper().open_of(name.entity).is_none()
                    && is_idle_series(*id)
            })
            .map(|(id, _)| id)
            .collect();
        kept.extend(incidents.grouper().open_entities());
        let alive = names.series.iter().filter(|(id, _)| !series.contains(id));
        kept.extend(alive.map(|(_, name)| name.entity));
        let entities: BTreeSet<EntityId> = names
            .entities
            .iter()
            .map(|(id, _)| id)
            .filter(|id| !kept.contains(id) && !names.entities.is_overflow(*id))
            .filter(|id| {
                let is_junk = crowded && judge.rows_of(*id).0 <= RARE_ROWS;
                let since = if is_junk { at.plus(-rare_idle) } else { idle_since };
                match newest {
                    Some(newest) => newest.is_idle(*id, since),
                    None => names.entities.is_retired(*id) || judge.is_idle(*id, since),
                }
            })
            .collect();
        self.forget(&entities, &series);
    }

    fn forget(&mut self, entities: &BTreeSet<EntityId>, series: &BTreeSet<SeriesId>) {
        if entities.is_empty() && series.is_empty() {
            return;
        }
        let Self { names, ingest, judge, incidents, checkpointer, tally, stage, .. } = self;
        if let Stage::Fleet(fleet) = stage {
            for id in entities {
                fleet.forget(*id);
            }
            for id in series {
                fleet.forget_series(*id);
            }
        }
        tally.forgotten(entities.len(), series.len());
        let of_series = series.iter().filter_map(|id| Some(names.series.get(*id)?.entity));
        checkpointer.mark_dirty(of_series.chain(entities.iter().copied()));
        ingest.forget(entities, series);
        judge.forget(entities, series);
        incidents.forget(entities, series);
        names.series.forget(series);
        names.entities.forget(entities);
    }
}

/// Forgets the incidents that opened within one step, of which `changes` has those from `start` on,
/// and were merged in the same step: they were part of another one from the beginning. Returns the
/// number of changes.
pub(super) fn forget_merged(changes: &mut Vec<IncidentChange>, start: usize) -> usize {
    let of_step = changes.get(start..).unwrap_or_default();
    let opened: BTreeSet<&str> = of_step
        .iter()
        .filter(|change| matches!(change, IncidentChange::Opened(_)))
        .map(|change| change.incident().id.as_str())
        .collect();
    let merged: BTreeSet<String> = of_step
        .iter()
        .map(IncidentChange::incident)
        .filter(|one| one.merged_into.is_some() && opened.contains(one.id.as_str()))
        .map(|one| one.id.clone())
        .collect();
    if !merged.is_empty() {
        changes.retain(|change| !merged.contains(&change.incident().id));
    }
    changes.len()
}
