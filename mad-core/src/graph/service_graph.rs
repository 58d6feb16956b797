//! The service graph: takes spans, requests and edges, and joins them to calls.
//!
//! The file is longer than others because one type joins spans, requests and edges in
//! the same tables.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::calls::{Call, CallTable, WINDOW};
use super::ids;
use super::node::{GraphCounters, Node};
use super::open_requests::{OpenRequest, OpenTrace, OpenTraces, infer_calls};
use super::open_spans::{Joined, OpenSpan, OpenSpans};
use crate::error::Result;
use crate::limits::Limits;
use crate::robust::RollingMad;
use crate::series::NameHash;
use crate::telemetry::{Edge, Request, Span, SpanKind};
use crate::time::Timestamp;

/// Name of the node that stands for all services beyond [`Limits::services`].
const OVERFLOW: &str = "(other)";

/// A live, bounded graph of the calls between services.
///
/// # Sources of calls
///
/// * **Spans** ([`span`](Self::span)): a span in another service than its parent is a call. If the
///   parent is a client span ([`SpanKind::Client`]), its duration is the client latency, the child's
///   duration the server latency, and the difference the gap: network and queues. With a parent of
///   another kind only the server latency is known. Parents may arrive after their children.
/// * **Peers**: a client span that names a [`peer`](Span::peer) and that no other span answers is a
///   call to that peer. The peer is *inferred* while no span, request or edge list names it as a
///   service. The decision is made when the span is evicted; [`settled`](Self::settled) makes it for
///   a copy.
/// * **Edges** ([`edge`](Self::edge)): calls that an edge list declares.
/// * **Requests** ([`request`](Self::request)) that share a trace: a request whose time lies within
///   that of another service's request was called by it. Request times are starts.
///
/// # Limits
///
/// [`Limits::services`] (further services share the node `(other)`), [`Limits::graph_edges`] (calls
/// of further edges are only counted) and [`Limits::open_spans`] (the oldest spans are evicted). Each
/// edge keeps its last 64 latencies. Ids are compared by 64-bit hashes. Spans that name themselves or
/// each other as parents are counted and not followed. The same records in any order give the same
/// graph while they stay within the limits.
///
/// # Examples
///
/// ```
/// use mad_core::{Limits, ServiceGraph, Span, SpanKind, Timestamp};
///
/// let mut graph = ServiceGraph::new(&Limits::default())?;
/// let client = Span {
///     trace_id: "t",
///     span_id: "1",
///     parent_id: None,
///     service: "cart",
///     operation: "POST /pay",
///     start: Timestamp::from_seconds(0),
///     duration_ms: 12.0,
///     status: "ok",
///     kind: SpanKind::Client,
///     peer: None,
///     host: "",
///     version: "",
/// };
/// let (service, kind) = ("payments", SpanKind::Server);
/// let server = Span { span_id: "2", parent_id: Some("1"), service, kind, duration_ms: 9.0, ..client };
/// graph.span(&server);
/// graph.span(&client);
/// let query = Span { span_id: "3", parent_id: Some("2"), peer: Some("ledger-db"), service, ..client };
/// graph.span(&query);
///
/// let graph = graph.settled();
/// assert_eq!(&*graph.callees("cart")[0], "payments");
/// assert_eq!(graph.edges()[0].gap.median_ms, 3.0);
/// assert!(graph.edges()[1].inferred);
/// assert_eq!(graph.downstream("cart", 9)[1], ("ledger-db".into(), 2));
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ServiceGraph {
    pub(super) services: usize,
    pub(super) graph_edges: usize,
    pub(super) open_spans: usize,
    pub(super) nodes: Vec<Node>,
    pub(super) by_name: HashMap<Arc<str>, u32, NameHash>,
    pub(super) calls: CallTable,
    pub(super) open: OpenSpans,
    pub(super) traces: OpenTraces,
    pub(super) counters: GraphCounters,
}

impl ServiceGraph {
    /// An empty graph.
    ///
    /// # Errors
    ///
    /// A limit outside its range.
    pub fn new(limits: &Limits) -> Result<Self> {
        limits.validate()?;
        Ok(Self {
            services: limits.services,
            graph_edges: limits.graph_edges,
            open_spans: limits.open_spans,
            nodes: Vec::new(),
            by_name: HashMap::default(),
            calls: CallTable::new(limits.graph_edges, RollingMad::new(WINDOW)?),
            open: OpenSpans::new(limits.open_spans),
            traces: OpenTraces::new(limits.open_spans),
            counters: GraphCounters::default(),
        })
    }

    /// Takes a span. A span whose duration is negative or not finite, or whose id is already held, is
    /// only counted.
    pub fn span(&mut self, span: &Span<'_>) {
        if !(span.duration_ms.is_finite() && span.duration_ms >= 0.0) {
            self.counters.bad_spans += 1;
            return;
        }
        // span ids are unique only within their trace
        let trace = ids::id(0, span.trace_id);
        let key = ids::id(trace, span.span_id);
        if self.open.contains(key) {
            self.counters.duplicate_spans += 1;
            return;
        }
        self.counters.spans += 1;
        let service = self.node(span.service);
        let failed = span.is_error();
        let start = span.start.nanos();
        if let Some(node) = self.nodes.get_mut(service as usize) {
            (node.spans, node.seen) = (node.spans + 1, true);
            node.last = node.last.max(start);
            node.errors += u64::from(failed);
        }
        // only the calling side of a call can name a peer
        let calls = span.kind.is_caller() || span.kind == SpanKind::Unknown;
        let mut parent = span.parent_id.map(|parent| ids::id(trace, parent));
        if parent == Some(key) {
            self.counters.cycles += 1;
            parent = None;
        }
        let open = OpenSpan {
            key,
            parent,
            service,
            peer: span.peer.filter(|_| calls).map(|peer| self.node(peer)),
            kind: span.kind,
            failed,
            start,
            duration_ms: span.duration_ms,
            joined: false,
            answered: false,
        };
        self.take(open);
    }

    /// Joins a span to its parent and children among the open spans.
    fn take(&mut self, span: OpenSpan) {
        if self.open.contains(span.key) {
            self.counters.duplicate_spans += 1;
            return;
        }
        let mut joined = Joined::default();
        self.open.push(span, &mut joined);
        self.counters.cycles += joined.cycles;
        for (parent, child) in joined.pairs {
            self.join(&parent, &child);
        }
        if let Some(evicted) = joined.evicted {
            self.counters.spans_evicted += 1;
            self.evict(&evicted);
        }
    }

    /// Takes an edge of an edge list. Its calls are added to those seen in spans and requests.
    pub fn edge(&mut self, edge: &Edge<'_>) {
        let [caller, callee] = [edge.caller, edge.callee].map(|name| {
            let node = self.node(name);
            if let Some(node) = self.nodes.get_mut(node as usize) {
                (node.declared, node.seen) = (true, true);
            }
            node
        });
        if !self.calls.declare(caller, callee, edge.calls) {
            self.counters.calls_dropped = self.counters.calls_dropped.saturating_add(edge.calls);
        }
    }

    /// Takes a request. Without a trace id it adds its service, but no call. Traces that began more
    /// than an hour before the request are closed.
    pub fn request(&mut self, request: &Request<'_>) {
        self.request_by(request, Some(request.timestamp));
    }

    /// Takes a request at the time `now` of the stream. A request dated far ahead then closes no
    /// trace.
    pub fn request_by(&mut self, request: &Request<'_>, now: Option<Timestamp>) {
        // a request of unknown latency contains no call
        let duration_ms = request.latency().unwrap_or(0.0);
        let service = self.node(request.service);
        let failed = request.is_error();
        if let Some(node) = self.nodes.get_mut(service as usize) {
            (node.requests, node.seen) = (node.requests + 1, true);
            node.last = node.last.max(request.timestamp.nanos());
            node.errors += u64::from(failed);
        }
        // requests without a trace add no calls
        let Some(trace) = request.trace_id else { return };
        let start = request.timestamp.nanos();
        let request = OpenRequest { service, start, duration_ms, failed };
        while let Some(expired) = now.and_then(|now| self.traces.pop_expired(now.nanos())) {
            self.infer_calls(expired);
        }
        for evicted in self.traces.push(ids::id(0, trace), request) {
            self.counters.spans_evicted += evicted.len() as u64;
            self.infer_calls(evicted);
        }
    }

    /// Whether the service sends its own request records.
    pub fn has_requests(&self, service: &str) -> bool {
        let place = self.by_name.get(service);
        place
            .and_then(|place| self.nodes.get(*place as usize))
            .is_some_and(|node| node.requests > 0)
    }

    /// Closes all open spans and traces: unanswered peers become nodes, and spans whose parent did not
    /// arrive are counted. Later spans are not joined to earlier ones.
    pub fn close(&mut self) {
        while let Some(span) = self.open.pop() {
            self.evict(&span);
        }
        while let Some(trace) = self.traces.pop() {
            self.infer_calls(trace);
        }
    }

    /// A closed copy, see [`close`](Self::close). This graph stays open.
    #[must_use]
    pub fn settled(&self) -> Self {
        let mut copy = self.clone();
        copy.close();
        copy
    }

    /// Records taken and dropped.
    pub const fn counters(&self) -> &GraphCounters {
        &self.counters
    }

    /// Counts the call from a parent span to a child span in another service.
    fn join(&mut self, parent: &OpenSpan, child: &OpenSpan) {
        if parent.calls(child) {
            let call = Call {
                failed: child.failed || parent.kind.is_caller() && parent.failed,
                client_ms: parent.kind.is_caller().then_some(parent.duration_ms),
                server_ms: (!child.kind.is_caller()).then_some(child.duration_ms),
                at: child.start,
                waits: parent.kind == SpanKind::Client && child.kind != SpanKind::Consumer,
            };
            self.call(parent.service, child.service, call);
        }
    }

    /// Decides the peer of a span to which no more spans will be joined.
    fn evict(&mut self, span: &OpenSpan) {
        if span.parent.is_some() && !span.joined {
            self.counters.missing_parents += 1;
        }
        if span.answered {
            return;
        }
        // an unanswered client span with a peer is a call to that peer
        if let Some(peer) = span.peer {
            let client_ms = Some(span.duration_ms);
            self.call(
                span.service,
                peer,
                Call { failed: span.failed, at: span.start, client_ms, ..Call::default() },
            );
            if let Some(node) = self.nodes.get_mut(peer as usize) {
                node.seen = true;
                node.last = node.last.max(span.start);
            }
        } else if span.kind.is_caller() {
            self.counters.unanswered += 1;
        }
    }

    /// Counts the calls between the requests of a complete trace.
    fn infer_calls(&mut self, trace: OpenTrace) {
        for (caller, request) in infer_calls(trace) {
            let server_ms = Some(request.duration_ms);
            let (failed, at) = (request.failed, request.start);
            let call = Call { failed, at, server_ms, ..Call::default() };
            self.call(caller, request.service, call);
        }
    }

    fn call(&mut self, caller: u32, callee: u32, call: Call) {
        if !self.calls.take(caller, callee, call) {
            self.counters.calls_dropped += 1;
        }
    }

    /// Caller and callee of every edge, in no particular order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let name = |place: u32| self.nodes.get(place as usize).map(|node| &*node.name);
        let edges = self.calls.all.iter();
        edges.filter_map(move |calls| Some((name(calls.caller)?, name(calls.callee)?)))
    }

    /// Adds another graph: its services, edges, open spans and open traces.
    ///
    /// If both graphs know an edge, the later latencies are kept. Spans of one trace that arrived in
    /// different graphs are joined.
    pub fn absorb(&mut self, other: Self) {
        let places: Vec<u32> = other.nodes.iter().map(|node| self.node(&node.name)).collect();
        for (there, place) in other.nodes.iter().zip(&places) {
            if let Some(node) = self.nodes.get_mut(*place as usize) {
                node.spans += there.spans;
                node.requests += there.requests;
                node.errors += there.errors;
                node.last = node.last.max(there.last);
                node.declared |= there.declared;
                node.seen |= there.seen;
            }
        }
        // open spans and traces enter as if they arrived here
        let place = |of: u32| places.get(of as usize).copied();
        for open in other.open.in_order() {
            let Some(service) = place(open.service) else { continue };
            self.take(OpenSpan { service, peer: open.peer.and_then(place), ..*open });
        }
        for (trace, requests) in other.traces.in_order() {
            for request in requests.iter() {
                let Some(service) = place(request.service) else { continue };
                for evicted in self.traces.push(trace, OpenRequest { service, ..*request }) {
                    self.counters.spans_evicted += evicted.len() as u64;
                    self.infer_calls(evicted);
                }
            }
        }
        for calls in other.calls.all {
            let (Some(caller), Some(callee)) = (place(calls.caller), place(calls.callee)) else {
                continue;
            };
            let count = calls.count;
            if !self.calls.absorb(caller, callee, calls) {
                self.counters.calls_dropped = self.counters.calls_dropped.saturating_add(count);
            }
        }
        self.counters.add(&other.counters);
    }

    /// Spans and requests to which others may still be joined.
    pub(crate) fn open_records(&self) -> usize {
        self.open.len().saturating_add(self.traces.len())
    }

    /// Drops edges without a call since `before`, and services without any edge or open record.
    ///
    /// Edges and services that an edge list declares are kept.
    pub fn forget(&mut self, before: Timestamp) {
        let before = before.nanos();
        if self.calls.all.iter().all(|calls| calls.last >= before)
            && self.nodes.iter().all(|node| node.declared || node.last >= before)
        {
            return;
        }
        self.calls.forget(before);
        // a service is kept if it is recent, or if an edge, an open span or an open request names it
        let mut needed: Vec<bool> =
            self.nodes.iter().map(|node| node.declared || node.last >= before).collect();
        let edges =
            self.calls.all.iter().flat_map(|calls| [Some(calls.caller), Some(calls.callee)]);
        let spans = self.open.in_order().flat_map(|span| [Some(span.service), span.peer]);
        let requests = self.traces.in_order().flat_map(|(_, trace)| trace.iter());
        let requests = requests.map(|request| Some(request.service));
        for place in edges.chain(spans).chain(requests).flatten() {
            if let Some(needed) = needed.get_mut(place as usize) {
                *needed = true;
            }
        }
        // the places of the kept services move up
        let mut next = 0;
        let places: Vec<u32> = needed
            .iter()
            .map(|needed| {
                next += u32::from(*needed);
                next.saturating_sub(1)
            })
            .collect();
        let place = |of: u32| places.get(of as usize).copied().unwrap_or_default();
        self.calls.renumber(place);
        self.open.renumber(place);
        self.traces.renumber(place);
        let mut kept = needed.into_iter();
        self.nodes.retain(|_| kept.next().unwrap_or(false));
        let names = self.nodes.iter().map(|node| Arc::clone(&node.name));
        self.by_name = names.zip(0..).collect();
    }

    /// The place of a service, created if there is room.
    fn node(&mut self, name: &str) -> u32 {
        if let Some(place) = self.by_name.get(name) {
            return *place;
        }
        let name = if self.by_name.len() >= self.services {
            self.counters.services_overflowed += 1;
            if let Some(place) = self.by_name.get(OVERFLOW) {
                return *place;
            }
            OVERFLOW
        } else {
            name
        };
        let (name, place) = (Arc::<str>::from(name), self.nodes.len() as u32);
        self.nodes.push(Node { name: Arc::clone(&name), last: i64::MIN, ..Node::default() });
        self.by_name.insert(name, place);
        place
    }

    /// The services that are part of the graph, by name.
    pub(super) fn seen(&self) -> BTreeMap<&Arc<str>, &Node> {
        self.nodes.iter().filter(|node| node.seen).map(|node| (&node.name, node)).collect()
    }
}
