//! The live second stage: it groups the events of all partitions of a group.

use std::sync::Arc;

use super::first_stage::Stage;
use super::fleet::{FleetStatus, Moment};
use super::flow::forget_merged;
use super::handover::{HandedRow, Handover};
use super::part::{Forwarded, Silence};
use super::{Pipeline, Update};
use crate::error::{Error, Result};
use crate::feature::{RowBuffer, RowKind};
use crate::incident::RowOutcome;
use crate::series::{Entity, EntityId};
use crate::telemetry::PartitionId;
use crate::time::Timestamp;

impl Pipeline {
    /// Takes what members of a group handed over, and groups what all partitions have passed. The
    /// result has incidents, and the rows that whole traces give; judged rows are results of the members.
    ///
    /// A row is grouped when the clocks of all partitions have passed it, in the order in which one
    /// process would have closed it. [`continue_without`](Self::continue_without) ends the waiting
    /// for a partition. Rows that come later than that are grouped at once, and counted.
    ///
    /// # Errors
    ///
    /// Nothing is taken in these cases:
    ///
    /// - The settings of a member do not fit: see [`Handover::check`].
    /// - The topics have more partitions together than
    ///   [`Limits::partitions`](crate::Limits::partitions).
    /// - This pipeline hands over itself.
    ///
    /// # Examples
    ///
    /// See [`hand_over`](Self::hand_over).
    pub fn receive(&mut self, handovers: impl IntoIterator<Item = Handover>) -> Result<Update> {
        let handovers: Vec<Handover> = handovers.into_iter().collect();
        for handover in &handovers {
            handover.check(&self.config)?;
        }
        if matches!(self.stage, Stage::Whole) && !handovers.is_empty() {
            self.stage = Stage::Fleet(Box::default());
        }
        let mut update = Update::default();
        if handovers.is_empty() {
            return Ok(update);
        }
        let features = self.config.features;
        let Stage::Fleet(fleet) = &mut self.stage else {
            return Err(Error::state("a pipeline that judges a partition takes no hand-overs"));
        };
        let most = self.config.limits.partitions;
        let places: Vec<_> = handovers.iter().map(|handover| &handover.place).collect();
        if !fleet.has_room(&places, most) {
            return Err(Error::settings(format!(
                "the topics have more partitions together than `limits.partitions`, which is \
                 {most}: raise the limit"
            )));
        }
        for handover in handovers {
            fleet.take(handover, (features.step_nanos(), features.lateness_nanos()));
        }
        self.group_passed(&mut update);
        Ok(update)
    }

    /// Groups what waits without a partition, until it has caught up.
    ///
    /// # Errors
    ///
    /// No such partition is known.
    pub fn continue_without(&mut self, partition: &str) -> Result<Update> {
        let known = match &mut self.stage {
            Stage::Fleet(fleet) => fleet.partitions.get_mut(partition),
            _ => None,
        };
        let known = known
            .ok_or_else(|| Error::not_found(format!("no partition `{partition}` is known")))?;
        known.is_left_out = true;
        let mut update = Update::default();
        self.group_passed(&mut update);
        Ok(update)
    }

    /// The state of the live second stage; `None` before the first hand-over.
    pub fn fleet_status(&self) -> Option<FleetStatus> {
        match &self.stage {
            Stage::Fleet(fleet) => Some(fleet.status()),
            _ => None,
        }
    }

    /// Groups everything that the clocks of all partitions have passed.
    fn group_passed(&mut self, update: &mut Update) {
        let most = self.config.limits.held_events;
        while let Stage::Fleet(fleet) = &mut self.stage
            && let Some((at, moment)) = fleet.pop(most)
        {
            self.group_moment(at, moment, update);
        }
        let lateness = self.config.features.lateness_nanos();
        if let Stage::Fleet(fleet) = &mut self.stage {
            let bound = fleet.bound();
            fleet.grouped = fleet.grouped.max(bound);
            if let Some(at) = bound.filter(|_| fleet.is_idle()) {
                self.expire(at.plus(-lateness), update);
            }
        }
    }

    /// Groups the events of one moment, in the order in which one process would have taken them.
    fn group_moment(&mut self, at: Timestamp, moment: Moment, update: &mut Update) {
        let Moment { mut names, mut records, forms, mut rows, mut silences } = moment;
        // ids follow the order in which names came
        names.sort_by(|a, b| (a.is_service(), a).cmp(&(b.is_service(), b)));
        for entity in names {
            self.id_of(&entity);
        }
        records.sort_by_key(|record| record.turn().1);
        let has_spans =
            records.iter().any(|one| matches!(one, Forwarded::Span(span) if span.is_request));
        if let Stage::Fleet(fleet) = &self.stage {
            let mut newest = fleet.newest_request;
            for record in records {
                self.take_forwarded(record, &mut newest);
            }
            if let Stage::Fleet(fleet) = &mut self.stage {
                fleet.newest_request = newest;
            }
        }
        let most = self.config.limits.service_log_templates;
        for (entity, mut forms) in forms {
            forms.entity = self.id_of(&entity);
            self.ingest.learn_log_forms(forms, most);
        }
        let order = |row: &HandedRow| match row.kind {
            RowKind::Requests | RowKind::Services => 0,
            RowKind::Metrics => 1,
            RowKind::Logs | RowKind::Traces => 2,
        };
        rows.sort_by(|a, b| {
            let key = |row: &HandedRow| (order(row), row.at);
            key(a).cmp(&key(b)).then_with(|| a.entity.service.cmp(&b.entity.service))
        });
        let (requests, others): (Vec<HandedRow>, Vec<HandedRow>) =
            rows.into_iter().partition(|row| row.kind.is_requests());
        self.group_requests(requests, &mut silences, update);
        self.take_handed_silences(silences, update);
        self.group_points(others, update);
        if has_spans {
            let Self { config, names, ingest, .. } = self;
            ingest.close_traces_by(at.plus(-config.features.lateness_nanos()), config, names);
            self.drain(PartitionId::default(), update);
        }
    }

    fn group_requests(
        &mut self,
        rows: Vec<HandedRow>,
        silences: &mut Vec<Silence>,
        update: &mut Update,
    ) {
        let partition = PartitionId::default();
        let (mut current, mut previous) = (None, None);
        let mut outcomes = Vec::new();
        let mut of_step = update.changes.len();
        for row in rows {
            let at = row.at;
            let of = Some((at, Arc::clone(&row.entity.service)));
            if previous != of {
                self.group(&mut outcomes, update);
            }
            previous = of;
            let is_new = self.ingest.newest_step() < Some(at);
            self.begin_step(partition, at, update);
            let before = current.replace(at);
            if before != Some(at) {
                if let Some(before) = before {
                    let ended = silences.extract_if(.., |one| one.step == before).collect();
                    self.take_handed_silences(ended, update);
                }
                of_step = forget_merged(&mut update.changes, of_step);
                // a late row begins no step
                if is_new {
                    self.judge.begin_step(partition, at, row.whole);
                }
            }
            let row = self.received(row);
            outcomes.push((row.entity, row.outcome));
        }
        self.group(&mut outcomes, update);
        forget_merged(&mut update.changes, of_step);
        if current.is_some() {
            self.sweep(&RowBuffer::default());
        }
    }

    /// Groups the flagged rows of silences, in the order of the ids.
    fn take_handed_silences(&mut self, silences: Vec<Silence>, update: &mut Update) {
        let mut silences: Vec<(EntityId, Silence)> =
            silences.into_iter().map(|silence| (self.id_of(&silence.entity), silence)).collect();
        silences.sort_by_key(|(id, _)| *id);
        for (id, Silence { entity, row, .. }) in silences {
            let mut outcome = RowOutcome::Alarm(row);
            self.named_outcome(&mut outcome, id);
            let outcome = self.unless_muted(&entity, outcome);
            self.take_outcome(&entity, outcome, update);
        }
    }

    /// The outcome of a row, which is quiet while its entity is muted.
    fn unless_muted(&self, entity: &Entity, outcome: RowOutcome) -> RowOutcome {
        let row = match &outcome {
            RowOutcome::Alarm(row) | RowOutcome::Flagged(row) | RowOutcome::Weak(row) => row,
            RowOutcome::Quiet { .. } => return outcome,
        };
        let is_muted = self.judge.muted_until(entity, row.bucket, &self.config).is_some();
        let quiet = RowOutcome::Quiet {
            entity: row.entity,
            at: row.bucket,
            step: row.step,
            neg_log10_p: row.neg_log10_p,
        };
        if is_muted { quiet } else { outcome }
    }

    fn group_points(&mut self, rows: Vec<HandedRow>, update: &mut Update) {
        let mut current = None;
        let mut of_step = update.changes.len();
        for row in rows {
            let at = row.at;
            if current.replace(at) != Some(at) {
                of_step = forget_merged(&mut update.changes, of_step);
            }
            self.begin_step(PartitionId::default(), at, update);
            let id = self.id_of(&row.entity);
            let row = self.received(row);
            self.take_outcome(&row.entity, row.outcome, update);
            self.incidents.end_row(id);
        }
        forget_merged(&mut update.changes, of_step);
        if current.is_some() {
            self.sweep(&RowBuffer::default());
        }
    }

    /// Remembers a row, and gives it the ids of this pipeline. A muted row is quiet.
    fn received(&mut self, mut row: HandedRow) -> HandedRow {
        let id = self.id_of(&row.entity);
        self.checkpointer.mark_dirty([id]);
        self.named_outcome(&mut row.outcome, id);
        row.outcome = self.unless_muted(&row.entity, row.outcome);
        let Self { names, incidents, stage, .. } = self;
        let Stage::Fleet(fleet) = stage else { return row };
        fleet.newest.rows.insert(id, row.at);
        for kept in row.kept.iter() {
            fleet.first_rows.entry(id).or_insert(row.first);
            incidents.push_recent(id, kept);
        }
        for point in &row.points {
            let Some(series) = names.series.id(id, &point.metric, &names.entities) else {
                continue;
            };
            fleet.newest.points.insert(series, row.at);
            fleet.first_points.entry(series).or_insert(point.first);
            for kept in point.kept.iter() {
                incidents.push_recent_point((id, series), &point.metric, kept);
            }
        }
        row
    }
}
