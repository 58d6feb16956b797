//! Usual durations and usual callees of operations.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::config::TraceRankerConfig;
use super::tree::{Leaf, Tree};
use super::window::{Call, Names, Place};
use crate::robust::{MAD_OF_SIGMA, median, median_mad, quantile_sorted};

/// Smallest number of spans for a usual duration.
const MIN_SPANS: usize = 5;
/// Smallest scale of a duration, as a share of the usual duration.
const RELATIVE_FLOOR: f64 = 0.25;
/// Smallest scale of a duration, ms.
const FLOOR_MS: f64 = 1.0;
/// Smallest excess of the whole span, as a share of the excess of its self time.
const MIN_WHOLE_SHARE: f64 = 0.5;
/// Smallest number of spans of an operation before an absent callee counts as missing.
const MIN_CALLS: u64 = 20;
/// Smallest share of these spans that called the callee.
const USUAL_SHARE: f64 = 0.95;

/// The learned durations and callees.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// Usual own time and scale, ms.
    levels: HashMap<Place, (f64, f64)>,
    /// Usual duration, ms.
    durations: HashMap<Place, f64>,
    /// Number of spans of a place, and of those that called each callee.
    callees: BTreeMap<Place, (u64, BTreeMap<Place, u64>)>,
    /// Alphabetical rank of each name.
    ranks: Vec<u32>,
    /// Whether callees were learned from normal time, so that an absent callee is missing.
    pub finds_missing: bool,
    /// Callees of each service.
    edges: BTreeMap<u32, BTreeSet<u32>>,
}

impl Past {
    /// Nothing learned. Ties are decided by these names.
    pub fn new(names: &Names) -> Self {
        Self { ranks: names.ranks(), ..Self::default() }
    }

    fn rank(&self, (service, operation, side): Place) -> (Option<u32>, Option<u32>, bool) {
        let rank = |name: u32| self.ranks.get(name as usize).copied();
        (rank(service), rank(operation), side)
    }

    /// Learns durations from normal time or, without it, from the faster half of all spans. The latter
    /// assumes that a fault slows down at most half of the spans of an operation.
    pub fn learn_durations<'a>(
        &mut self,
        trees: impl Iterator<Item = &'a Tree<'a>>,
        is_normal: bool,
    ) {
        // self times and durations of successful spans by place
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
            // the scale is the largest of MAD, upper tail and floors; the faster half has no upper tail
            let (usual, mad) = median_mad(&own[..]);
            let tail = (quantile_sorted(&own, 0.95) - usual) / 1.645;
            let spread = if is_normal { tail.max(mad / MAD_OF_SIGMA) } else { mad / MAD_OF_SIGMA };
            let scale = spread.max(RELATIVE_FLOOR * usual).max(FLOOR_MS);
            self.levels.insert(place, (usual, scale));
            self.durations.insert(place, median(&whole[..]));
        }
    }

    /// Learns the callees of a trace.
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

    /// Excess of a span's own time over the usual own time, ms; 0 if it is not slow.
    pub fn excess(&self, span: &Leaf<'_>, config: &TraceRankerConfig) -> f64 {
        let place = span.call.place();
        match self.levels.get(&place) {
            Some((usual, scale)) => {
                let excess = span.own_ms - usual;
                // a lost span of a callee counts as own time, so the whole span must be longer too
                let later = span.call.duration_ms - self.usual(place).unwrap_or_default();
                let is_slow =
                    excess > config.slow_effect * scale && later >= MIN_WHOLE_SHARE * excess;
                if is_slow { excess } else { 0.0 }
            }
            None if span.own_ms > config.slow_ms => span.own_ms,
            None => 0.0,
        }
    }

    /// The most frequent callee.
    pub fn usual_callee(&self, place: Place) -> Option<Place> {
        let (_, callees) = self.callees.get(&place)?;
        let best = callees.iter().max_by_key(|(callee, seen)| (**seen, self.rank(**callee)));
        best.map(|(callee, _)| *callee)
    }

    /// A callee that is nearly always called and is absent; the first by name.
    pub fn missing_callee(&self, place: Place, is_absent: impl Fn(Place) -> bool) -> Option<Place> {
        let (seen, callees) = self.callees.get(&place)?;
        if !(self.finds_missing && *seen >= MIN_CALLS) {
            return None;
        }
        let is_usual = |of: u64| of as f64 >= USUAL_SHARE * *seen as f64;
        let absent = callees.iter().filter(|(callee, of)| is_usual(**of) && is_absent(**callee));
        absent.map(|(callee, _)| *callee).min_by_key(|callee| self.rank(*callee))
    }

    /// Whether a service calls another directly or through others.
    pub fn reaches(&self, from: u32, to: u32) -> bool {
        // depth-first search along the calls
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
