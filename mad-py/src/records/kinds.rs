//! Every kind of record behind one face: decoders and tables of a kind that is named at run time.

use mad_core::time::ZonePolicy;
use mad_core::wire::{Changes, Decoder, Edges, Kind, Logs, Metrics, Requests, Spans};
use mad_core::{Change, Edge, Format, LogLine, MetricPoint, Rejections, Request, Result, Span};
use pyo3::prelude::*;

use crate::errors::value_error;
use crate::tables::record_table::RecordTable;

/// A good record as a pipeline takes it.
pub enum Record<'a> {
    /// A request.
    Request(Request<'a>),
    /// A point of a metric.
    Metric(MetricPoint<'a>),
    /// A span.
    Span(Span<'a>),
    /// An edge of the service graph.
    Edge(Edge<'a>),
    /// A change of a service.
    Change(Change<'a>),
    /// A line of a log.
    Log(LogLine<'a>),
}

/// Takes good records and their positions.
pub type Sink<'a> = dyn FnMut(Record<'_>, u64) + 'a;

/// A kind whose records can be handed on.
pub trait Readable: Kind {
    /// The record behind the one face.
    fn wrap(record: Self::Record<'_>) -> Record<'_>;
}

macro_rules! readable {
    ($($kind:ty => $wrap:expr),*) => {$(
        impl Readable for $kind {
            fn wrap(record: Self::Record<'_>) -> Record<'_> {
                $wrap(record)
            }
        }
    )*};
}
readable!(
    Requests => Record::Request,
    Metrics => Record::Metric,
    Spans => Record::Span,
    Edges => Record::Edge,
    Logs => Record::Log,
    Changes => Record::Change
);

/// Bytes in, records out.
pub trait Feed: Send + Sync {
    /// Takes the next bytes; `None` is the end.
    fn feed(
        &mut self,
        bytes: Option<&[u8]>,
        sink: &mut Sink<'_>,
        rejections: &mut Rejections,
    ) -> Result<()>;
}

impl<K: Readable + Send + Sync> Feed for Decoder<K> {
    fn feed(
        &mut self,
        bytes: Option<&[u8]>,
        sink: &mut Sink<'_>,
        rejections: &mut Rejections,
    ) -> Result<()> {
        let mut sink = |record: K::Record<'_>, line: u64| sink(K::wrap(record), line);
        match bytes {
            Some(bytes) => Decoder::feed(self, bytes, &mut sink, rejections),
            None => self.finish(&mut sink, rejections),
        }
    }
}

/// A table of some kind.
pub trait Columns: Send + Sync {
    /// Hands out every good record as it stands, `before` rows having come before.
    fn in_order(&self, before: u64, sink: &mut Sink<'_>, rejections: &mut Rejections);
    /// Rows, good and bad.
    fn rows(&self) -> usize;
}

impl<K: Readable + Send + Sync> Columns for RecordTable<K> {
    fn in_order(&self, before: u64, sink: &mut Sink<'_>, rejections: &mut Rejections) {
        let mut sink = |record: K::Record<'_>, row: u64| sink(K::wrap(record), row);
        self.in_order_after(before, &mut sink, rejections);
    }

    fn rows(&self) -> usize {
        RecordTable::rows(self)
    }
}

/// The name of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KindName {
    Requests,
    Metrics,
    Spans,
    Logs,
    Changes,
    Edges,
}

/// Runs `$body` with the kind's type as `$K`.
macro_rules! of_kind {
    ($name:expr, $K:ident => $body:expr) => {
        match $name {
            KindName::Requests => {
                type $K = Requests;
                $body
            }
            KindName::Metrics => {
                type $K = Metrics;
                $body
            }
            KindName::Spans => {
                type $K = Spans;
                $body
            }
            KindName::Logs => {
                type $K = Logs;
                $body
            }
            KindName::Changes => {
                type $K = Changes;
                $body
            }
            KindName::Edges => {
                type $K = Edges;
                $body
            }
        }
    };
}

impl KindName {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Requests, Self::Metrics, Self::Spans, Self::Logs, Self::Changes, Self::Edges];

    /// The kind of that name.
    pub fn parse(name: &str) -> PyResult<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            value_error(format!("kind = {name:?}; there are: {known}"))
        })
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        of_kind!(self, K => K::NAME)
    }

    /// Whether a pipeline takes its records in the order of their times.
    pub fn is_timed(self) -> bool {
        self != Self::Edges
    }

    /// A decoder of its records.
    pub fn decoder(self, format: Format, zone: ZonePolicy) -> Box<dyn Feed> {
        of_kind!(self, K => Box::new(Decoder::<K>::new(format, zone)))
    }

    /// A table of its records.
    pub fn table(self, table: &Bound<'_, PyAny>, zone: ZonePolicy) -> PyResult<Box<dyn Columns>> {
        Ok(of_kind!(self, K => Box::new(RecordTable::<K>::read(table, zone)?)))
    }

    /// The columns that its tables may have, the needed ones first, and how many those are.
    pub fn columns(self) -> (&'static [&'static str], usize) {
        of_kind!(self, K => (K::FIELDS, K::NEEDED))
    }
}

/// The columns of a kind: those a table needs, and those it may have.
#[pyfunction]
pub fn columns_of(kind: &str) -> PyResult<(Vec<&'static str>, Vec<&'static str>)> {
    let (fields, needed) = KindName::parse(kind)?.columns();
    let (needed, optional) = fields.split_at_checked(needed).unwrap_or((fields, &[]));
    Ok((needed.to_vec(), optional.to_vec()))
}
