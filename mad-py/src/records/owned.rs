//! Records that are held to be sorted or merged.

use mad_core::series::{EntityId, EntityTable, SeriesId, SeriesTable};
use mad_core::telemetry::{RequestTime, SpanKind};
use mad_core::{
    Change, LogLine, MetricPoint, Record, Request, Source as Origin, Span, Status, Timestamp,
};

/// A record with its names replaced by ids.
pub struct Owned {
    pub timestamp: Timestamp,
    position: u64,
    request_time: Option<RequestTime>,
    host: Option<EntityId>,
    version: Option<EntityId>,
    what: What,
}

enum What {
    Request {
        entity: EntityId,
        status: Status,
        latency_ms: f64,
        request_id: Option<Box<str>>,
        trace_id: Option<Box<str>>,
    },
    Metric {
        series: SeriesId,
        value: f64,
        n: u64,
    },
    Span(Box<OwnedSpan>),
    Log {
        entity: EntityId,
        level: Box<str>,
        body: Box<str>,
        trace_id: Option<Box<str>>,
    },
    Change {
        service: Box<str>,
        kind: Box<str>,
        name: Box<str>,
        version: Box<str>,
    },
}

/// A span's own fields; its service and operation are names like those of requests.
struct OwnedSpan {
    entity: EntityId,
    trace: Box<str>,
    id: Box<str>,
    parent: Option<Box<str>>,
    duration_ms: f64,
    status: Box<str>,
    kind: SpanKind,
    peer: Option<Box<str>>,
}

/// The names of held records: merging needs all of them; the pipeline's own tables have bounds.
pub struct Names {
    entities: EntityTable,
    series: SeriesTable,
}

impl Names {
    /// None yet.
    pub fn new() -> Self {
        let all = u32::MAX as usize - 1;
        Self { entities: EntityTable::new(all), series: SeriesTable::new(all) }
    }

    /// A record to be held; none of a kind that is not held.
    pub fn keep(&mut self, record: &Record<'_>, origin: Origin) -> Option<Owned> {
        let (timestamp, host, version, what) = match record {
            Record::Request(request) => {
                let entity = self.entities.id(request.service, request.endpoint);
                let &Request { timestamp, status, latency_ms, .. } = request;
                let [request_id, trace_id] =
                    [request.request_id, request.trace_id].map(|id| id.map(Into::into));
                let what = What::Request { entity, status, latency_ms, request_id, trace_id };
                (timestamp, request.host, request.version, what)
            }
            Record::Metric(point) => {
                let entity = self.entities.id(point.service, point.resource);
                let series = self.series.id(entity, point.metric, &self.entities)?;
                let what = What::Metric { series, value: point.value, n: point.n };
                (point.timestamp, point.host, "", what)
            }
            Record::Span(span) => {
                let owned = OwnedSpan {
                    entity: self.entities.id(span.service, span.operation),
                    trace: span.trace_id.into(),
                    id: span.span_id.into(),
                    parent: span.parent_id.map(Into::into),
                    duration_ms: span.duration_ms,
                    status: span.status.into(),
                    kind: span.kind,
                    peer: span.peer.map(Into::into),
                };
                (span.start, span.host, span.version, What::Span(Box::new(owned)))
            }
            Record::Log(line) => {
                let entity = self.entities.id(line.service, "");
                let (level, body) = (line.level.into(), line.body.into());
                let trace_id = line.trace_id.map(Into::into);
                (line.timestamp, line.host, "", What::Log { entity, level, body, trace_id })
            }
            Record::Change(change) => {
                let &Change { timestamp, service, kind, name, version } = change;
                let [service, kind, name, version] = [service, kind, name, version].map(Into::into);
                (timestamp, "", "", What::Change { service, kind, name, version })
            }
            Record::Edge(_) => return None,
        };
        let [host, version] = [host, version].map(|name| {
            let name = Some(name).filter(|name| !name.is_empty());
            name.map(|name| self.entities.id(name, ""))
        });
        let Origin { position, request_time, .. } = origin;
        Some(Owned { timestamp, position, request_time, host, version, what })
    }

    /// A held record as it was read, and where it stands.
    pub fn record<'a>(&'a self, held: &'a Owned) -> Option<(Record<'a>, Origin)> {
        let &Owned { timestamp, position, request_time, host, version, .. } = held;
        let [host, version] = [host, version].map(|name| {
            name.and_then(|name| self.entities.get(name)).map_or("", |name| &*name.service)
        });
        let record = match &held.what {
            What::Request { entity, status, latency_ms, request_id, trace_id } => {
                let entity = self.entities.get(*entity)?;
                let request = Request::new(
                    timestamp,
                    &entity.service,
                    &entity.endpoint,
                    *status,
                    *latency_ms,
                );
                let (request_id, trace_id) = (request_id.as_deref(), trace_id.as_deref());
                let request = Request { request_id, trace_id, host, version, ..request };
                Record::Request(request)
            }
            What::Metric { series, value, n } => {
                let name = self.series.get(*series)?;
                let entity = self.entities.get(name.entity)?;
                let point = MetricPoint::new(timestamp, &entity.service, &name.metric, *value);
                let point = MetricPoint { resource: &entity.endpoint, n: *n, host, ..point };
                Record::Metric(point)
            }
            What::Span(span) => {
                let entity = self.entities.get(span.entity)?;
                let record = Span {
                    trace_id: &span.trace,
                    span_id: &span.id,
                    parent_id: span.parent.as_deref(),
                    service: &entity.service,
                    operation: &entity.endpoint,
                    start: timestamp,
                    duration_ms: span.duration_ms,
                    status: &span.status,
                    kind: span.kind,
                    peer: span.peer.as_deref(),
                    host,
                    version,
                };
                Record::Span(record)
            }
            What::Log { entity, level, body, trace_id } => {
                let service = &self.entities.get(*entity)?.service;
                let line = LogLine::new(timestamp, service, level, body);
                let line = LogLine { trace_id: trace_id.as_deref(), host, ..line };
                Record::Log(line)
            }
            What::Change { service, kind, name, version } => {
                let change = Change { timestamp, service, kind, name, version };
                Record::Change(change)
            }
        };
        Some((record, Origin { request_time, ..Origin::at(position) }))
    }
}
