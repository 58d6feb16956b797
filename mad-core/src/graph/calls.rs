//! The calls from one service to another.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::ByHash;
use crate::robust::RollingMad;

/// Latencies that each side of an edge remembers.
pub(super) const WINDOW: usize = 64;

/// Median and MAD of latencies, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The median; NaN where nothing was seen.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub median_ms: f64,
    /// The median absolute deviation from it; NaN where nothing was seen.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub mad_ms: f64,
    /// How many values stand behind both, at most 64.
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
    /// Who calls.
    pub caller: Arc<str>,
    /// Who is called.
    pub callee: Arc<str>,
    /// Calls seen and told.
    pub calls: u64,
    /// Calls that failed on either side.
    pub errors: u64,
    /// Whether the callee is known only because callers name it, as databases are.
    pub inferred: bool,
    /// How long the last calls took for the caller: its client halves.
    pub client: Latency,
    /// How long the callee worked on the last calls.
    pub server: Latency,
    /// The difference where both halves of a call are known, 0 or more: network and queues.
    pub gap: Latency,
}

/// One call as its halves tell it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Call {
    pub failed: bool,
    /// When it began, ns.
    pub at: i64,
    pub client_ms: Option<f64>,
    pub server_ms: Option<f64>,
    /// Whether the caller waited for the callee.
    pub waits: bool,
}

/// What is known of an edge; nodes by their places.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Calls {
    pub caller: u32,
    pub callee: u32,
    pub count: u64,
    pub errors: u64,
    /// When the last call began, ns; the greatest number for an edge that somebody told.
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

    /// Adds what another graph knows of the edge; the later latencies stay.
    fn absorb(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.errors = self.errors.saturating_add(other.errors);
        let mut newer = other;
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

/// All edges, at most `cap` of them.
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

    /// With these edges; `None` when they are too many or one comes twice.
    pub fn restored(cap: usize, empty: RollingMad, all: Vec<Calls>) -> Option<Self> {
        let places: ByHash<usize> =
            all.iter().enumerate().map(|(i, one)| (key(one.caller, one.callee), i)).collect();
        let is_window = |window: &RollingMad| window.window() == WINDOW;
        let is_whole =
            |one: &Calls| [&one.client, &one.server, &one.gap].into_iter().all(is_window);
        let fits = places.len() == all.len() && all.len() <= cap && all.iter().all(is_whole);
        fits.then_some(Self { cap, empty, places, all })
    }

    /// Takes a call; answers whether there was room for its edge.
    pub fn take(&mut self, caller: u32, callee: u32, call: Call) -> bool {
        self.at(caller, callee).map(|calls| calls.take(call)).is_some()
    }

    /// Takes calls that were told; answers whether there was room for their edge.
    pub fn told(&mut self, caller: u32, callee: u32, count: u64) -> bool {
        let place = self.at(caller, callee);
        place
            .map(|calls| {
                calls.count = calls.count.saturating_add(count);
                calls.last = i64::MAX;
            })
            .is_some()
    }

    /// Adds what another graph knows of an edge; answers whether there was room for it.
    pub fn absorb(&mut self, caller: u32, callee: u32, calls: Calls) -> bool {
        self.at(caller, callee).map(|known| known.absorb(calls)).is_some()
    }

    /// Forgets edges without a call since `before`.
    pub fn forget(&mut self, before: i64) {
        self.all.retain(|calls| calls.last >= before);
        self.find_again();
    }

    /// Calls nodes by other places.
    pub fn renumber(&mut self, place: impl Fn(u32) -> u32) {
        for calls in &mut self.all {
            calls.caller = place(calls.caller);
            calls.callee = place(calls.callee);
        }
        self.find_again();
    }

    fn find_again(&mut self) {
        let keyed = |(i, one): (usize, &Calls)| (key(one.caller, one.callee), i);
        self.places = self.all.iter().enumerate().map(keyed).collect();
    }

    fn at(&mut self, caller: u32, callee: u32) -> Option<&mut Calls> {
        let key = key(caller, callee);
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None if self.all.len() >= self.cap => return None,
            None => {
                let [client, server, gap] = [&self.empty; 3].map(RollingMad::clone);
                let (count, errors, last) = (0, 0, i64::MIN);
                self.all.push(Calls { caller, callee, count, errors, last, client, server, gap });
                self.places.insert(key, self.all.len() - 1);
                self.all.len() - 1
            }
        };
        self.all.get_mut(place)
    }
}

const fn key(caller: u32, callee: u32) -> u64 {
    (caller as u64) << 32 | callee as u64
}
