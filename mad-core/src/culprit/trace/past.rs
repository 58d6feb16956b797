//! What calls usually take, and whom they usually reach.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::tree::{Leaf, Tree};
use super::types::TraceRankerConfig;
use super::window::{Call, Names, Place};
use crate::robust::{MAD_OF_SIGMA, median, median_mad, quantile_sorted};

/// Fewest spans that tell what is usual.
const MIN_SPANS: usize = 5;
/// Smallest scale of a duration: a share of it, and ms.
const FLOOR: (f64, f64) = (0.25, 1.0);
/// What a slow span as a whole has to take longer, as a share of what its own time does.
const LATER: f64 = 0.5;
/// Calls seen, and the share of them that a callee has to be part of, for its absence to tell.
const EXPECTED: (u64, f64) = (20, 0.95);

/// What was learnt of the calls.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// Usual own time and scale, ms.
    levels: HashMap<Place, (f64, f64)>,
    /// Usual duration, ms.
    durations: HashMap<Place, f64>,
    /// Spans of a place, and whom they called: in how many of them.
    callees: BTreeMap<Place, (u64, BTreeMap<Place, u64>)>,
    /// Where each name stands among all by the alphabet.
    ranks: Vec<u32>,
    /// Whether what is usual was learnt of normal time, so that what is absent is missing.
    pub tells_missing: bool,
    /// Who calls whom, by service.
    edges: BTreeMap<u32, BTreeSet<u32>>,
}

impl Past {
    /// Nothing learnt yet; ties go by these names.
    pub fn new(names: &Names) -> Self {
        Self { ranks: names.ranks(), ..Self::default() }
    }

    fn rank(&self, (service, operation, side): Place) -> (Option<u32>, Option<u32>, bool) {
        let rank = |name: u32| self.ranks.get(name as usize).copied();
        (rank(service), rank(operation), side)
    }

    /// Learns durations: of normal time; without it, of the faster half of all there is, taking it
    /// that a fault does not slow down three spans of four.
    pub fn learn_durations<'a>(
        &mut self,
        trees: impl Iterator<Item = &'a Tree<'a>>,
        is_normal: bool,
    ) {
        let mut times: HashMap<Place, (Vec<f64>, Vec<f64>)> = HashMap::new();
        for span in trees.flat_map(|tree| &tree.spans).filter(|span| !span.call.failed) {
            let (own, whole) = times.entry(span.call.place()).or_default();
            own.push(span.own_ms);
            whole.push(span.call.duration_ms);
        }
        for (place, (mut own, mut whole)) in times {
            if own.len() < MIN_SPANS {
                continue;
            }
            for times in [&mut own, &mut whole] {
                times.sort_unstable_by(f64::total_cmp);
                if !is_normal {
                    times.truncate(times.len().div_ceil(2));
                }
            }
            let (usual, mad) = median_mad(&own[..]);
            let tail = (quantile_sorted(&own, 0.95) - usual) / 1.645;
            let spread = if is_normal { tail.max(mad / MAD_OF_SIGMA) } else { mad / MAD_OF_SIGMA };
            let scale = spread.max(FLOOR.0 * usual).max(FLOOR.1);
            self.levels.insert(place, (usual, scale));
            self.durations.insert(place, median(&whole[..]));
        }
    }

    /// Learns whom calls reach.
    pub fn learn_calls(&mut self, tree: &Tree<'_>) {
        for span in &tree.spans {
            let called: BTreeSet<Place> = span
                .children
                .iter()
                .filter_map(|child| Some(tree.spans.get(*child)?.call))
                .filter(|child| child.service != span.call.service)
                .map(Call::place)
                .collect();
            let (seen, callees) = self.callees.entry(span.call.place()).or_default();
            *seen += 1;
            for callee in called {
                *callees.entry(callee).or_default() += 1;
                self.edges.entry(span.call.service).or_default().insert(callee.0);
            }
        }
    }

    /// The usual duration of a call, ms.
    pub fn usual(&self, place: Place) -> Option<f64> {
        self.durations.get(&place).copied()
    }

    /// By how much a call's own time is longer than usual, ms; 0 when it is not slow.
    pub fn excess(&self, span: &Leaf<'_>, config: &TraceRankerConfig) -> f64 {
        let place = span.call.place();
        match self.levels.get(&place) {
            Some((usual, scale)) => {
                let excess = span.own_ms - usual;
                // where a callee's span is lost, its time looks like the caller's own
                let later = span.call.duration_ms - self.usual(place).unwrap_or_default();
                let is_slow = excess > config.slow_effect * scale && later >= LATER * excess;
                if is_slow { excess } else { 0.0 }
            }
            None if span.own_ms > config.slow_ms => span.own_ms,
            None => 0.0,
        }
    }

    /// Whom a call usually reaches.
    pub fn usual_callee(&self, place: Place) -> Option<Place> {
        let (_, callees) = self.callees.get(&place)?;
        let best = callees.iter().max_by_key(|(callee, seen)| (**seen, self.rank(**callee)));
        best.map(|(callee, _)| *callee)
    }

    /// Whom a call reaches nearly always, of those that are absent the first by name.
    pub fn missing_callee(&self, place: Place, is_absent: impl Fn(Place) -> bool) -> Option<Place> {
        let (seen, callees) = self.callees.get(&place)?;
        if !(self.tells_missing && *seen >= EXPECTED.0) {
            return None;
        }
        let is_usual = |of: u64| of as f64 >= EXPECTED.1 * *seen as f64;
        let absent = callees.iter().filter(|(callee, of)| is_usual(**of) && is_absent(**callee));
        absent.map(|(callee, _)| *callee).min_by_key(|callee| self.rank(*callee))
    }

    /// Whether a service calls another, directly or through others.
    pub fn reaches(&self, from: u32, to: u32) -> bool {
        let (mut seen, mut next) = (BTreeSet::from([from]), vec![from]);
        while let Some(service) = next.pop() {
            for callee in self.edges.get(&service).into_iter().flatten() {
                if *callee == to {
                    return true;
                }
                if seen.insert(*callee) {
                    next.push(*callee);
                }
            }
        }
        false
    }
}
