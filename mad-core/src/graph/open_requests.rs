//! Open traces of requests, and the calls inferred from requests that share a trace.

use std::collections::VecDeque;

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

/// Traces whose requests may still arrive, ordered by the arrival of their first request.
#[derive(Debug, Clone)]
pub(super) struct OpenTraces {
    cap: usize,
    held: usize,
    /// Each trace with the start of its first request.
    order: VecDeque<(u64, i64)>,
    traces: ByHash<Vec<OpenRequest>>,
}

impl OpenTraces {
    pub fn new(cap: usize) -> Self {
        Self { cap, held: 0, order: VecDeque::new(), traces: ByHash::default() }
    }

    /// From saved traces in order; `None` if they hold too many requests or one is listed twice.
    pub fn restored(cap: usize, all: Vec<(u64, Vec<OpenRequest>)>) -> Option<Self> {
        let held = all.iter().map(|(_, requests)| requests.len()).sum();
        let first = |requests: &[OpenRequest]| requests.first().map_or(0, |first| first.start);
        let order: VecDeque<(u64, i64)> =
            all.iter().map(|(trace, requests)| (*trace, first(requests))).collect();
        let traces: ByHash<Vec<OpenRequest>> = all.into_iter().collect();
        let fits = traces.len() == order.len() && held <= cap;
        fits.then_some(Self { cap, held, order, traces })
    }

    /// All open traces in order of arrival.
    pub fn in_order(&self) -> impl Iterator<Item = (u64, &Vec<OpenRequest>)> {
        self.order.iter().filter_map(|(trace, _)| Some((*trace, self.traces.get(trace)?)))
    }

    /// Adds a request and returns the traces evicted for it.
    pub fn push(&mut self, trace: u64, request: OpenRequest) -> Vec<Vec<OpenRequest>> {
        let mut evicted = Vec::new();
        // whole traces are evicted, oldest first
        while self.held >= self.cap {
            let Some(oldest) = self.pop() else { break };
            evicted.push(oldest);
        }
        self.held += 1;
        let requests = self.traces.entry(trace).or_default();
        if requests.is_empty() {
            self.order.push_back((trace, request.start));
        }
        requests.push(request);
        evicted
    }

    /// Evicts the oldest trace if it began more than [`HOLD`] before or after `at`.
    pub fn pop_expired(&mut self, at: i64) -> Option<Vec<OpenRequest>> {
        let (_, start) = self.order.front()?;
        let apart = at.saturating_sub(*start).unsigned_abs();
        if apart > HOLD.unsigned_abs() { self.pop() } else { None }
    }

    /// Replaces the places of nodes.
    pub fn renumber(&mut self, place: impl Fn(u32) -> u32) {
        for request in self.traces.values_mut().flatten() {
            request.service = place(request.service);
        }
    }

    /// Evicts the oldest trace.
    pub fn pop(&mut self) -> Option<Vec<OpenRequest>> {
        let requests = self.traces.remove(&self.order.pop_front()?.0)?;
        self.held -= requests.len();
        Some(requests)
    }
}

/// The calls within a trace, as pairs of calling service and called request.
///
/// The caller of a request is the shortest request of another service whose time encloses it.
pub(super) fn infer_calls(mut trace: Vec<OpenRequest>) -> Vec<(u32, OpenRequest)> {
    if trace.len() < 2 {
        return Vec::new();
    }
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
