//! Queries of the graph, and the JSON document of the whole graph.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::calls::{CallEdge, Calls};
use super::node::{GraphCounters, Node, ServiceNode};
use super::service_graph::ServiceGraph;

/// The JSON form of the graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GraphDocument {
    /// Version of this document form, 1.
    pub schema_version: u32,
    /// Services, ordered by name.
    pub nodes: Vec<ServiceNode>,
    /// Call edges, ordered by the names of caller and callee.
    pub edges: Vec<CallEdge>,
    /// Records taken and dropped.
    pub counters: GraphCounters,
}

impl ServiceGraph {
    /// All services, ordered by name.
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

    /// All call edges, ordered by the names of caller and callee.
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

    /// The services that call a service, ordered by name. Empty for an unknown service.
    pub fn callers(&self, service: &str) -> Vec<Arc<str>> {
        self.next_to(service, |calls| (calls.callee, calls.caller))
    }

    /// The services that a service calls, ordered by name. Empty for an unknown service.
    pub fn callees(&self, service: &str) -> Vec<Arc<str>> {
        self.next_to(service, |calls| (calls.caller, calls.callee))
    }

    /// The other ends of the edges that start at a service, ordered by name. `ends` gives the start
    /// and the other end of an edge.
    fn next_to(&self, service: &str, ends: impl Fn(&Calls) -> (u32, u32)) -> Vec<Arc<str>> {
        let Some(own) = self.by_name.get(service) else { return Vec::new() };
        let ends = self.calls.all.iter().map(ends);
        let others = ends.filter(|(first, other)| first == own && other != own);
        let nodes = others.filter_map(|(_, other)| self.nodes.get(other as usize));
        let mut names: Vec<Arc<str>> = nodes.map(|node| Arc::clone(&node.name)).collect();
        names.sort_unstable();
        names
    }

    /// The services that call a service directly or through others, each with its distance in calls,
    /// at most `depth`. Nearest first, then by name. The service itself is not included.
    pub fn upstream(&self, service: &str, depth: usize) -> Vec<(Arc<str>, usize)> {
        self.reach(service, depth, true)
    }

    /// The services that a service calls directly or through others, in the form of
    /// [`upstream`](Self::upstream).
    pub fn downstream(&self, service: &str, depth: usize) -> Vec<(Arc<str>, usize)> {
        self.reach(service, depth, false)
    }

    /// The JSON form of the graph.
    pub fn document(&self) -> GraphDocument {
        let (nodes, edges, counters) = (self.nodes(), self.edges(), self.counters);
        GraphDocument { schema_version: 1, nodes, edges, counters }
    }

    /// Breadth-first search along the edges, against their direction if `up`.
    fn reach(&self, service: &str, depth: usize, up: bool) -> Vec<(Arc<str>, usize)> {
        let Some(start) = self.by_name.get(service) else { return Vec::new() };
        // neighbours of every node in the direction of the search
        let mut next = vec![Vec::new(); self.nodes.len()];
        for calls in &self.calls.all {
            let (from, to) =
                if up { (calls.callee, calls.caller) } else { (calls.caller, calls.callee) };
            if let Some(next) = next.get_mut(from as usize) {
                next.push(to);
            }
        }
        // one round for each distance
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
