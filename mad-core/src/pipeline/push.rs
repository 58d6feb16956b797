//! Spans, log lines, edges and changes into the pipeline.

use super::{Pipeline, Update};
use crate::graph::ServiceGraph;
use crate::telemetry::{Change, ChangeEvent, Edge, LogLine, Request, Source, Span, SpanKind};

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
