//! Finds the first cause of a fault in one trace.

use std::collections::BTreeSet;

use super::config::TraceRankerConfig;
use super::past::Past;
use super::ranking::TraceFault;
use super::tree::{Leaf, Tree};
use super::window::Place;
use crate::telemetry::SpanKind;

/// Smallest share of the caller's duration of a slow callee for which the caller can have timed out.
const TIMEOUT_SHARE: f64 = 0.5;
/// Smallest excess of a slow span, as a share of the longest duration in its trace.
const MIN_EXCESS_SHARE: f64 = 0.25;

/// The first cause in one trace.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cause {
    pub place: Place,
    pub fault: TraceFault,
    /// Start of the failing call by its own clock, ns.
    pub at: i64,
    /// Its duration, ms; NaN for a missing call.
    pub duration_ms: f64,
    /// Services from the entry of the trace to the cause.
    pub chain: Vec<u32>,
}

/// A trace with the excess time of each span.
struct Trace<'a> {
    tree: &'a Tree<'a>,
    past: &'a Past,
    /// Excess of each span over its usual own time, ms; 0 for spans that are not slow.
    excess: Vec<f64>,
}

/// A span that may be the first cause.
struct CauseCandidate {
    leaf: usize,
    /// Smallest first: the start of a failed span, the negative excess of a slow one.
    order: i64,
    is_orphan: bool,
    service: u32,
}

/// The first cause of a trace; `None` if no span is faulty and no call is missing.
pub(super) fn cause(tree: &Tree<'_>, past: &Past, config: &TraceRankerConfig) -> Option<Cause> {
    let excess = tree.spans.iter().map(|span| past.excess(span, config)).collect();
    let trace = Trace { tree, past, excess };
    let mut candidates = trace.failed_candidates();
    if candidates.is_empty() {
        candidates = trace.slow_candidates();
    }
    // a span in between may be lost, so an orphan explains the services that call it through others
    let orphans: BTreeSet<u32> =
        candidates.iter().filter(|one| one.is_orphan).map(|one| one.service).collect();
    candidates.retain(|one| {
        let explains = |orphan: &u32| *orphan != one.service && past.reaches(one.service, *orphan);
        !orphans.iter().any(explains)
    });
    // the earliest failure or the largest excess; the index decides ties
    let first = candidates.iter().min_by_key(|one| (one.order, one.leaf));
    match first {
        Some(first) => trace.cause(first.leaf),
        None => trace.missing(),
    }
}

impl Trace<'_> {
    /// Whether a span failed.
    fn failed(&self, place: usize) -> bool {
        self.tree.spans.get(place).is_some_and(|span| span.call.failed)
    }

    /// Excess of a span, ms.
    fn slow_by(&self, place: usize) -> f64 {
        self.excess.get(place).copied().unwrap_or_default()
    }

    fn duration(&self, place: usize) -> f64 {
        self.tree.spans.get(place).map_or(0.0, |span| span.call.duration_ms)
    }

    /// The first causes below the uppermost failed spans.
    fn failed_candidates(&self) -> Vec<CauseCandidate> {
        let mut covered = vec![false; self.tree.spans.len()];
        let mut candidates = Vec::new();
        for place in self.tree.order.iter().copied() {
            let parent = self.tree.spans.get(place).and_then(|span| span.parent);
            let above = parent.and_then(|parent| covered.get(parent)).copied().unwrap_or_default();
            let failed = self.failed(place);
            if failed && !above {
                // descend from the uppermost failed span to the one that nothing explains
                let leaf = std::iter::successors(Some(place), |place| self.explained_by(*place));
                candidates.extend(leaf.last().and_then(|leaf| self.candidate(leaf, None)));
            }
            if let Some(covered) = covered.get_mut(place) {
                *covered = above || failed;
            }
        }
        candidates
    }

    /// Slow spans whose excess is a large part of the trace.
    fn slow_candidates(&self) -> Vec<CauseCandidate> {
        let durations = self.tree.spans.iter().map(|span| span.call.duration_ms);
        let least = MIN_EXCESS_SHARE * durations.fold(0.0, f64::max);
        let slow = (0..self.tree.spans.len())
            .filter(|place| self.slow_by(*place) > 0.0 && self.slow_by(*place) >= least);
        slow.filter_map(|place| self.candidate(place, Some(self.slow_by(place)))).collect()
    }

    fn candidate(&self, leaf: usize, excess_ms: Option<f64>) -> Option<CauseCandidate> {
        let span = self.tree.spans.get(leaf)?;
        let above = |place: &usize| self.tree.spans.get(*place)?.parent;
        let top = std::iter::successors(Some(leaf), above).last()?;
        let is_orphan = self.tree.spans.get(top)?.is_orphan;
        let order = excess_ms.map_or(span.start, |ms| -((ms * 1e6) as i64));
        Some(CauseCandidate { leaf, order, is_orphan, service: span.call.service })
    }

    /// The span below that explains a failed span: the earliest that failed too, or a slow one for
    /// which the caller can have timed out.
    fn explained_by(&self, place: usize) -> Option<usize> {
        if !self.failed(place) {
            return None;
        }
        let start = |place: &usize| self.tree.spans.get(*place).map(|span| span.start);
        // the earliest failed span below, else the slowest that can have caused a timeout
        let failed = self.below(place, |one| self.failed(one));
        let failed = failed.into_iter().min_by_key(|one| (start(one), *one));
        let slow = || {
            let least = TIMEOUT_SHARE * self.duration(place);
            let slow = self.below(place, |one| self.slow_by(one) > 0.0);
            let slow = slow.into_iter().filter(|one| self.duration(*one) >= least);
            slow.max_by(|a, b| self.slow_by(*a).total_cmp(&self.slow_by(*b)).then(b.cmp(a)))
        };
        failed.or_else(slow)
    }

    /// The nearest spans below a span that match.
    fn below(&self, place: usize, matches: impl Fn(usize) -> bool) -> Vec<usize> {
        let children =
            |place: usize| self.tree.spans.get(place).map(|span| span.children.as_slice());
        let mut next = children(place).unwrap_or_default().to_vec();
        let mut found = Vec::new();
        while let Some(place) = next.pop() {
            if matches(place) {
                found.push(place);
            } else {
                next.extend(children(place).unwrap_or_default());
            }
        }
        found
    }

    /// Whether a span is a client span: by its kind or, if the kind is unknown, because its parent
    /// belongs to its own service and all its children to others.
    fn is_client(&self, span: &Leaf<'_>) -> bool {
        let service = |place: usize| self.tree.spans.get(place).map(|span| span.call.service);
        let own = Some(span.call.service);
        span.call.kind.is_caller()
            || span.call.kind == SpanKind::Unknown
                && span.parent.is_some_and(|parent| service(parent) == own)
                && !span.children.is_empty()
                && span.children.iter().all(|child| service(*child) != own)
    }

    /// The cause of a span that no span below explains.
    fn cause(&self, leaf: usize) -> Option<Cause> {
        let span = self.tree.spans.get(leaf)?;
        let call = span.call;
        let own = if call.failed { TraceFault::Error } else { TraceFault::Slow };
        // the server span that answers a client span
        let answers = span.children.iter().filter_map(|child| self.tree.spans.get(*child));
        let answer = answers.map(|child| child.call).find(|child| child.service != call.service);
        let (place, fault) = match answer {
            _ if !self.is_client(span) && call.peer.is_none() => (call.place(), own),
            Some(answer) => (answer.place(), TraceFault::Network),
            None => {
                let peer = call.peer.map(|peer| (peer, call.operation, false));
                (self.past.usual_callee(call.place()).or(peer).unwrap_or(call.place()), own)
            }
        };
        // the path ends at the cause, which may be a peer without spans
        let mut chain = self.chain(leaf);
        if chain.last() != Some(&place.0) {
            chain.push(place.0);
        }
        Some(Cause { place, fault, at: call.start, duration_ms: call.duration_ms, chain })
    }

    /// A missing call, in a trace without faulty spans.
    fn missing(&self) -> Option<Cause> {
        self.tree.order.iter().find_map(|place| {
            let span = self.tree.spans.get(*place)?;
            let is_absent = |callee: Place| {
                let mut children =
                    span.children.iter().filter_map(|child| self.tree.spans.get(*child));
                !children.any(|child| child.call.place() == callee)
            };
            let absent = self.past.missing_callee(span.call.place(), is_absent)?;
            let mut chain = self.chain(*place);
            chain.push(absent.0);
            let (at, duration_ms) = (span.call.start, f64::NAN);
            Some(Cause { place: absent, fault: TraceFault::Missing, at, duration_ms, chain })
        })
    }

    /// Services from the entry of the trace to a span.
    fn chain(&self, place: usize) -> Vec<u32> {
        let above = |place: &usize| self.tree.spans.get(*place)?.parent;
        let path = std::iter::successors(Some(place), above);
        let mut chain: Vec<u32> =
            path.filter_map(|place| Some(self.tree.spans.get(place)?.call.service)).collect();
        chain.dedup();
        chain.reverse();
        chain
    }
}
