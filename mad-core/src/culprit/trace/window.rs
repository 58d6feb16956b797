//! Spans of an incident and of normal time, names held once.

use std::collections::HashMap;
use std::sync::Arc;

use crate::limits::Limits;
use crate::telemetry::{Span, SpanKind};

/// Names by their places.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    all: Vec<Arc<str>>,
    places: HashMap<Arc<str>, u32>,
}

impl Names {
    fn place(&mut self, name: &str) -> u32 {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let (name, place) = (Arc::<str>::from(name), self.all.len() as u32);
        self.all.push(Arc::clone(&name));
        self.places.insert(name, place);
        place
    }

    /// Where each name stands among all by the alphabet.
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

    pub fn name(&self, place: u32) -> Arc<str> {
        self.all.get(place as usize).cloned().unwrap_or_default()
    }
}

/// What is called: a service, its operation, and which side of the call tells of it.
pub(super) type Place = (u32, u32, bool);

/// A span as the ranker needs it.
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

    /// When it ended, by its own clock.
    pub fn end(&self) -> i64 {
        self.start.saturating_add((self.duration_ms * 1e6) as i64)
    }
}

/// Spans of an incident, and of normal time as far as there are some.
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
    /// An empty window, for as many spans as [`Limits::sort_records`].
    pub fn new(limits: &Limits) -> Self {
        let (names, traces) = (Names::default(), Names::default());
        let (incident, reference) = (Vec::new(), Vec::new());
        Self { cap: limits.sort_records, dropped: 0, names, traces, incident, reference }
    }

    /// Takes a span of the incident. One with a negative or infinite duration, or without room, is
    /// counted and left out.
    pub fn span(&mut self, span: &Span<'_>) {
        if let Some(call) = self.call(span) {
            self.incident.push(call);
        }
    }

    /// Takes a span of normal time.
    pub fn reference(&mut self, span: &Span<'_>) {
        if let Some(call) = self.call(span) {
            self.reference.push(call);
        }
    }

    /// Spans left out.
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
