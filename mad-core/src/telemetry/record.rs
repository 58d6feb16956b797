//! Telemetry of any kind as one type, and where a record came from.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Change, Edge, LogLine, MetricPoint, RejectReason, Request, RequestTime, Span};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// A kind of telemetry: the one list of kinds for decoders, tables and counters.
///
/// # Examples
///
/// ```
/// use mad_core::RecordKind;
///
/// assert_eq!(RecordKind::parse("spans")?, RecordKind::Spans);
/// assert_eq!(RecordKind::Spans.to_string(), "spans");
/// let error = RecordKind::parse("traces").unwrap_err().to_string();
/// assert!(error.contains("requests, metrics, spans, logs, changes, edges"), "{error}");
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// Served requests: [`Request`].
    Requests,
    /// Points of metrics: [`MetricPoint`].
    Metrics,
    /// Spans of traces: [`Span`].
    Spans,
    /// Log lines: [`LogLine`].
    Logs,
    /// Deploys and other changes: [`Change`].
    Changes,
    /// Edges of the service graph: [`Edge`].
    Edges,
}

impl RecordKind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Requests, Self::Metrics, Self::Spans, Self::Logs, Self::Changes, Self::Edges];

    /// The name in commands, calls and routes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Metrics => "metrics",
            Self::Spans => "spans",
            Self::Logs => "logs",
            Self::Changes => "changes",
            Self::Edges => "edges",
        }
    }

    /// The names of the fields of its records, those that an input needs first.
    pub const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Requests => Request::FIELDS,
            Self::Metrics => MetricPoint::FIELDS,
            Self::Spans => Span::FIELDS,
            Self::Logs => LogLine::FIELDS,
            Self::Changes => Change::FIELDS,
            Self::Edges => Edge::FIELDS,
        }
    }

    /// The kind with a name.
    ///
    /// # Errors
    ///
    /// There is no such kind. The message lists all kinds.
    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            Error::input(format!("kind = {name:?}; there are: {known}"))
        })
    }

    /// Whether records of this kind have a time. Edges have none.
    pub const fn is_timed(self) -> bool {
        !matches!(self, Self::Edges)
    }

    /// The place in [`RecordKind::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One piece of telemetry of any kind, borrowed.
///
/// # Examples
///
/// ```
/// use mad_core::{Edge, Record, RecordKind, Request, Timestamp};
///
/// let at = Timestamp::from_seconds(60);
/// let request = Record::from(Request::new(at, "payments", "/pay", 200, 12.0));
/// assert_eq!((request.kind(), request.timestamp()), (RecordKind::Requests, Some(at)));
///
/// let edge = Record::from(Edge::new("cart", "payments"));
/// assert_eq!((edge.kind(), edge.timestamp()), (RecordKind::Edges, None));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Record<'a> {
    /// A served request.
    Request(Request<'a>),
    /// A point of a metric.
    Metric(MetricPoint<'a>),
    /// A span of a trace.
    Span(Span<'a>),
    /// A line of a log.
    Log(LogLine<'a>),
    /// A change of a service.
    Change(Change<'a>),
    /// An edge of the service graph.
    Edge(Edge<'a>),
}

impl Record<'_> {
    /// The kind.
    pub const fn kind(&self) -> RecordKind {
        match self {
            Self::Request(_) => RecordKind::Requests,
            Self::Metric(_) => RecordKind::Metrics,
            Self::Span(_) => RecordKind::Spans,
            Self::Log(_) => RecordKind::Logs,
            Self::Change(_) => RecordKind::Changes,
            Self::Edge(_) => RecordKind::Edges,
        }
    }

    /// The time, of a span that of its start. An edge has none.
    pub const fn timestamp(&self) -> Option<Timestamp> {
        match self {
            Self::Request(request) => Some(request.timestamp),
            Self::Metric(point) => Some(point.timestamp),
            Self::Span(span) => Some(span.start),
            Self::Log(line) => Some(line.timestamp),
            Self::Change(change) => Some(change.timestamp),
            Self::Edge(_) => None,
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// The reason, and the field at fault.
    pub fn check(&self) -> std::result::Result<(), (RejectReason, &'static str)> {
        match self {
            Self::Request(request) => request.check(),
            Self::Metric(point) => point.check(),
            Self::Span(span) => span.check(),
            Self::Log(line) => line.check(),
            Self::Change(change) => change.check(),
            Self::Edge(edge) => edge.check(),
        }
    }
}

macro_rules! from_kinds {
    ($($variant:ident($kind:ident)),*) => {$(
        impl<'a> From<$kind<'a>> for Record<'a> {
            fn from(record: $kind<'a>) -> Self {
                Self::$variant(record)
            }
        }

        impl<'a> From<&$kind<'a>> for Record<'a> {
            fn from(record: &$kind<'a>) -> Self {
                Self::$variant(*record)
            }
        }
    )*};
}
from_kinds!(
    Request(Request),
    Metric(MetricPoint),
    Span(Span),
    Log(LogLine),
    Change(Change),
    Edge(Edge)
);

impl From<&Self> for Record<'_> {
    fn from(record: &Self) -> Self {
        *record
    }
}

/// A partition of the input, such as one of a Kafka topic. The default is the partition `""`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(u32);

impl PartitionId {
    /// The partition at a place of the pipeline's list.
    pub(crate) const fn new(place: u32) -> Self {
        Self(place)
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where a record came from.
///
/// # Examples
///
/// ```
/// use mad_core::{Pipeline, PipelineConfig, Request, Source, Timestamp, Update};
///
/// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
/// let partition = pipeline.partition("topic-7")?;
/// let mut update = Update::default();
/// let request = Request::new(Timestamp::from_seconds(0), "", "/pay", 200, 12.0);
/// pipeline.push(request, &Source::at(41).in_partition(partition), &mut update);
/// assert_eq!(update.rejected.first()[0].position, 41);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Source {
    /// The partition, each of which has its own watermark.
    pub partition: PartitionId,
    /// The place in the source, counted from 1 and shown for rejected records: the line of a text
    /// file or the row of a table. 0 where it is not known.
    pub position: u64,
    /// Whether its requests are dated by their start or their end. `None`: as
    /// [`FeatureConfig::request_time`](crate::FeatureConfig::request_time) says. Spans are always
    /// dated by their start.
    pub request_time: Option<RequestTime>,
}

impl Source {
    /// A position in the default partition.
    pub const fn at(position: u64) -> Self {
        Self { partition: PartitionId(0), position, request_time: None }
    }

    /// The same position in another partition.
    #[must_use]
    pub const fn in_partition(self, partition: PartitionId) -> Self {
        Self { partition, ..self }
    }

    /// The same source, its requests dated by their start or their end.
    #[must_use]
    pub const fn dated_by(self, time: RequestTime) -> Self {
        Self { request_time: Some(time), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_own_name_and_place() {
        for (place, kind) in RecordKind::ALL.into_iter().enumerate() {
            assert_eq!(kind.index(), place);
            assert_eq!(RecordKind::parse(kind.as_str()), Ok(kind));
        }
    }

    #[test]
    fn a_record_is_checked_as_its_kind() {
        let edge = Edge::new("cart", "");
        assert_eq!(Record::from(edge).check(), edge.check());
        let change = Change::new(Timestamp::from_seconds(0), "cart", "deploy");
        assert_eq!(Record::from(&change).check(), Ok(()));
    }
}
