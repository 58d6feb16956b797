//! The order in which the rows of all partitions closed, and their way through the grouping.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::first_stage::Stage;
use super::flow::forget_merged;
use super::part::{Forwarded, PartRow, Silence};
use super::survey::{Turn, TurnOf, Windows};
use super::view::Shared;
use super::{Pipeline, Update};
use crate::feature::{RowBuffer, RowHead, RowKind};
use crate::guard::JudgedSignal;
use crate::history::FlaggedRow;
use crate::incident::RowOutcome;
use crate::series::{Entity, EntityId, SeriesId};
use crate::telemetry::PartitionId;
use crate::time::Timestamp;

/// What happens in the second stage, in the order in which one process would have done it.
pub(super) enum Event {
    Forwarded(Forwarded),
    /// Rows that one record closed.
    Rows(Vec<PartRow>),
    /// The traces that the watermark of requests has passed, at the time of a span.
    Traces(Timestamp),
}

/// The order of events. Rows close with the record of their turn, after it was forwarded.
type Moment = (Turn, u8);

/// Puts rows and forwarded records in order. Rows of equal moments and times stand by service, as they
/// do in one process; the rows of one service come from one partition, in order.
pub(super) fn events(
    rows: Vec<PartRow>,
    forwarded: Vec<Forwarded>,
    windows: &Windows,
) -> Vec<Event> {
    let times = rows.iter().filter(|row| row.judged.head.kind == RowKind::Metrics);
    let times: BTreeSet<Timestamp> = times.map(|row| row.judged.head.at).collect();
    let end = (Timestamp::MAX, TurnOf::Logs);
    let closing = |row: &PartRow| {
        let at = row.closes;
        let turn = match row.judged.head.kind {
            RowKind::Requests | RowKind::Services => windows.requests.closing(at),
            RowKind::Logs => windows.logs.closing(at),
            RowKind::Metrics | RowKind::Traces => {
                let from = at.plus(1).plus(windows.metrics.lateness());
                times.range(from..).next().map(|at| (*at, TurnOf::Metrics))
            }
        };
        turn.unwrap_or(end)
    };
    let mut drains: BTreeMap<Turn, Vec<PartRow>> = BTreeMap::new();
    for row in rows {
        drains.entry(closing(&row)).or_default().push(row);
    }
    let mut all: Vec<(Moment, Event)> = Vec::new();
    for record in forwarded {
        let turn = record.turn();
        if let Forwarded::Span(span) = &record
            && span.is_request
        {
            all.push(((turn, 2), Event::Traces(turn.0)));
        }
        all.push(((turn, 0), Event::Forwarded(record)));
    }
    for (turn, mut rows) in drains {
        let order = |row: &PartRow| match row.judged.head.kind {
            RowKind::Requests | RowKind::Services => 0,
            RowKind::Metrics => 1,
            RowKind::Logs | RowKind::Traces => 2,
        };
        rows.sort_by(|a, b| {
            let key = |row: &PartRow| (order(row), row.closes);
            let services = || a.judged.entity.service.cmp(&b.judged.entity.service);
            key(a).cmp(&key(b)).then_with(services)
        });
        all.push(((turn, 1), Event::Rows(rows)));
    }
    all.sort_by_key(|(moment, _)| *moment);
    all.into_iter().map(|(_, event)| event).collect()
}

impl Pipeline {
    /// Takes the rows that one record closed through the grouping, as
    /// [`drain`](Self::drain) does with rows that it judges itself.
    pub(super) fn replay(
        &mut self,
        rows: Vec<PartRow>,
        silences: &mut BTreeMap<Timestamp, Vec<Silence>>,
        whole: &BTreeMap<Timestamp, bool>,
        update: &mut Update,
    ) {
        let partition = PartitionId::default();
        let mut current = None;
        let mut outcomes = Vec::new();
        let mut previous = None;
        let mut of_step = update.changes.len();
        let (requests, others): (Vec<PartRow>, Vec<PartRow>) =
            rows.into_iter().partition(|row| row.judged.head.kind.is_requests());
        for row in requests {
            let at = row.judged.head.at;
            let of = Some((at, Arc::clone(&row.judged.entity.service)));
            if previous != of {
                self.group(&mut outcomes, update);
            }
            previous = of;
            self.begin_step(partition, at, update);
            let before = current.replace(at);
            if before != Some(at) {
                if let Some(before) = before {
                    self.take_silences(silences.remove(&before), update);
                }
                of_step = forget_merged(&mut update.changes, of_step);
                self.judge.begin_step(partition, at, whole.get(&at).copied().unwrap_or(true));
            }
            let PartRow { judged, outcome, .. } = self.named(row);
            self.note_row(&judged.head, &[]);
            self.incidents.push_row(&judged);
            outcomes.push((Arc::clone(&judged.entity), outcome));
            update.rows.push(judged);
        }
        self.group(&mut outcomes, update);
        if let Some(current) = current {
            self.take_silences(silences.remove(&current), update);
        }
        of_step = forget_merged(&mut update.changes, of_step);
        if current.is_some() {
            self.sweep(&RowBuffer::default());
        }
        let has_others = !others.is_empty();
        for row in others {
            let at = row.judged.head.at;
            if current.replace(at) != Some(at) {
                of_step = forget_merged(&mut update.changes, of_step);
            }
            self.begin_step(partition, at, update);
            let PartRow { judged, outcome, .. } = self.named(row);
            self.note_row(&judged.head, &judged.signals);
            for signal in &judged.signals {
                self.incidents.push_point(&judged.head, signal);
            }
            let (entity, id) = (Arc::clone(&judged.entity), judged.head.entity);
            update.rows.push(judged);
            self.take_outcome(&entity, outcome, update);
            self.incidents.end_row(id);
        }
        forget_merged(&mut update.changes, of_step);
        if has_others {
            self.sweep(&RowBuffer::default());
        }
    }

    /// Notes the newest row of an entity, or the newest points of its series.
    fn note_row(&mut self, head: &RowHead, signals: &[JudgedSignal]) {
        let Stage::Second(newest) = &mut self.stage else { return };
        newest.rows.insert(head.entity, head.at);
        let series = signals.iter().filter_map(|signal| signal.id.series());
        newest.points.extend(series.map(|series| (series, head.at)));
    }

    /// Groups the flagged rows of silences.
    pub(super) fn take_silences(&mut self, silences: Option<Vec<Silence>>, update: &mut Update) {
        let mut silences = silences.unwrap_or_default();
        for silence in &mut silences {
            silence.row.entity = self.id_of(&silence.entity);
        }
        silences.sort_by_key(|silence| silence.row.entity);
        for Silence { entity, row, .. } in silences {
            self.take_outcome(&entity, RowOutcome::Alarm(row), update);
        }
    }

    pub(super) fn take_outcome(
        &mut self,
        entity: &Arc<Entity>,
        outcome: RowOutcome,
        update: &mut Update,
    ) {
        let Self { config, names, ingest, incidents, .. } = self;
        let shared = Shared { config, names, graph: ingest.graph(), ingest };
        incidents.take(entity, outcome, shared, &mut update.changes);
    }

    /// A row with the ids of this pipeline.
    fn named(&mut self, row: PartRow) -> PartRow {
        let PartRow { mut judged, mut outcome, closes } = row;
        let id = self.id_of(&judged.entity);
        judged.head.entity = id;
        // the name of an entity stands once in memory, and not with each row
        if let Some(known) = self.names.entities.get(id) {
            judged.entity = Arc::clone(known);
        }
        for signal in &mut judged.signals {
            if let Some(series) = signal.id.series() {
                let known = self.names.series.id(
                    id,
                    &Arc::from(signal.name.as_str()),
                    &self.names.entities,
                );
                signal.id = known.unwrap_or(SeriesId(series.0)).into();
            }
        }
        self.named_outcome(&mut outcome, id);
        PartRow { closes, judged, outcome }
    }

    /// Gives an outcome the ids of this pipeline.
    pub(super) fn named_outcome(&mut self, outcome: &mut RowOutcome, id: EntityId) {
        match outcome {
            RowOutcome::Quiet { entity, .. } => *entity = id,
            RowOutcome::Alarm(flagged)
            | RowOutcome::Flagged(flagged)
            | RowOutcome::Weak(flagged) => {
                let FlaggedRow { entity, explained_by, .. } = flagged;
                *entity = id;
                if let Some(by) = explained_by {
                    by.id = self.id_of(&by.entity);
                }
            }
        }
    }

    /// The id of an entity by its names.
    pub(super) fn id_of(&mut self, entity: &Entity) -> EntityId {
        self.names.entities.id(&entity.service, &entity.endpoint)
    }
}
