//! Spans, log lines, edges and changes: what surrounds the rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Pipeline, Update};
use crate::culprit::{Evidence, Surroundings};
use crate::graph::ServiceGraph;
use crate::guard::Reason;
use crate::history::{History, HistoryRow};
use crate::incident::{IncidentGrouper, Topology};
use crate::series::{EntityId, Signal};
use crate::telemetry::{Change, ChangeEvent, Edge, LogLine, Request, Source, Span, SpanKind};
use crate::time::Timestamp;

/// What is known of calls and changes.
pub(super) struct Known<'a> {
    pub graph: &'a ServiceGraph,
    pub history: &'a History,
    pub grouper: &'a IncidentGrouper,
    /// What metrics say of services; empty where they were not ranked.
    pub by_metrics: BTreeMap<Arc<str>, f64>,
    /// Entities of other incidents whose services do not call those of the ranked one.
    pub in_other_incident: BTreeSet<EntityId>,
}

impl Surroundings for Known<'_> {
    fn callees(&self, service: &str) -> Vec<Arc<str>> {
        self.graph.callees(service)
    }

    fn change(&self, service: &str, from: Timestamp, to: Timestamp) -> Option<ChangeEvent> {
        let mut newest_first = self.history.changes().rev();
        let meant = |change: &&ChangeEvent| {
            *change.service == *service && change.at >= from && change.at < to
        };
        let change = newest_first.find(meant)?;
        // what was done while it was bad already did not make it so
        let incidents = self.grouper.incidents();
        let answered = incidents.iter().any(|incident| {
            incident.entity.service == change.service
                && incident.start.plus(incident.step) <= change.at
                && change.at < incident.end
        });
        (!answered).then(|| change.clone())
    }

    fn by_metrics(&self, service: &str) -> Option<f64> {
        self.by_metrics.get(service).copied()
    }

    fn goes_on(&self, entity: EntityId, evidence: &Evidence, to: Timestamp) -> u64 {
        let signal = evidence.signal.request().filter(|signal| *signal != Signal::RequestCount);
        let Some(signal) = signal else { return 0 };
        let half = (evidence.value - evidence.expected) / 2.0;
        let goes_on = |row: &&HistoryRow| {
            let value = row.values.get(signal.index()).map_or(f64::NAN, |value| f64::from(*value));
            (value - evidence.expected) / half >= 1.0 && row.reason != Reason::Muted
        };
        let after = self.history.recent(entity).skip_while(|row| row.bucket <= evidence.at);
        let rows = after.take_while(|row| row.bucket <= to).take_while(goes_on);
        rows.filter(|row| !row.is_anomaly).count() as u64
    }

    fn in_other_incident(&self, entity: EntityId) -> bool {
        self.in_other_incident.contains(&entity)
    }
}

impl Topology for ServiceGraph {
    fn neighbours(&self, service: &str) -> Vec<Arc<str>> {
        let mut names = self.callers(service);
        names.extend(self.callees(service));
        names
    }
}

impl Pipeline {
    pub(super) fn push_span(&mut self, span: &Span<'_>, source: &Source, update: &mut Update) {
        if let Err((reason, field)) = span.check() {
            update.rejected.add(reason, source.position, || field.to_owned());
            return;
        }
        self.graph.span(span);
        let (service, operation) = (span.service, span.operation);
        if self.entities.find(service, operation).is_some() {
            self.profiles.span(span);
        } else {
            let operation = self.config.routes.template(operation);
            self.profiles.span(&Span { operation: &operation, ..*span });
        }
        let told_twice = span.kind == SpanKind::Server && self.graph.has_requests(service);
        if span.kind.is_caller() || told_twice {
            return;
        }
        let status = if span.is_error() { 500 } else { 200 };
        let request = Request::new(span.start, service, operation, status, span.duration_ms);
        self.push_request(&request, source, update);
        self.judge_traces(source.partition, update);
    }

    pub(super) fn push_log(&mut self, line: &LogLine<'_>, source: &Source, update: &mut Update) {
        let Source { partition, position, .. } = *source;
        let Self { partitions, entities, series_names, closed_points, .. } = self;
        let Some(open) = partitions.get_mut(partition.index()) else { return };
        let rejected = &mut update.rejected;
        open.logs.push(line, position, entities, series_names, closed_points, rejected);
        if !self.closed_points.is_empty() {
            self.judge_points(partition, update);
        }
    }

    pub(super) fn push_edge(&mut self, edge: &Edge<'_>, source: &Source, update: &mut Update) {
        match edge.check() {
            Ok(()) => self.graph.edge(edge),
            Err((reason, field)) => {
                update.rejected.add(reason, source.position, || field.to_owned());
            }
        }
    }

    pub(super) fn push_change(
        &mut self,
        change: &Change<'_>,
        source: &Source,
        update: &mut Update,
    ) {
        if let Err((reason, field)) = change.check() {
            update.rejected.add(reason, source.position, || field.to_owned());
            return;
        }
        self.history.push_change(ChangeEvent {
            at: change.timestamp,
            service: change.service.into(),
            kind: change.kind.to_owned(),
            name: change.name.to_owned(),
            version: change.version.to_owned(),
        });
    }

    /// Who calls whom, as far as spans, edges and requests of one trace told.
    pub fn graph(&self) -> &ServiceGraph {
        &self.graph
    }
}
