//! Call edges: counts and recent latencies of the calls from one service to another.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::ByHash;
use crate::robust::RollingMad;

/// Latencies that each side of an edge keeps.
pub(super) const WINDOW: usize = 64;

/// Median and MAD of recent latencies in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The median; NaN without values.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub median_ms: f64,
    /// The median absolute deviation; NaN without values.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub mad_ms: f64,
    /// The number of values, at most 64.
    pub n: usize,
}

impl Latency {
    fn of(window: &RollingMad) -> Self {
        let (median_ms, mad_ms) = window.median_mad();
        Self { median_ms, mad_ms, n: window.len() }
    }
}

/// One edge of the graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallEdge {
    /// The calling service.
    pub caller: Arc<str>,
    /// The called service.
    pub callee: Arc<str>,
    /// Calls seen in spans and requests, and calls declared by edge lists.
    pub calls: u64,
    /// Calls that failed on either side.
    pub errors: u64,
    /// Whether the callee is known only because callers name it, as is usual for databases.
    pub inferred: bool,
    /// Duration of the last calls as the caller measured it, from its client spans.
    pub client: Latency,
    /// Duration of the last calls as the callee measured it.
    pub server: Latency,
    /// Client minus server duration of calls where both are known, at least 0: network and queues.
    pub gap: Latency,
}

/// One call, from its client span, its server span or both.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Call {
    pub failed: bool,
    /// Start of the call, ns.
    pub at: i64,
    pub client_ms: Option<f64>,
    pub server_ms: Option<f64>,
    /// Whether the caller waited for the callee.
    pub waits: bool,
}

/// One edge. Services are places in the list of nodes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Calls {
    pub caller: u32,
    pub callee: u32,
    pub count: u64,
    pub errors: u64,
    /// Start of the last call, ns; `i64::MAX` for an edge that an edge list declares.
    pub last: i64,
    client: RollingMad,
    server: RollingMad,
    gap: RollingMad,
}

impl Calls {
    fn take(&mut self, call: Call) {
        self.count = self.count.saturating_add(1);
        self.errors = self.errors.saturating_add(u64::from(call.failed));
        self.last = self.last.max(call.at);
        if let Some(ms) = call.client_ms {
            self.client.push(ms);
        }
        if let Some(ms) = call.server_ms {
            self.server.push(ms);
        }
        if let (Some(client), Some(server), true) = (call.client_ms, call.server_ms, call.waits) {
            self.gap.push((client - server).max(0.0));
        }
    }

    /// Adds the same edge of another graph. Of the latencies of both, the later ones are kept.
    fn absorb(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.errors = self.errors.saturating_add(other.errors);
        let mut newer = other;
        // the older latencies go first, so that the window keeps the later ones
        if newer.last < self.last {
            std::mem::swap(&mut self.client, &mut newer.client);
            std::mem::swap(&mut self.server, &mut newer.server);
            std::mem::swap(&mut self.gap, &mut newer.gap);
        }
        self.last = self.last.max(newer.last);
        for (here, there) in [
            (&mut self.client, &newer.client),
            (&mut self.server, &newer.server),
            (&mut self.gap, &newer.gap),
        ] {
            for ms in there.values() {
                here.push(ms);
            }
        }
    }

    pub fn edge(&self, caller: &Arc<str>, callee: &Arc<str>, inferred: bool) -> CallEdge {
        CallEdge {
            caller: Arc::clone(caller),
            callee: Arc::clone(callee),
            calls: self.count,
            errors: self.errors,
            inferred,
            client: Latency::of(&self.client),
            server: Latency::of(&self.server),
            gap: Latency::of(&self.gap),
        }
    }
}

/// All edges, at most `cap`.
#[derive(Debug, Clone)]
pub(super) struct CallTable {
    cap: usize,
    empty: RollingMad,
    places: ByHash<usize>,
    pub all: Vec<Calls>,
}

impl CallTable {
    pub fn new(cap: usize, empty: RollingMad) -> Self {
        Self { cap, empty, places: ByHash::default(), all: Vec::new() }
    }

    /// A table of saved edges; `None` if there are too many or one is listed twice.
    pub fn restored(cap: usize, empty: RollingMad, all: Vec<Calls>) -> Option<Self> {
        let places: ByHash<usize> =
            all.iter().enumerate().map(|(i, one)| (key(one.caller, one.callee), i)).collect();
        let is_window = |window: &RollingMad| window.window() == WINDOW;
        let is_whole =
            |one: &Calls| [&one.client, &one.server, &one.gap].into_iter().all(is_window);
        let fits = places.len() == all.len() && all.len() <= cap && all.iter().all(is_whole);
        fits.then_some(Self { cap, empty, places, all })
    }

    /// Takes a call; `false` if the table has no room for its edge.
    pub fn take(&mut self, caller: u32, callee: u32, call: Call) -> bool {
        self.at(caller, callee).map(|calls| calls.take(call)).is_some()
    }

    /// Takes calls of an edge list; `false` if the table has no room for their edge.
    pub fn declare(&mut self, caller: u32, callee: u32, count: u64) -> bool {
        let place = self.at(caller, callee);
        place
            .map(|calls| {
                calls.count = calls.count.saturating_add(count);
                calls.last = i64::MAX;
            })
            .is_some()
    }

    /// Adds an edge of another graph; `false` if the table has no room for it.
    pub fn absorb(&mut self, caller: u32, callee: u32, calls: Calls) -> bool {
        self.at(caller, callee).map(|known| known.absorb(calls)).is_some()
    }

    /// Drops edges without a call since `before`.
    pub fn forget(&mut self, before: i64) {
        self.all.retain(|calls| calls.last >= before);
        self.rebuild_index();
    }

    /// Replaces the places of nodes.
    pub fn renumber(&mut self, place: impl Fn(u32) -> u32) {
        for calls in &mut self.all {
            calls.caller = place(calls.caller);
            calls.callee = place(calls.callee);
        }
        self.rebuild_index();
    }

    fn rebuild_index(&mut self) {
        let keyed = |(i, one): (usize, &Calls)| (key(one.caller, one.callee), i);
        self.places = self.all.iter().enumerate().map(keyed).collect();
    }

    /// The edge between two nodes, created if there is room.
    fn at(&mut self, caller: u32, callee: u32) -> Option<&mut Calls> {
        let key = key(caller, callee);
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None if self.all.len() >= self.cap => return None,
            None => {
                let [client, server, gap] = [&self.empty; 3].map(RollingMad::clone);
                // a new edge, with empty windows cloned from one of the right size
                let (count, errors, last) = (0, 0, i64::MIN);
                self.all.push(Calls { caller, callee, count, errors, last, client, server, gap });
                self.places.insert(key, self.all.len() - 1);
                self.all.len() - 1
            }
        };
        self.all.get_mut(place)
    }
}

/// Both places in one integer.
const fn key(caller: u32, callee: u32) -> u64 {
    (caller as u64) << 32 | callee as u64
}
