//! Saves and restores the graph; every part of a saved graph is checked.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::calls::{CallTable, Calls, WINDOW};
use super::node::{GraphCounters, Node};
use super::open_requests::{OpenRequest, OpenTraces};
use super::open_spans::{OpenSpan, OpenSpans};
use super::service_graph::ServiceGraph;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::robust::RollingMad;

/// The saved form of a graph.
#[derive(Serialize, Deserialize)]
#[serde(rename = "ServiceGraph", deny_unknown_fields)]
struct State {
    services: usize,
    graph_edges: usize,
    open_spans: usize,
    nodes: Vec<Node>,
    calls: Vec<Calls>,
    open: Vec<OpenSpan>,
    traces: Vec<(u64, Vec<OpenRequest>)>,
    counters: GraphCounters,
}

impl Serialize for ServiceGraph {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        State::from(self.clone()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ServiceGraph {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let saved = State::deserialize(deserializer)?;
        Self::try_from(saved).map_err(de::Error::custom)
    }
}

impl From<ServiceGraph> for State {
    fn from(graph: ServiceGraph) -> Self {
        Self {
            services: graph.services,
            graph_edges: graph.graph_edges,
            open_spans: graph.open_spans,
            open: graph.open.in_order().copied().collect(),
            traces: graph
                .traces
                .in_order()
                .map(|(id, trace)| (id, trace.iter().copied().collect()))
                .collect(),
            nodes: graph.nodes,
            calls: graph.calls.all,
            counters: graph.counters,
        }
    }
}

impl TryFrom<State> for ServiceGraph {
    type Error = Error;

    fn try_from(saved: State) -> Result<Self> {
        let limits = Limits {
            services: saved.services,
            graph_edges: saved.graph_edges,
            open_spans: saved.open_spans,
            ..Limits::default()
        };
        let mut graph = Self::new(&limits)?;
        let wrong = |what: &str| Error::state(format!("the saved graph is damaged: {what}"));
        let known = saved.nodes.len() as u64;
        let is_known = |place: u32| u64::from(place) < known;
        let is_amount = |ms: f64| ms.is_finite() && ms >= 0.0;
        // every reference to a service must be the place of a saved node
        let places = saved.calls.iter().flat_map(|calls| [calls.caller, calls.callee]);
        let spans = saved.open.iter().flat_map(|span| [Some(span.service), span.peer]);
        let requests = saved.traces.iter().flat_map(|(_, trace)| trace);
        if !places
            .chain(spans.flatten())
            .chain(requests.clone().map(|one| one.service))
            .all(is_known)
        {
            return Err(wrong("an edge, span or request names an unknown service"));
        }
        // durations enter running medians, so they must be finite and not negative
        let durations = saved.open.iter().map(|span| span.duration_ms);
        if !durations.chain(requests.map(|one| one.duration_ms)).all(is_amount) {
            return Err(wrong("a duration is negative or not finite"));
        }
        graph.by_name =
            (0..).zip(&saved.nodes).map(|(place, node)| (node.name.clone(), place)).collect();
        if graph.by_name.len() != saved.nodes.len()
            || saved.nodes.len() > saved.services.saturating_add(1)
        {
            return Err(wrong("too many services, or one is listed twice"));
        }
        let empty = RollingMad::new(WINDOW)?;
        graph.calls = CallTable::restored(saved.graph_edges, empty, saved.calls)
            .ok_or_else(|| wrong("too many edges, or one is listed twice"))?;
        graph.open = OpenSpans::restored(saved.open_spans, saved.open)
            .ok_or_else(|| wrong("too many open spans, or one is listed twice"))?;
        graph.traces = OpenTraces::restored(saved.open_spans, saved.traces)
            .ok_or_else(|| wrong("too many open traces, or one is listed twice"))?;
        (graph.nodes, graph.counters) = (saved.nodes, saved.counters);
        Ok(graph)
    }
}
