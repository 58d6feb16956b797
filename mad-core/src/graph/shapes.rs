//! The usual shape of traces, and the spans that are missing from one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids;
use super::open_trace::{OpenSpan, OpenTrace};
use crate::limits::Limits;
use crate::telemetry::Span;
use crate::time::{SECOND, Timestamp};

/// Traces with an operation from which its callers and callees are known.
const ENOUGH: u32 = 20;
/// Traces after which the past counts half.
const MEMORY: u32 = 1_000;
/// Callers, and callees, remembered of an operation.
const MOST_TIES: usize = 64;

/// What operations usually call each other, and which spans a trace lacks.
///
/// A span is *missing* from a trace where an operation that is there has in more than half of the
/// traces before a callee that is not there, or where a span names a parent that is not there and
/// its operation has a usual caller; and so on from what is missing. What a span that failed did not
/// come to is not missing: spans of its own service and, where something that it called failed or
/// outlasted it, of others. A trace is judged, then learnt,
/// once the time is a minute past its first span; spans that come later are left out. An operation
/// that was in fewer than 20 traces says nothing.
///
/// # Examples
///
/// ```
/// use mad_core::graph::TraceShapes;
/// use mad_core::{Limits, Span, SpanKind, Timestamp};
///
/// let mut shapes = TraceShapes::new(&Limits::default());
/// for i in 0..30_i64 {
///     let trace = i.to_string();
///     let front = Span {
///         trace_id: &trace,
///         span_id: "1",
///         parent_id: None,
///         service: "front",
///         operation: "GET /",
///         start: Timestamp::from_seconds(i),
///         duration_ms: 9.0,
///         status: "ok",
///         kind: SpanKind::Server,
///         peer: None,
///     };
///     shapes.span(&front);
///     if i != 25 {
///         let (service, parent_id) = ("cart", Some("1"));
///         shapes.span(&Span { span_id: "2", parent_id, service, operation: "add", ..front });
///     }
/// }
/// let traces = shapes.close(Timestamp::MAX);
/// assert_eq!(traces[25].start, Timestamp::from_seconds(25));
/// assert_eq!(shapes.operation(traces[25].missing[0]).unwrap().0, "cart");
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TraceShapes {
    most_spans: usize,
    most_operations: usize,
    operations: Vec<Operation>,
    places: BTreeMap<Arc<str>, BTreeMap<Arc<str>, u32>>,
    open: BTreeMap<u64, OpenTrace>,
    order: BTreeSet<(Timestamp, u64)>,
    held: usize,
    closed: Timestamp,
}

/// A trace that is whole.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceShape {
    /// When its first span began.
    pub start: Timestamp,
    /// The operations in it, in order.
    pub present: Vec<u32>,
    /// The operations that it lacks, in order.
    pub missing: Vec<u32>,
    /// How long its calls were on their way.
    pub gaps: Vec<CallGap>,
}

/// How long a call from one service to another was on its way, there and back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CallGap {
    /// The operation of the caller's client half.
    pub caller: u32,
    /// The operation that was called.
    pub callee: u32,
    /// How much longer the caller waited than the callee worked, ms, 0 or more.
    pub ms: f64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Operation {
    service: Arc<str>,
    name: Arc<str>,
    /// Traces with it.
    traces: u32,
    callers: BTreeMap<u32, u32>,
    callees: BTreeMap<u32, u32>,
}

impl Operation {
    /// The caller in more than half of its traces.
    fn caller(&self) -> Option<u32> {
        self.usual(&self.callers).next()
    }

    /// Those that it calls in more than half of its traces.
    fn callees(&self) -> impl Iterator<Item = u32> {
        self.usual(&self.callees)
    }

    fn usual(&self, ties: &BTreeMap<u32, u32>) -> impl Iterator<Item = u32> {
        let traces = self.traces;
        let usual = move |(_, count): &(&u32, &u32)| traces >= ENOUGH && **count > traces / 2;
        ties.iter().filter(usual).map(|(place, _)| *place)
    }

    fn age(&mut self) {
        if self.traces < MEMORY {
            return;
        }
        self.traces /= 2;
        for ties in [&mut self.callers, &mut self.callees] {
            ties.retain(|_, count| {
                *count /= 2;
                *count > 0
            });
        }
    }
}

fn count(ties: &mut BTreeMap<u32, u32>, place: u32) {
    if ties.len() < MOST_TIES || ties.contains_key(&place) {
        *ties.entry(place).or_default() += 1;
    }
}

impl TraceShapes {
    /// How long after its first span began a trace is whole, ns.
    pub const HELD_FOR: i64 = 60 * SECOND;

    /// Nothing is known yet. Bounds: `limits.open_spans` (the oldest traces leave, unjudged) and
    /// `limits.entities` (spans of further operations are left out).
    pub fn new(limits: &Limits) -> Self {
        Self {
            most_spans: limits.open_spans,
            most_operations: limits.entities,
            operations: Vec::new(),
            places: BTreeMap::new(),
            open: BTreeMap::new(),
            order: BTreeSet::new(),
            held: 0,
            closed: Timestamp::MIN,
        }
    }

    /// Takes a span.
    pub fn span(&mut self, span: &Span<'_>) {
        if span.start < self.closed {
            return;
        }
        let Some(operation) = self.place(span.service, span.operation) else { return };
        while self.held >= self.most_spans {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            self.held -= self.open.remove(&oldest).map_or(0, |trace| trace.spans.len());
        }
        let key = ids::id(0, span.trace_id);
        let id = |text: &str| ids::id(key, text);
        let trace = self.open.entry(key).or_default();
        if trace.spans.is_empty() || span.start < trace.start {
            self.order.remove(&(trace.start, key));
            self.order.insert((span.start, key));
            trace.start = span.start;
        }
        let (id, parent) = (id(span.span_id), span.parent_id.map(id));
        let (failed, kind, duration_ms) = (span.is_error(), span.kind, span.duration_ms);
        trace.spans.push(OpenSpan { id, parent, operation, failed, kind, duration_ms });
        self.held += 1;
    }

    /// Time has come to `now`: the traces that are whole, in order of their start.
    pub fn close(&mut self, now: Timestamp) -> Vec<TraceShape> {
        let begun = if now == Timestamp::MAX { now } else { now.plus(-Self::HELD_FOR) };
        let mut out = Vec::new();
        while let Some((start, key)) = self.order.first().copied() {
            if start >= begun {
                break;
            }
            self.order.pop_first();
            let Some(trace) = self.open.remove(&key) else { continue };
            self.held -= trace.spans.len();
            out.push(self.judge(&trace));
            self.learn(&trace);
        }
        self.closed = self.closed.max(out.last().map_or(Timestamp::MIN, |last| last.start));
        out
    }

    /// Service and operation of a place in a [`TraceShape`].
    pub fn operation(&self, place: u32) -> Option<(&str, &str)> {
        self.operations.get(place as usize).map(|known| (&*known.service, &*known.name))
    }

    /// Whether a span of that operation would be missed: it is a usual callee or caller.
    pub fn is_usual(&self, place: u32) -> bool {
        let Some(known) = self.operations.get(place as usize) else { return false };
        let of = |other: &u32| self.operations.get(*other as usize);
        known.callees().next().is_some()
            || known
                .callers
                .keys()
                .filter_map(of)
                .any(|caller| caller.callees().any(|callee| callee == place))
    }

    /// Adds what another learnt, and its open traces.
    pub fn absorb(&mut self, other: &Self) {
        let names = other.operations.iter();
        let places: Vec<Option<u32>> =
            names.map(|known| self.place(&known.service, &known.name)).collect();
        let here = |place: u32| places.get(place as usize).copied().flatten();
        for (known, place) in other.operations.iter().zip(&places) {
            let Some(mine) = place.and_then(|place| self.operations.get_mut(place as usize)) else {
                continue;
            };
            mine.traces = mine.traces.saturating_add(known.traces);
            for (ties, theirs) in
                [(&mut mine.callers, &known.callers), (&mut mine.callees, &known.callees)]
            {
                for (place, count) in theirs {
                    if let Some(place) = here(*place) {
                        *ties.entry(place).or_default() += count;
                    }
                }
            }
        }
        for (key, trace) in &other.open {
            let known = self.open.entry(*key).or_default();
            if known.spans.is_empty() || trace.start < known.start {
                self.order.remove(&(known.start, *key));
                self.order.insert((trace.start, *key));
                known.start = trace.start;
            }
            let spans = trace
                .spans
                .iter()
                .filter_map(|span| Some(OpenSpan { operation: here(span.operation)?, ..*span }));
            let before = known.spans.len();
            known.spans.extend(spans);
            self.held += known.spans.len() - before;
        }
        self.closed = self.closed.max(other.closed);
    }

    fn place(&mut self, service: &str, name: &str) -> Option<u32> {
        if let Some(place) = self.places.get(service).and_then(|names| names.get(name)) {
            return Some(*place);
        }
        if self.operations.len() >= self.most_operations {
            return None;
        }
        let place = self.operations.len() as u32;
        let (service, name): (Arc<str>, Arc<str>) = (service.into(), name.into());
        let names = self.places.entry(Arc::clone(&service)).or_default();
        names.insert(Arc::clone(&name), place);
        self.operations.push(Operation { service, name, ..Operation::default() });
        Some(place)
    }

    fn judge(&self, trace: &OpenTrace) -> TraceShape {
        let ids: BTreeSet<u64> = trace.spans.iter().map(|span| span.id).collect();
        let present: BTreeSet<u32> = trace.spans.iter().map(|span| span.operation).collect();
        let of = |place: u32| self.operations.get(place as usize);
        let failed = trace.failed();
        let was_tried = |caller: &Operation, place: u32, callee: u32| {
            failed.get(&place).is_none_or(|by_a_call| {
                !by_a_call && of(callee).is_some_and(|callee| callee.service != caller.service)
            })
        };
        let mut missing: BTreeSet<u32> = BTreeSet::new();
        let mut next: Vec<u32> = Vec::new();
        for (place, known) in present.iter().filter_map(|place| Some((*place, of(*place)?))) {
            next.extend(known.callees().filter(|callee| was_tried(known, place, *callee)));
        }
        for span in &trace.spans {
            if span.parent.is_some_and(|parent| !ids.contains(&parent)) {
                next.extend(of(span.operation).and_then(Operation::caller));
            }
        }
        while let Some(place) = next.pop() {
            if present.contains(&place) || !missing.insert(place) {
                continue;
            }
            if let Some(known) = of(place) {
                next.extend(known.caller());
                next.extend(known.callees());
            }
        }
        TraceShape {
            start: trace.start,
            present: present.into_iter().collect(),
            missing: missing.into_iter().collect(),
            gaps: trace.gaps(|a, b| of(a).map(|a| &a.service) == of(b).map(|b| &b.service)),
        }
    }

    fn learn(&mut self, trace: &OpenTrace) {
        let by_id: BTreeMap<u64, u32> =
            trace.spans.iter().map(|span| (span.id, span.operation)).collect();
        let present: BTreeSet<u32> = by_id.values().copied().collect();
        let calls = trace
            .spans
            .iter()
            .filter_map(|span| Some((*by_id.get(&span.parent?)?, span.operation)));
        let calls: BTreeSet<(u32, u32)> = calls.filter(|(a, b)| a != b).collect();
        for place in present {
            if let Some(known) = self.operations.get_mut(place as usize) {
                known.age();
                known.traces += 1;
            }
        }
        for (caller, callee) in calls {
            if let Some(known) = self.operations.get_mut(caller as usize) {
                count(&mut known.callees, callee);
            }
            if let Some(known) = self.operations.get_mut(callee as usize) {
                count(&mut known.callers, caller);
            }
        }
    }
}
