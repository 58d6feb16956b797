//! Profiles of traces: the calls that operations usually make, and the spans missing from a trace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ids;
use super::open_trace::{CallGap, OpenTrace, TraceSpan};
use crate::limits::Limits;
use crate::telemetry::Span;
use crate::time::Timestamp;

/// Traces with an operation before its usual callers and callees are known.
const MIN_TRACES: u32 = 20;
/// Traces after which the counts of an operation are halved, so that old traces lose weight.
const HALVE_AFTER: u32 = 1_000;
/// Largest number of callers, and of callees, kept for an operation.
const MAX_NEIGHBOURS: usize = 64;

/// Learns which operations usually call each other and finds the spans missing from a trace.
///
/// An operation is *usual* for another if it was its callee, or its caller, in more than half of the
/// traces before. A trace is first judged and then learnt, one minute after its first span began.
/// Spans that arrive later are ignored.
///
/// # Method
///
/// A span is missing from a trace in three cases:
///
/// 1. An operation of the trace has a usual callee that is not in the trace.
/// 2. A span names a parent that is not in the trace, and its operation has a usual caller.
/// 3. A missing operation itself has a usual caller or callee that is not in the trace.
///
/// A failed span may have stopped before its calls, so its absent callees in its own service are not
/// missing. If a call explains the failure, its absent callees in other services are not missing
/// either.
///
/// # Limits
///
/// An operation in fewer than 20 traces has no usual callers and callees. After 1,000 traces its
/// counts are halved. At most 64 callers and 64 callees of an operation are kept.
///
/// # Examples
///
/// ```
/// use mad_core::graph::TraceProfiles;
/// use mad_core::{Limits, Span, SpanKind, Timestamp};
///
/// let mut profiles = TraceProfiles::new(&Limits::default());
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
///         host: "",
///         version: "",
///     };
///     profiles.span(&front);
///     if i != 25 {
///         let (service, parent_id) = ("cart", Some("1"));
///         profiles.span(&Span { span_id: "2", parent_id, service, operation: "add", ..front });
///     }
/// }
/// let traces = profiles.close(Timestamp::MAX);
/// assert_eq!(traces[25].start, Timestamp::from_seconds(25));
/// assert_eq!(profiles.operation(traces[25].missing[0]).unwrap().0, "cart");
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TraceProfiles {
    most_spans: usize,
    most_operations: usize,
    operations: Vec<Operation>,
    places: BTreeMap<Arc<str>, BTreeMap<Arc<str>, u32>>,
    open: BTreeMap<u64, OpenTrace>,
    order: BTreeSet<(Timestamp, u64)>,
    held: usize,
    closed: Timestamp,
}

/// A complete trace.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceProfile {
    /// Start of its first span.
    pub start: Timestamp,
    /// The operations in it, in ascending order.
    pub present: Vec<u32>,
    /// The operations missing from it, in ascending order.
    pub missing: Vec<u32>,
    /// The gaps of its calls between services.
    pub gaps: Vec<CallGap>,
}

/// An operation of a service with its callers and callees, each with a count of traces.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Operation {
    service: Arc<str>,
    name: Arc<str>,
    /// Traces that contain it.
    traces: u32,
    callers: BTreeMap<u32, u32>,
    callees: BTreeMap<u32, u32>,
}

impl Operation {
    /// The usual caller.
    fn usual_caller(&self) -> Option<u32> {
        self.usual(&self.callers).next()
    }

    /// The usual callees.
    fn usual_callees(&self) -> impl Iterator<Item = u32> {
        self.usual(&self.callees)
    }

    /// The neighbours that occur in more than half of the traces.
    fn usual(&self, neighbours: &BTreeMap<u32, u32>) -> impl Iterator<Item = u32> {
        let traces = self.traces;
        let usual = move |(_, count): &(&u32, &u32)| traces >= MIN_TRACES && **count > traces / 2;
        neighbours.iter().filter(usual).map(|(place, _)| *place)
    }

    /// Halves all counts once there are many traces.
    fn halve_counts(&mut self) {
        if self.traces < HALVE_AFTER {
            return;
        }
        self.traces /= 2;
        for neighbours in [&mut self.callers, &mut self.callees] {
            neighbours.retain(|_, count| {
                *count /= 2;
                *count > 0
            });
        }
    }
}

/// Counts a neighbour if there is room for it.
fn count(neighbours: &mut BTreeMap<u32, u32>, place: u32) {
    if neighbours.len() < MAX_NEIGHBOURS || neighbours.contains_key(&place) {
        *neighbours.entry(place).or_default() += 1;
    }
}

impl TraceProfiles {
    /// How long after the start of its first span a trace is complete.
    pub const HOLD: Duration = Duration::from_secs(60);

    /// Empty profiles. `limits.open_spans` bounds the open spans: beyond it the oldest traces are
    /// evicted without a judgement. `limits.entities` bounds the operations: spans of further ones
    /// are ignored.
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
        // over the limit the oldest traces are evicted without a judgement
        while self.held >= self.most_spans {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            self.held -= self.open.remove(&oldest).map_or(0, |trace| trace.spans.len());
        }
        let key = ids::id(0, span.trace_id);
        let id = |text: &str| ids::id(key, text);
        let trace = self.open.entry(key).or_default();
        // the start of a trace is that of its earliest span
        if trace.spans.is_empty() || span.start < trace.start {
            self.order.remove(&(trace.start, key));
            self.order.insert((span.start, key));
            trace.start = span.start;
        }
        let (id, parent) = (id(span.span_id), span.parent_id.map(id));
        let (failed, kind, duration_ms) = (span.is_error(), span.kind, span.duration_ms);
        trace.spans.push(TraceSpan { id, parent, operation, failed, kind, duration_ms });
        self.held += 1;
    }

    /// Closes the traces that are complete at `now`, judges and learns them, in order of their start.
    pub fn close(&mut self, now: Timestamp) -> Vec<TraceProfile> {
        let begun = if now == Timestamp::MAX { now } else { now - Self::HOLD };
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

    /// Service and operation of a place in [`TraceProfile::present`] and
    /// [`TraceProfile::missing`].
    pub fn operation(&self, place: u32) -> Option<(&str, &str)> {
        self.operations.get(place as usize).map(|known| (&*known.service, &*known.name))
    }

    /// Whether the absence of the operation would be noticed: it has a usual callee, or is one.
    pub fn is_usual(&self, place: u32) -> bool {
        let Some(known) = self.operations.get(place as usize) else { return false };
        let of = |other: &u32| self.operations.get(*other as usize);
        known.usual_callees().next().is_some()
            || known
                .callers
                .keys()
                .filter_map(of)
                .any(|caller| caller.usual_callees().any(|callee| callee == place))
    }

    /// Adds the profiles and the open traces of another instance.
    pub fn absorb(&mut self, other: &Self) {
        let names = other.operations.iter();
        // places of the other instance's operations in this one
        let places: Vec<Option<u32>> =
            names.map(|known| self.place(&known.service, &known.name)).collect();
        let here = |place: u32| places.get(place as usize).copied().flatten();
        for (known, place) in other.operations.iter().zip(&places) {
            let Some(mine) = place.and_then(|place| self.operations.get_mut(place as usize)) else {
                continue;
            };
            mine.traces = mine.traces.saturating_add(known.traces);
            for (neighbours, theirs) in
                [(&mut mine.callers, &known.callers), (&mut mine.callees, &known.callees)]
            {
                for (place, count) in theirs {
                    if let Some(place) = here(*place) {
                        *neighbours.entry(place).or_default() += count;
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
                .filter_map(|span| Some(TraceSpan { operation: here(span.operation)?, ..*span }));
            let before = known.spans.len();
            known.spans.extend(spans);
            self.held += known.spans.len() - before;
        }
        self.closed = self.closed.max(other.closed);
    }

    /// The place of an operation, created if there is room.
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

    /// Finds the operations missing from a trace.
    fn judge(&self, trace: &OpenTrace) -> TraceProfile {
        let ids: BTreeSet<u64> = trace.spans.iter().map(|span| span.id).collect();
        let present: BTreeSet<u32> = trace.spans.iter().map(|span| span.operation).collect();
        let of = |place: u32| self.operations.get(place as usize);
        let failed = trace.failed();
        // whether an operation got as far as calling the callee before it failed
        let was_tried = |caller: &Operation, place: u32, callee: u32| {
            failed.get(&place).is_none_or(|explained_by_call| {
                !explained_by_call
                    && of(callee).is_some_and(|callee| callee.service != caller.service)
            })
        };
        // usual callees of present operations, and usual callers of spans whose parent is absent
        let mut missing: BTreeSet<u32> = BTreeSet::new();
        let mut next: Vec<u32> = Vec::new();
        for (place, known) in present.iter().filter_map(|place| Some((*place, of(*place)?))) {
            next.extend(known.usual_callees().filter(|callee| was_tried(known, place, *callee)));
        }
        for span in &trace.spans {
            if span.parent.is_some_and(|parent| !ids.contains(&parent)) {
                next.extend(of(span.operation).and_then(Operation::usual_caller));
            }
        }
        // from each missing operation on to its own usual caller and callees
        while let Some(place) = next.pop() {
            if present.contains(&place) || !missing.insert(place) {
                continue;
            }
            if let Some(known) = of(place) {
                next.extend(known.usual_caller());
                next.extend(known.usual_callees());
            }
        }
        TraceProfile {
            start: trace.start,
            present: present.into_iter().collect(),
            missing: missing.into_iter().collect(),
            gaps: trace.gaps(|a, b| of(a).map(|a| &a.service) == of(b).map(|b| &b.service)),
        }
    }

    /// Counts the operations and calls of a trace.
    fn learn(&mut self, trace: &OpenTrace) {
        let by_id: BTreeMap<u64, u32> =
            trace.spans.iter().map(|span| (span.id, span.operation)).collect();
        let present: BTreeSet<u32> = by_id.values().copied().collect();
        let calls = trace
            .spans
            .iter()
            .filter_map(|span| Some((*by_id.get(&span.parent?)?, span.operation)));
        // each pair of operations counts once in a trace
        let calls: BTreeSet<(u32, u32)> = calls.filter(|(a, b)| a != b).collect();
        for place in present {
            if let Some(known) = self.operations.get_mut(place as usize) {
                known.halve_counts();
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
