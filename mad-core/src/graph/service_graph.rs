//! The graph itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::calls::{Call, CallTable, WINDOW};
use super::document::GraphCounters;
use super::ids;
use super::open::{Joined, OpenSpan, OpenSpans};
use super::requests::{OpenRequest, OpenTraces, calls};
use super::state::State;
use crate::error::Result;
use crate::limits::Limits;
use crate::robust::RollingMad;
use crate::telemetry::{Edge, Request, Span, SpanKind};
use crate::time::Timestamp;

/// The node of all services beyond [`Limits::services`].
pub(super) const OVERFLOW: &str = "(other)";

/// What is known of a service.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Node {
    pub name: Arc<str>,
    pub spans: u64,
    pub requests: u64,
    pub errors: u64,
    /// Whether an edge list names it.
    pub told: bool,
    /// When the last span or request began, ns.
    pub last: i64,
    /// Whether it is a node already: the name of a peer may turn out to be another's alias.
    pub seen: bool,
}

/// Who calls whom, live and bounded.
///
/// * **Spans** ([`span`](Self::span)): a child in another service than its parent is a call. Where the
///   parent is the caller's client half ([`SpanKind::Client`]), its duration is what the caller waited,
///   the child's what the callee worked, and the difference the gap: network and queues. Of a parent of
///   another or no kind, only the callee's work is known. Parents may come after their children.
/// * **Peers**: a client half that names a [`peer`](Span::peer) and that no other span answers is a call
///   to that peer, which is *inferred* as long as nothing else tells of it. This is decided when the span
///   leaves; [`settled`](Self::settled) decides it for a copy.
/// * **Edges** ([`edge`](Self::edge)) add calls that are known already.
/// * **Requests** ([`request`](Self::request)) that share a trace: one within another's time was called
///   by it. Their times are when they began.
///
/// Bounds: [`Limits::services`] (further ones share the node `(other)`), [`Limits::graph_edges`] (calls
/// of further ones are counted), [`Limits::open_spans`] (the oldest leave). Each edge remembers its last
/// 64 latencies. Ids are compared by 64-bit hashes. Spans that claim themselves or each other as
/// parents are counted and never followed. The same records give the same graph, and in any order as
/// long as they stay within the bounds.
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
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "State", into = "State")]
pub struct ServiceGraph {
    pub(super) services: usize,
    pub(super) graph_edges: usize,
    pub(super) open_spans: usize,
    pub(super) nodes: Vec<Node>,
    pub(super) by_name: HashMap<Arc<str>, u32>,
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
            by_name: HashMap::new(),
            calls: CallTable::new(limits.graph_edges, RollingMad::new(WINDOW)?),
            open: OpenSpans::new(limits.open_spans),
            traces: OpenTraces::new(limits.open_spans),
            counters: GraphCounters::default(),
        })
    }

    /// Takes a span. One whose duration is negative or not finite is counted and left out, as is one
    /// whose id is held already.
    pub fn span(&mut self, span: &Span<'_>) {
        if !(span.duration_ms.is_finite() && span.duration_ms >= 0.0) {
            self.counters.bad_spans += 1;
            return;
        }
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

    /// Joins a span to what came before it.
    pub(super) fn take(&mut self, span: OpenSpan) {
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
        if let Some(left) = joined.left {
            self.counters.spans_left += 1;
            self.leave(&left);
        }
    }

    /// Takes an edge that is known already; its calls are added to those seen.
    pub fn edge(&mut self, edge: &Edge<'_>) {
        let [caller, callee] = [edge.caller, edge.callee].map(|name| {
            let node = self.node(name);
            if let Some(node) = self.nodes.get_mut(node as usize) {
                (node.told, node.seen) = (true, true);
            }
            node
        });
        if !self.calls.told(caller, callee, edge.calls) {
            self.counters.calls_dropped = self.counters.calls_dropped.saturating_add(edge.calls);
        }
    }

    /// Takes a request; one without a trace makes its service a node and tells of no call. Traces
    /// that began more than an hour before it are over.
    pub fn request(&mut self, request: &Request<'_>) {
        self.request_by(request, Some(request.timestamp));
    }

    /// The same where it is `now` by other requests: one that is dated far ahead ends no trace.
    pub fn request_by(&mut self, request: &Request<'_>, now: Option<Timestamp>) {
        let duration_ms = request.latency_ms;
        if !(duration_ms.is_finite() && duration_ms >= 0.0) {
            self.counters.bad_spans += 1;
            return;
        }
        let service = self.node(request.service);
        let failed = request.is_error();
        if let Some(node) = self.nodes.get_mut(service as usize) {
            (node.requests, node.seen) = (node.requests + 1, true);
            node.last = node.last.max(request.timestamp.nanos());
            node.errors += u64::from(failed);
        }
        let Some(trace) = request.trace_id else { return };
        let start = request.timestamp.nanos();
        let request = OpenRequest { service, start, duration_ms, failed };
        while let Some(over) = now.and_then(|now| self.traces.pop_over(now.nanos())) {
            self.nest(over);
        }
        for left in self.traces.push(ids::id(0, trace), request) {
            self.counters.spans_left += left.len() as u64;
            self.nest(left);
        }
    }

    /// Whether a service tells of its requests, with their traces, itself.
    pub fn tells_requests(&self, service: &str) -> bool {
        let place = self.by_name.get(service);
        place
            .and_then(|place| self.nodes.get(*place as usize))
            .is_some_and(|node| node.requests > 0)
    }

    /// Nothing more comes: peers that nobody answered for become nodes, parents that did not come
    /// are counted. Spans that come later start anew.
    pub fn close(&mut self) {
        while let Some(span) = self.open.pop() {
            self.leave(&span);
        }
        while let Some(trace) = self.traces.pop() {
            self.nest(trace);
        }
    }

    /// A closed copy: the graph as it is known now, this one going on.
    #[must_use]
    pub fn settled(&self) -> Self {
        let mut copy = self.clone();
        copy.close();
        copy
    }

    /// What was taken and what was not.
    pub const fn counters(&self) -> &GraphCounters {
        &self.counters
    }

    pub(super) fn join(&mut self, parent: &OpenSpan, child: &OpenSpan) {
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

    pub(super) fn leave(&mut self, span: &OpenSpan) {
        if span.parent.is_some() && !span.joined {
            self.counters.missing_parents += 1;
        }
        if span.answered {
            return;
        }
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

    pub(super) fn nest(&mut self, trace: Vec<OpenRequest>) {
        for (caller, request) in calls(trace) {
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

    /// The place of a name.
    pub(super) fn node(&mut self, name: &str) -> u32 {
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

    /// Nodes by name.
    pub(super) fn seen(&self) -> BTreeMap<&Arc<str>, &Node> {
        self.nodes.iter().filter(|node| node.seen).map(|node| (&node.name, node)).collect()
    }
}
