//! Collects the spans of an incident and of normal time, with interned names.

use std::collections::HashMap;
use std::sync::Arc;

use crate::limits::Limits;
use crate::telemetry::{Span, SpanKind};

/// Interned names.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    all: Vec<Arc<str>>,
    places: HashMap<Arc<str>, u32>,
}

impl Names {
    /// The id of a name.
    fn place(&mut self, name: &str) -> u32 {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let (name, place) = (Arc::<str>::from(name), self.all.len() as u32);
        self.all.push(Arc::clone(&name));
        self.places.insert(name, place);
        place
    }

    /// Alphabetical rank of each name.
    pub fn ranks(&self) -> Vec<u32> {
        let mut order: Vec<usize> = (0..self.all.len()).collect();
        order.sort_by_key(|place| self.all.get(*place));
        let mut ranks = vec![0; self.all.len()];
        for (rank, place) in (0..).zip(order) {
            if let Some(slot) = ranks.get_mut(place) {
                *slot = rank;
            }
        }
        ranks
    }

    /// The name of an id.
    pub fn name(&self, place: u32) -> Arc<str> {
        self.all.get(place as usize).cloned().unwrap_or_default()
    }
}

/// Service, operation, and whether the span is on the client side.
pub(super) type Place = (u32, u32, bool);

/// A span with interned names.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub trace: u32,
    pub id: Arc<str>,
    pub parent: Option<Arc<str>>,
    pub service: u32,
    pub operation: u32,
    pub peer: Option<u32>,
    pub kind: SpanKind,
    pub failed: bool,
    pub start: i64,
    pub duration_ms: f64,
}

impl Call {
    pub fn place(&self) -> Place {
        (self.service, self.operation, self.kind.is_caller())
    }

    /// End by its own clock, ns.
    pub fn end(&self) -> i64 {
        self.start.saturating_add((self.duration_ms * 1e6) as i64)
    }
}

/// Spans of an incident and, optionally, of normal time.
#[derive(Debug, Clone)]
pub struct TraceWindow {
    cap: usize,
    dropped: u64,
    pub(super) names: Names,
    pub(super) traces: Names,
    pub(super) incident: Vec<Call>,
    pub(super) reference: Vec<Call>,
}

impl TraceWindow {
    /// An empty window for at most [`Limits::sort_records`] spans.
    pub fn new(limits: &Limits) -> Self {
        let (names, traces) = (Names::default(), Names::default());
        let (incident, reference) = (Vec::new(), Vec::new());
        Self { cap: limits.sort_records, dropped: 0, names, traces, incident, reference }
    }

    /// Takes a span of the incident. A span with a negative or infinite duration, or beyond the limit,
    /// is only counted.
    pub fn span(&mut self, span: &Span<'_>) {
        if let Some(call) = self.call(span) {
            self.incident.push(call);
        }
    }

    /// Takes a span of normal time, as [`span`](Self::span).
    pub fn reference(&mut self, span: &Span<'_>) {
        if let Some(call) = self.call(span) {
            self.reference.push(call);
        }
    }

    /// Spans that were not taken.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn call(&mut self, span: &Span<'_>) -> Option<Call> {
        let is_amount = span.duration_ms.is_finite() && span.duration_ms >= 0.0;
        if !is_amount || self.incident.len() + self.reference.len() >= self.cap {
            self.dropped += 1;
            return None;
        }
        let calls = span.kind.is_caller() || span.kind == SpanKind::Unknown;
        Some(Call {
            trace: self.traces.place(span.trace_id),
            id: span.span_id.into(),
            parent: span.parent_id.map(Into::into),
            service: self.names.place(span.service),
            operation: self.names.place(span.operation),
            peer: span.peer.filter(|_| calls).map(|peer| self.names.place(peer)),
            kind: span.kind,
            failed: span.is_error(),
            start: span.start.nanos(),
            duration_ms: span.duration_ms,
        })
    }
}
