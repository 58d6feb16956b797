//! What is kept of a graph: of two that are made one, and of one that grows old.

use std::sync::Arc;

use super::open::OpenSpan;
use super::requests::OpenRequest;
use super::service_graph::ServiceGraph;
use crate::time::Timestamp;

impl ServiceGraph {
    /// Caller and callee of every edge, in no order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let name = |place: u32| self.nodes.get(place as usize).map(|node| &*node.name);
        let edges = self.calls.all.iter();
        edges.filter_map(move |calls| Some((name(calls.caller)?, name(calls.callee)?)))
    }

    /// Adds what another graph knows: its services, its calls with their latencies, and what is open;
    /// of an edge that both know, the later latencies stay. Spans of one trace that came here and
    /// there find each other.
    pub fn absorb(&mut self, other: Self) {
        let places: Vec<u32> = other.nodes.iter().map(|node| self.node(&node.name)).collect();
        for (there, place) in other.nodes.iter().zip(&places) {
            if let Some(node) = self.nodes.get_mut(*place as usize) {
                node.spans += there.spans;
                node.requests += there.requests;
                node.errors += there.errors;
                node.last = node.last.max(there.last);
                (node.told, node.seen) = (node.told || there.told, node.seen || there.seen);
            }
        }
        let place = |of: u32| places.get(of as usize).copied();
        for open in other.open.in_order() {
            let Some(service) = place(open.service) else { continue };
            self.take(OpenSpan { service, peer: open.peer.and_then(place), ..*open });
        }
        for (trace, requests) in other.traces.in_order() {
            for request in requests {
                let Some(service) = place(request.service) else { continue };
                for left in self.traces.push(trace, OpenRequest { service, ..*request }) {
                    self.counters.spans_left += left.len() as u64;
                    self.nest(left);
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

    /// Forgets edges without a call since `before`, and services of which nothing is left. What was
    /// told by an edge list stays.
    pub fn forget(&mut self, before: Timestamp) {
        let before = before.nanos();
        if self.calls.all.iter().all(|calls| calls.last >= before)
            && self.nodes.iter().all(|node| node.told || node.last >= before)
        {
            return;
        }
        self.calls.forget(before);
        let mut needed: Vec<bool> =
            self.nodes.iter().map(|node| node.told || node.last >= before).collect();
        let edges =
            self.calls.all.iter().flat_map(|calls| [Some(calls.caller), Some(calls.callee)]);
        let spans = self.open.in_order().flat_map(|span| [Some(span.service), span.peer]);
        let requests = self.traces.in_order().flat_map(|(_, trace)| trace);
        let requests = requests.map(|request| Some(request.service));
        for place in edges.chain(spans).chain(requests).flatten() {
            if let Some(needed) = needed.get_mut(place as usize) {
                *needed = true;
            }
        }
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
}
