//! The result of judging one partition: rows, forwarded records and learnt state.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::counters::Counters;
use super::entity_export::EntityExport;
use super::survey::{Turn, TurnOf, check_version};
use super::{envelope, packed};
use crate::error::{Error, Result};
use crate::guard::JudgedRow;
use crate::history::FlaggedRow;
use crate::incident::RowOutcome;
use crate::series::Entity;
use crate::telemetry::{ChangeEvent, Edge, Rejections, Request, Span, SpanKind, Status};
use crate::time::Timestamp;

/// The result of judging one partition, which [`Pipeline::combine`](super::Pipeline::combine) takes.
#[derive(Serialize, Deserialize)]
pub struct Part {
    pub(super) version: String,
    pub(super) partition: String,
    /// Fingerprint of the plan.
    pub(super) plan: u32,
    /// The rows: most of the part.
    #[serde(with = "packed::unnamed")]
    pub(super) rows: Vec<PartRow>,
    pub(super) silences: Vec<Silence>,
    #[serde(with = "packed::unnamed")]
    pub(super) forwarded: Vec<Forwarded>,
    #[serde(with = "packed::named")]
    pub(super) entities: Vec<PartEntity>,
    /// Records, good and bad.
    pub(super) records: u64,
    pub(super) counters: Counters,
    pub(super) rejections: Rejections,
    pub(super) watermark: Timestamp,
    /// What the caller adds to the part.
    #[serde(with = "serde_bytes")]
    pub attachment: Vec<u8>,
}

impl Part {
    /// The name of the partition.
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// The part as bytes.
    ///
    /// # Errors
    ///
    /// A failure of the encoder.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        envelope::seal(envelope::PART, self)
    }

    /// Reads a part.
    ///
    /// # Errors
    ///
    /// The bytes are no part, are cut or damaged, or come from another version of mad.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let part: Self = envelope::open(envelope::PART, bytes)?;
        check_version(&part.version, "part", &part.partition)?;
        Ok(part)
    }

    /// Whether another part has the same rows and forwarded records.
    pub(super) fn is_same(&self, other: &Self) -> Result<bool> {
        // as bytes, in which a NaN equals a NaN
        let bytes =
            |part: &Self| Ok((packed::encoded(&part.rows)?, packed::encoded(&part.forwarded)?));
        Ok::<bool, Error>(bytes(self)? == bytes(other)?)
    }
}

/// A judged row and its outcome for the grouping of incidents.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PartRow {
    /// The step that closes it. For the count of no lines, that of the next line of its service.
    pub closes: Timestamp,
    pub judged: JudgedRow,
    pub outcome: RowOutcome,
}

/// A flagged row of a silence, found at the end of a step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Silence {
    pub step: Timestamp,
    pub entity: Arc<Entity>,
    pub row: FlaggedRow,
}

/// The learnt state of an entity.
#[derive(Serialize, Deserialize)]
pub(super) struct PartEntity {
    pub entity: Arc<Entity>,
    /// The record with which its name came.
    pub seen: Timestamp,
    pub export: EntityExport,
}

/// A record that is joined with those of other services.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Forwarded {
    /// A request with a trace id.
    Request {
        /// When it is taken.
        at: Timestamp,
        began: Timestamp,
        /// When it counts, unless that is delayed.
        counts: Option<Timestamp>,
        service: Box<str>,
        failed: bool,
        latency_ms: f64,
        trace_id: Box<str>,
    },
    Span(Box<ForwardedSpan>),
    Change(ChangeEvent),
    Edge {
        caller: Box<str>,
        callee: Box<str>,
        calls: u64,
    },
}

/// A span with the learnt route of its operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ForwardedSpan {
    trace_id: Box<str>,
    span_id: Box<str>,
    parent_id: Option<Box<str>>,
    service: Box<str>,
    operation: Box<str>,
    route: Option<Box<str>>,
    start: Timestamp,
    duration_ms: f64,
    status: Box<str>,
    kind: SpanKind,
    peer: Option<Box<str>>,
    /// Whether it counts as a request.
    pub is_request: bool,
}

impl ForwardedSpan {
    pub fn new(span: &Span<'_>, route: &str, is_request: bool) -> Self {
        let boxed = |text: Option<&str>| text.map(Box::from);
        Self {
            trace_id: span.trace_id.into(),
            span_id: span.span_id.into(),
            parent_id: boxed(span.parent_id),
            service: span.service.into(),
            operation: span.operation.into(),
            route: boxed(Some(route).filter(|route| *route != span.operation)),
            start: span.start,
            duration_ms: span.duration_ms,
            status: span.status.into(),
            kind: span.kind,
            peer: boxed(span.peer),
            is_request,
        }
    }

    /// The span as it came.
    pub fn span(&self) -> Span<'_> {
        Span {
            trace_id: &self.trace_id,
            span_id: &self.span_id,
            parent_id: self.parent_id.as_deref(),
            service: &self.service,
            operation: &self.operation,
            start: self.start,
            duration_ms: self.duration_ms,
            status: &self.status,
            kind: self.kind,
            peer: self.peer.as_deref(),
            host: "",
            version: "",
        }
    }

    /// The span with the route of its operation.
    pub fn routed(&self) -> Span<'_> {
        let span = self.span();
        Span { operation: self.route.as_deref().unwrap_or(span.operation), ..span }
    }
}

impl Forwarded {
    pub fn edge(edge: &Edge<'_>) -> Self {
        let Edge { caller, callee, calls } = *edge;
        Self::Edge { caller: caller.into(), callee: callee.into(), calls }
    }

    /// Its moment among all records.
    pub fn turn(&self) -> Turn {
        match self {
            Self::Edge { .. } => (Timestamp::MIN, TurnOf::Edges),
            Self::Change(change) => (change.at, TurnOf::Changes),
            Self::Request { at, .. } => (*at, TurnOf::Requests),
            Self::Span(span) => (span.start, TurnOf::Spans),
        }
    }

    /// The request of the graph, if it is one.
    pub fn request(&self) -> Option<Request<'_>> {
        let Self::Request { began, service, failed, latency_ms, trace_id, .. } = self else {
            return None;
        };
        let status = if *failed { Status::Failure } else { Status::Success };
        let request = Request::new(*began, service, "", status, *latency_ms);
        Some(Request { trace_id: Some(trace_id), ..request })
    }
}
