//! Calls between requests that share a trace: what lies within another's time was called by it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::ids::ByHash;

/// Times of logs are often cut to the millisecond, ns.
const TOLERANCE: i64 = 1_000_000;

/// How long after its first request began a trace is held, ns: an hour, so that records that come
/// late within any usual bound still find it.
const HELD_FOR: i64 = 3_600 * 1_000_000_000;

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

/// Traces whose requests may still come, by arrival of their first.
#[derive(Debug, Clone)]
pub(super) struct OpenTraces {
    cap: usize,
    held: usize,
    order: VecDeque<u64>,
    traces: ByHash<Vec<OpenRequest>>,
}

impl OpenTraces {
    pub fn new(cap: usize) -> Self {
        Self { cap, held: 0, order: VecDeque::new(), traces: ByHash::default() }
    }

    /// From traces in order; `None` when they hold too much or one comes twice.
    pub fn restored(cap: usize, all: Vec<(u64, Vec<OpenRequest>)>) -> Option<Self> {
        let held = all.iter().map(|(_, requests)| requests.len()).sum();
        let order: VecDeque<u64> = all.iter().map(|(trace, _)| *trace).collect();
        let traces: ByHash<Vec<OpenRequest>> = all.into_iter().collect();
        let fits = traces.len() == order.len() && held <= cap;
        fits.then_some(Self { cap, held, order, traces })
    }

    pub fn in_order(&self) -> impl Iterator<Item = (u64, &Vec<OpenRequest>)> {
        self.order.iter().filter_map(|trace| Some((*trace, self.traces.get(trace)?)))
    }

    /// Takes a request; the traces that had to leave for it.
    pub fn push(&mut self, trace: u64, request: OpenRequest) -> Vec<Vec<OpenRequest>> {
        let mut left = Vec::new();
        while self.held >= self.cap {
            let Some(oldest) = self.pop() else { break };
            left.push(oldest);
        }
        self.held += 1;
        let requests = self.traces.entry(trace).or_default();
        if requests.is_empty() {
            self.order.push_back(trace);
        }
        requests.push(request);
        left
    }

    /// A trace that is long over by a moment, or dated far after it, leaves.
    pub fn pop_over(&mut self, at: i64) -> Option<Vec<OpenRequest>> {
        let oldest = self.traces.get(self.order.front()?)?;
        let apart = at.saturating_sub(oldest.first()?.start).unsigned_abs();
        if apart > HELD_FOR.unsigned_abs() { self.pop() } else { None }
    }

    /// Calls nodes by other places.
    pub fn renumber(&mut self, place: impl Fn(u32) -> u32) {
        for request in self.traces.values_mut().flatten() {
            request.service = place(request.service);
        }
    }

    /// The oldest trace leaves.
    pub fn pop(&mut self) -> Option<Vec<OpenRequest>> {
        let requests = self.traces.remove(&self.order.pop_front()?)?;
        self.held -= requests.len();
        Some(requests)
    }
}

/// Caller and request of every call in a trace: the caller is the shortest request of another
/// service that spans it.
pub(super) fn calls(mut trace: Vec<OpenRequest>) -> Vec<(u32, OpenRequest)> {
    trace.sort_by(|a, b| {
        let longest = (b.end(), a.service).cmp(&(a.end(), b.service));
        a.start.cmp(&b.start).then(longest).then(a.failed.cmp(&b.failed))
    });
    let mut calls = Vec::new();
    let mut within: Vec<OpenRequest> = Vec::new();
    for request in trace {
        while within.last().is_some_and(|outer| {
            outer.end().saturating_add(TOLERANCE) < request.end() || outer.end() < request.start
        }) {
            within.pop();
        }
        if let Some(outer) = within.last()
            && outer.service != request.service
        {
            calls.push((outer.service, request));
        }
        within.push(request);
    }
    calls
}
