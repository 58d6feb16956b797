//! One service of the graph, and the counters of everything the graph took or dropped.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Internal record of a service.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Node {
    pub name: Arc<str>,
    pub spans: u64,
    pub requests: u64,
    pub errors: u64,
    /// Whether an edge list names it.
    pub declared: bool,
    /// When the last span or request began, ns.
    pub last: i64,
    /// Whether the service is part of the graph yet. A peer's name enters only when its call does,
    /// because it may be an alias of the service that answers.
    pub seen: bool,
}

impl Node {
    /// Whether the service is known only because callers name it.
    pub fn is_inferred(&self) -> bool {
        self.spans == 0 && self.requests == 0 && !self.declared
    }
}

/// One service of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceNode {
    /// Its name.
    pub service: Arc<str>,
    /// Spans that the service reported.
    pub spans: u64,
    /// Requests that the service logged.
    pub requests: u64,
    /// Failed spans and requests of the service.
    pub errors: u64,
    /// Whether the service is known only because callers name it, as is usual for databases.
    pub inferred: bool,
}

/// Records that the graph took or dropped, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GraphCounters {
    /// Spans taken.
    pub spans: u64,
    /// Spans and requests whose duration is negative or not finite.
    pub bad_spans: u64,
    /// Spans whose id is already held.
    pub duplicate_spans: u64,
    /// Spans that name themselves, or pairs that name each other, as parents.
    pub cycles: u64,
    /// Spans whose parent had not arrived when they were evicted.
    pub missing_parents: u64,
    /// Client spans without a peer that no other span answered.
    pub unanswered: u64,
    /// Spans and requests evicted because of `limits.open_spans`.
    pub spans_evicted: u64,
    /// Mentions of services beyond `limits.services`.
    pub services_overflowed: u64,
    /// Calls of edges beyond `limits.graph_edges`.
    pub calls_dropped: u64,
}

impl GraphCounters {
    /// Adds the counts of another graph.
    pub(super) fn add(&mut self, other: &Self) {
        for (here, there) in [
            (&mut self.spans, other.spans),
            (&mut self.bad_spans, other.bad_spans),
            (&mut self.duplicate_spans, other.duplicate_spans),
            (&mut self.cycles, other.cycles),
            (&mut self.missing_parents, other.missing_parents),
            (&mut self.unanswered, other.unanswered),
            (&mut self.spans_evicted, other.spans_evicted),
            (&mut self.services_overflowed, other.services_overflowed),
            (&mut self.calls_dropped, other.calls_dropped),
        ] {
            *here = here.saturating_add(there);
        }
    }
}
