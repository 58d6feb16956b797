//! Questions to the graph, and what it is as a whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::calls::{CallEdge, Calls};
use super::service_graph::{Node, ServiceGraph};

/// One service of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceNode {
    /// Its name.
    pub service: Arc<str>,
    /// Spans it wrote.
    pub spans: u64,
    /// Requests it logged.
    pub requests: u64,
    /// Spans and requests of it that failed.
    pub errors: u64,
    /// Whether it is known only because callers name it, as databases are.
    pub inferred: bool,
}

/// What was taken, what was not, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GraphCounters {
    /// Spans taken.
    pub spans: u64,
    /// Spans and requests whose duration is negative or not finite.
    pub bad_spans: u64,
    /// Spans whose id was held already.
    pub duplicate_spans: u64,
    /// Spans that claim themselves, or pairs that claim each other, as parents.
    pub cycles: u64,
    /// Spans whose parents had not come when they left.
    pub missing_parents: u64,
    /// Client halves without a peer that no span answered.
    pub unanswered: u64,
    /// Spans and requests that left because of `limits.open_spans`.
    pub spans_left: u64,
    /// Mentions of services beyond `limits.services`.
    pub services_overflowed: u64,
    /// Calls of edges beyond `limits.graph_edges`.
    pub calls_dropped: u64,
}

impl GraphCounters {
    /// Adds what another graph counted.
    pub(super) fn add(&mut self, other: &Self) {
        for (here, there) in [
            (&mut self.spans, other.spans),
            (&mut self.bad_spans, other.bad_spans),
            (&mut self.duplicate_spans, other.duplicate_spans),
            (&mut self.cycles, other.cycles),
            (&mut self.missing_parents, other.missing_parents),
            (&mut self.unanswered, other.unanswered),
            (&mut self.spans_left, other.spans_left),
            (&mut self.services_overflowed, other.services_overflowed),
            (&mut self.calls_dropped, other.calls_dropped),
        ] {
            *here = here.saturating_add(there);
        }
    }
}

/// The graph as JSON has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GraphDocument {
    /// Version of this form, 1.
    pub schema_version: u32,
    /// Services by name.
    pub nodes: Vec<ServiceNode>,
    /// Calls by the names of caller and callee.
    pub edges: Vec<CallEdge>,
    /// What was taken, what was not.
    pub counters: GraphCounters,
}

impl Node {
    fn is_inferred(&self) -> bool {
        self.spans == 0 && self.requests == 0 && !self.told
    }
}

impl ServiceGraph {
    /// Services by name.
    pub fn nodes(&self) -> Vec<ServiceNode> {
        let one = |(name, node): (&Arc<str>, &Node)| ServiceNode {
            service: Arc::clone(name),
            spans: node.spans,
            requests: node.requests,
            errors: node.errors,
            inferred: node.is_inferred(),
        };
        self.seen().into_iter().map(one).collect()
    }

    /// Calls by the names of caller and callee.
    pub fn edges(&self) -> Vec<CallEdge> {
        let mut edges: Vec<CallEdge> = self
            .calls
            .all
            .iter()
            .filter_map(|calls| {
                let caller = self.nodes.get(calls.caller as usize)?;
                let callee = self.nodes.get(calls.callee as usize)?;
                Some(calls.edge(&caller.name, &callee.name, callee.is_inferred()))
            })
            .collect();
        edges.sort_by(|a, b| (&a.caller, &a.callee).cmp(&(&b.caller, &b.callee)));
        edges
    }

    /// Who calls a service, by name; nobody calls one that is not known.
    pub fn callers(&self, service: &str) -> Vec<Arc<str>> {
        self.next_to(service, |calls| (calls.callee, calls.caller))
    }

    /// Whom a service calls, by name.
    pub fn callees(&self, service: &str) -> Vec<Arc<str>> {
        self.next_to(service, |calls| (calls.caller, calls.callee))
    }

    /// The other ends, by name, of the edges of which a service is the first end.
    fn next_to(&self, service: &str, ends: impl Fn(&Calls) -> (u32, u32)) -> Vec<Arc<str>> {
        let Some(own) = self.by_name.get(service) else { return Vec::new() };
        let ends = self.calls.all.iter().map(ends);
        let others = ends.filter(|(first, other)| first == own && other != own);
        let nodes = others.filter_map(|(_, other)| self.nodes.get(other as usize));
        let mut names: Vec<Arc<str>> = nodes.map(|node| Arc::clone(&node.name)).collect();
        names.sort_unstable();
        names
    }

    /// Who calls a service, directly and through others: name and number of calls between, at most
    /// `depth`; nearest first, then by name. The service itself is not among them.
    pub fn upstream(&self, service: &str, depth: usize) -> Vec<(Arc<str>, usize)> {
        self.reach(service, depth, true)
    }

    /// What a service calls, directly and through others, as [`upstream`](Self::upstream) has it.
    pub fn downstream(&self, service: &str, depth: usize) -> Vec<(Arc<str>, usize)> {
        self.reach(service, depth, false)
    }

    /// The graph as JSON has it.
    pub fn document(&self) -> GraphDocument {
        let (nodes, edges, counters) = (self.nodes(), self.edges(), self.counters);
        GraphDocument { schema_version: 1, nodes, edges, counters }
    }

    fn reach(&self, service: &str, depth: usize, up: bool) -> Vec<(Arc<str>, usize)> {
        let Some(start) = self.by_name.get(service) else { return Vec::new() };
        let mut next = vec![Vec::new(); self.nodes.len()];
        for calls in &self.calls.all {
            let (from, to) =
                if up { (calls.callee, calls.caller) } else { (calls.caller, calls.callee) };
            if let Some(next) = next.get_mut(from as usize) {
                next.push(to);
            }
        }
        let mut known = BTreeSet::from([*start]);
        let mut front = vec![*start];
        let mut found = Vec::new();
        for steps in 1..=depth {
            let places = front.iter().filter_map(|place| next.get(*place as usize));
            let reached: BTreeSet<u32> =
                places.flatten().copied().filter(|place| !known.contains(place)).collect();
            if reached.is_empty() {
                break;
            }
            known.extend(&reached);
            let nodes = reached.iter().filter_map(|place| self.nodes.get(*place as usize));
            let mut names: Vec<Arc<str>> = nodes.map(|node| Arc::clone(&node.name)).collect();
            names.sort();
            found.extend(names.into_iter().map(|name| (name, steps)));
            front = reached.into_iter().collect();
        }
        found
    }
}
