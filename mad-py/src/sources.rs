//! Sources of any kind merged by time, or sorted in memory.

use std::collections::VecDeque;

use mad_core::series::{EntityId, EntityTable, SeriesId, SeriesTable};
use mad_core::time::ZonePolicy;
use mad_core::{Error, MetricPoint, Rejections, Request, Result, Timestamp};

use crate::kinds::{KindName, Record, Sink};
use crate::source::{Piece, Source};

/// A record with its names replaced by ids.
pub struct Owned {
    timestamp: Timestamp,
    position: u64,
    what: What,
}

enum What {
    Request { entity: EntityId, status_code: i64, latency_ms: f64, request_id: Option<Box<str>> },
    Metric { series: SeriesId, value: f64, n: u64 },
}

/// The names of held records: merging needs all of them; the pipeline's own tables have bounds.
struct Names {
    entities: EntityTable,
    series: SeriesTable,
}

/// Any number of sources. One comes out as it is read; several are merged by time, each being in
/// order itself; or all are held and sorted. Kinds that nothing judges only pass through.
pub struct Sources {
    sources: Vec<(Source, VecDeque<Owned>)>,
    names: Names,
    zone: ZonePolicy,
    sort: Option<usize>,
    held: usize,
}

impl Sources {
    /// `sort` is how many records may be held to sort them; `None` takes them as they come.
    pub fn new(kinds: &[KindName], zone: ZonePolicy, sort: Option<usize>) -> Self {
        let source = |kind: &KindName| (Source::new(*kind), VecDeque::new());
        let all = u32::MAX as usize - 1;
        Self {
            sources: kinds.iter().map(source).collect(),
            names: Names { entities: EntityTable::new(all), series: SeriesTable::new(all) },
            zone,
            sort,
            held: 0,
        }
    }

    /// The kind of a source.
    pub fn kind(&self, index: usize) -> Result<KindName> {
        let count = self.sources.len();
        let source = self.sources.get(index).filter(|(source, _)| !source.ended);
        source.map(|(source, _)| source.kind).ok_or_else(|| {
            Error::argument("source", index, &format!("the index of an open source, below {count}"))
        })
    }

    /// How times without a zone are read.
    pub fn zone(&self) -> ZonePolicy {
        self.zone
    }

    /// Which source has to be read next; `None` when all have ended.
    pub fn wants(&self) -> Option<usize> {
        let open = || self.sources.iter().enumerate().filter(|(_, (source, _))| !source.ended);
        let empty = open().find(|(_, (_, queue))| queue.is_empty());
        empty.or_else(|| open().next()).map(|(i, _)| i)
    }

    /// Reads a piece of a source. What is then in order goes to `sink`.
    pub fn feed(
        &mut self,
        index: usize,
        piece: &Piece<'_>,
        sink: &mut dyn FnMut(KindName, Record<'_>, u64),
        rejections: &mut Rejections,
    ) -> Result<()> {
        let kind = self.kind(index)?;
        let judged = self.sources.iter().filter(|(source, _)| source.kind.is_judged()).count();
        let Self { sources, names, zone, sort, held } = self;
        let Some((source, queue)) = sources.get_mut(index) else { return Ok(()) };
        if !kind.is_judged() || (judged == 1 && sort.is_none()) {
            source.read(piece, *zone, &mut |record, at| sink(kind, record, at), rejections)?;
        } else {
            let keep: &mut Sink<'_> = &mut |record, position| {
                queue.extend(names.keep(&record, position));
                *held += 1;
            };
            source.read(piece, *zone, keep, rejections)?;
        }
        match *sort {
            Some(limit) if *held > limit => Err(Error::input(format!(
                "the input is not ordered by time and has more than {limit} records; sort it, or \
                 raise limits.sort_records"
            ))),
            Some(_) => Ok(()),
            None => {
                self.merge(sink);
                Ok(())
            }
        }
    }

    /// What was held to be sorted, by time; equal times keep their order.
    pub fn sorted(&mut self) -> Vec<Owned> {
        let queues = self.sources.iter_mut().flat_map(|(_, queue)| std::mem::take(queue));
        let mut all: Vec<Owned> = queues.collect();
        all.sort_by_key(|record| record.timestamp);
        self.held = 0;
        all
    }

    /// A held record as it was read, with its kind and position.
    pub fn record<'a>(&'a self, held: &'a Owned) -> Option<(KindName, Record<'a>, u64)> {
        self.names.record(held)
    }

    /// Hands out the oldest records as long as every open source of judged records has one.
    fn merge(&mut self, sink: &mut dyn FnMut(KindName, Record<'_>, u64)) {
        let ready = |(source, queue): &(Source, VecDeque<Owned>)| {
            source.ended || !source.kind.is_judged() || !queue.is_empty()
        };
        while self.sources.iter().all(ready) {
            let fronts = self.sources.iter().enumerate();
            let oldest =
                fronts.filter_map(|(i, (_, queue))| Some((queue.front()?.timestamp, i))).min();
            let Some((_, index)) = oldest else { return };
            let record = self.sources.get_mut(index).and_then(|(_, queue)| queue.pop_front());
            if let Some(held) = record {
                self.held -= 1;
                if let Some((kind, record, position)) = self.names.record(&held) {
                    sink(kind, record, position);
                }
            }
        }
    }
}

impl Names {
    fn keep(&mut self, record: &Record<'_>, position: u64) -> Option<Owned> {
        let (timestamp, what) = match record {
            Record::Request(request) => {
                let entity = self.entities.id(request.service, request.endpoint);
                let &Request { timestamp, status_code, latency_ms, .. } = request;
                let request_id = request.request_id.map(Into::into);
                (timestamp, What::Request { entity, status_code, latency_ms, request_id })
            }
            Record::Metric(point) => {
                let entity = self.entities.id(point.service, point.resource);
                let series = self.series.id(entity, point.metric, &self.entities)?;
                (point.timestamp, What::Metric { series, value: point.value, n: point.n })
            }
            _ => return None,
        };
        Some(Owned { timestamp, position, what })
    }

    fn record<'a>(&'a self, held: &'a Owned) -> Option<(KindName, Record<'a>, u64)> {
        let &Owned { timestamp, position, .. } = held;
        Some(match &held.what {
            What::Request { entity, status_code, latency_ms, request_id } => {
                let entity = self.entities.get(*entity)?;
                let request = Request::new(
                    timestamp,
                    &entity.service,
                    &entity.endpoint,
                    *status_code,
                    *latency_ms,
                );
                let request = Request { request_id: request_id.as_deref(), ..request };
                (KindName::Requests, Record::Request(request), position)
            }
            What::Metric { series, value, n } => {
                let name = self.series.get(*series)?;
                let entity = self.entities.get(name.entity)?;
                let point = MetricPoint::new(timestamp, &entity.service, &name.metric, *value);
                let point = MetricPoint { resource: &entity.endpoint, n: *n, ..point };
                (KindName::Metrics, Record::Metric(point), position)
            }
        })
    }
}
