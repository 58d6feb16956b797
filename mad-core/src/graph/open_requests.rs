//! Open traces of requests, and the calls inferred from requests that share a trace.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;

use serde::{Deserialize, Serialize};

use super::ids::ByHash;

/// How far a request may end after its caller, ns. Log times are often cut to the millisecond.
const TOLERANCE: i64 = 1_000_000;

/// How long a trace stays open after its first request began, ns. One hour is longer than any usual
/// lateness of records.
const HOLD: i64 = 3_600 * 1_000_000_000;

/// One request of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct OpenRequest {
    pub service: u32,
    pub start: i64,
    pub duration_ms: f64,
    pub failed: bool,
}

impl OpenRequest {
    fn end(&self) -> i64 {
        self.start.saturating_add((self.duration_ms * 1e6) as i64)
    }
}

/// The requests of one trace that have come. Most traces of a file have one, which needs no memory
/// beside the table of traces.
#[derive(Debug, Clone)]
pub(super) struct OpenTrace {
    first: OpenRequest,
    more: Vec<OpenRequest>,
}

impl OpenTrace {
    const fn new(first: OpenRequest) -> Self {
        Self { first, more: Vec::new() }
    }

    /// Number of requests.
    pub fn len(&self) -> usize {
        1 + self.more.len()
    }

    /// The requests in order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = &OpenRequest> {
        std::iter::once(&self.first).chain(&self.more)
    }
}

/// Traces whose requests may still arrive, ordered by the arrival of their first request.
#[derive(Debug, Clone)]
pub(super) struct OpenTraces {
    cap: usize,
    held: usize,
    /// Each trace with the start of its first request.
    order: VecDeque<(u64, i64)>,
    traces: ByHash<OpenTrace>,
}

impl OpenTraces {
    pub fn new(cap: usize) -> Self {
        Self { cap, held: 0, order: VecDeque::new(), traces: ByHash::default() }
    }

    /// From saved traces in order; `None` if they hold too many requests or one is listed twice.
    pub fn restored(cap: usize, all: Vec<(u64, Vec<OpenRequest>)>) -> Option<Self> {
        let (listed, mut held) = (all.len(), 0);
        let (mut order, mut traces) = (VecDeque::new(), ByHash::default());
        for (trace, requests) in all {
            let mut requests = requests.into_iter();
            let mut open = OpenTrace::new(requests.next()?);
            open.more.extend(requests);
            held += open.len();
            order.push_back((trace, open.first.start));
            traces.insert(trace, open);
        }
        let fits = traces.len() == listed && held <= cap;
        fits.then_some(Self { cap, held, order, traces })
    }

    /// Number of open requests.
    pub const fn len(&self) -> usize {
        self.held
    }

    /// All open traces in order of arrival.
    pub fn in_order(&self) -> impl Iterator<Item = (u64, &OpenTrace)> {
        self.order.iter().filter_map(|(trace, _)| Some((*trace, self.traces.get(trace)?)))
    }

    /// Adds a request and returns the traces evicted for it.
    pub fn push(&mut self, trace: u64, request: OpenRequest) -> Vec<OpenTrace> {
        let mut evicted = Vec::new();
        // whole traces are evicted, oldest first
        while self.held >= self.cap {
            let Some(oldest) = self.pop() else { break };
            evicted.push(oldest);
        }
        self.held += 1;
        match self.traces.entry(trace) {
            Entry::Occupied(mut known) => known.get_mut().more.push(request),
            Entry::Vacant(place) => {
                self.order.push_back((trace, request.start));
                place.insert(OpenTrace::new(request));
            }
        }
        evicted
    }

    /// Evicts the oldest trace if it began more than [`HOLD`] before or after `at`.
    pub fn pop_expired(&mut self, at: i64) -> Option<OpenTrace> {
        let (_, start) = self.order.front()?;
        let apart = at.saturating_sub(*start).unsigned_abs();
        if apart > HOLD.unsigned_abs() { self.pop() } else { None }
    }

    /// Replaces the places of nodes.
    pub fn renumber(&mut self, place: impl Fn(u32) -> u32) {
        for trace in self.traces.values_mut() {
            for request in std::iter::once(&mut trace.first).chain(&mut trace.more) {
                request.service = place(request.service);
            }
        }
    }

    /// Evicts the oldest trace.
    pub fn pop(&mut self) -> Option<OpenTrace> {
        let requests = self.traces.remove(&self.order.pop_front()?.0)?;
        self.held -= requests.len();
        Some(requests)
    }
}

/// The calls within a trace, as pairs of calling service and called request.
///
/// The caller of a request is the shortest request of another service whose time encloses it.
pub(super) fn infer_calls(trace: OpenTrace) -> Vec<(u32, OpenRequest)> {
    if trace.more.is_empty() {
        return Vec::new();
    }
    let OpenTrace { first, more: mut trace } = trace;
    trace.insert(0, first);
    // by start, then the longest first, so that an enclosing request comes before those it encloses
    trace.sort_by(|a, b| {
        let longest = (b.end(), a.service).cmp(&(a.end(), b.service));
        a.start.cmp(&b.start).then(longest).then(a.failed.cmp(&b.failed))
    });
    let mut calls = Vec::new();
    // requests that enclose the current one, the innermost last
    let mut enclosing: Vec<OpenRequest> = Vec::new();
    for request in trace {
        while enclosing.last().is_some_and(|outer| {
            outer.end().saturating_add(TOLERANCE) < request.end() || outer.end() < request.start
        }) {
            enclosing.pop();
        }
        if let Some(outer) = enclosing.last()
            && outer.service != request.service
        {
            calls.push((outer.service, request));
        }
        enclosing.push(request);
    }
    calls
}
