//! The first cause in one trace.

use std::collections::BTreeSet;

use super::past::Past;
use super::tree::{Leaf, Tree};
use super::types::{TraceFault, TraceRankerConfig};
use super::window::Place;
use crate::telemetry::SpanKind;

/// What a slow callee's duration has to be of its caller's for the caller to have given up on it.
const EXPLAINS: f64 = 0.5;
/// What a slow call has to lose of the longest duration in its trace.
const LOST: f64 = 0.25;

/// The first cause in one trace.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cause {
    pub place: Place,
    pub fault: TraceFault,
    /// When the failing call began, by its own clock.
    pub at: i64,
    /// How long it took, ms; NaN where there is none.
    pub duration_ms: f64,
    /// Services from the entry to the cause.
    pub chain: Vec<u32>,
}

/// A trace and how each of its spans did.
struct Trace<'a> {
    tree: &'a Tree<'a>,
    past: &'a Past,
    /// By how much each span is slow, ms.
    excess: Vec<f64>,
}

/// A suspect and what speaks for its being the first.
struct Suspect {
    leaf: usize,
    /// The least comes first: of those that failed the begin, of slow ones what is lost, below zero.
    order: i64,
    is_orphan: bool,
    service: u32,
}

/// The first cause of a trace; `None` when all is well.
pub(super) fn cause(tree: &Tree<'_>, past: &Past, config: &TraceRankerConfig) -> Option<Cause> {
    let excess = tree.spans.iter().map(|span| past.excess(span, config)).collect();
    let trace = Trace { tree, past, excess };
    let mut suspects = trace.failed_suspects();
    if suspects.is_empty() {
        suspects = trace.slow_suspects();
    }
    // the span between may be lost: what an orphan did explains those who call it through others
    let orphans: BTreeSet<u32> =
        suspects.iter().filter(|one| one.is_orphan).map(|one| one.service).collect();
    suspects.retain(|one| {
        let explains = |orphan: &u32| *orphan != one.service && past.reaches(one.service, *orphan);
        !orphans.iter().any(explains)
    });
    let first = suspects.iter().min_by_key(|one| (one.order, one.leaf));
    match first {
        Some(first) => trace.cause(first.leaf),
        None => trace.missing(),
    }
}

impl Trace<'_> {
    fn failed(&self, place: usize) -> bool {
        self.tree.spans.get(place).is_some_and(|span| span.call.failed)
    }

    fn slow_by(&self, place: usize) -> f64 {
        self.excess.get(place).copied().unwrap_or_default()
    }

    fn duration(&self, place: usize) -> f64 {
        self.tree.spans.get(place).map_or(0.0, |span| span.call.duration_ms)
    }

    /// The first causes below failed spans above which nothing failed.
    fn failed_suspects(&self) -> Vec<Suspect> {
        let mut covered = vec![false; self.tree.spans.len()];
        let mut suspects = Vec::new();
        for place in self.tree.order.iter().copied() {
            let parent = self.tree.spans.get(place).and_then(|span| span.parent);
            let above = parent.and_then(|parent| covered.get(parent)).copied().unwrap_or_default();
            let failed = self.failed(place);
            if failed && !above {
                let leaf = std::iter::successors(Some(place), |place| self.explained_by(*place));
                suspects.extend(leaf.last().and_then(|leaf| self.suspect(leaf, None)));
            }
            if let Some(covered) = covered.get_mut(place) {
                *covered = above || failed;
            }
        }
        suspects
    }

    /// Slow spans that lose a good part of their trace's time.
    fn slow_suspects(&self) -> Vec<Suspect> {
        let durations = self.tree.spans.iter().map(|span| span.call.duration_ms);
        let least = LOST * durations.fold(0.0, f64::max);
        let slow = (0..self.tree.spans.len())
            .filter(|place| self.slow_by(*place) > 0.0 && self.slow_by(*place) >= least);
        slow.filter_map(|place| self.suspect(place, Some(self.slow_by(place)))).collect()
    }

    fn suspect(&self, leaf: usize, lost_ms: Option<f64>) -> Option<Suspect> {
        let span = self.tree.spans.get(leaf)?;
        let above = |place: &usize| self.tree.spans.get(*place)?.parent;
        let top = std::iter::successors(Some(leaf), above).last()?;
        let is_orphan = self.tree.spans.get(top)?.is_orphan;
        let order = lost_ms.map_or(span.start, |ms| -((ms * 1e6) as i64));
        Some(Suspect { leaf, order, is_orphan, service: span.call.service })
    }

    /// The callee that explains why a span failed: the first that failed too, or a slow one that was
    /// given up on.
    fn explained_by(&self, place: usize) -> Option<usize> {
        if !self.failed(place) {
            return None;
        }
        let start = |place: &usize| self.tree.spans.get(*place).map(|span| span.start);
        let failed = self.below(place, |one| self.failed(one));
        let failed = failed.into_iter().min_by_key(|one| (start(one), *one));
        let slow = || {
            let least = EXPLAINS * self.duration(place);
            let slow = self.below(place, |one| self.slow_by(one) > 0.0);
            let slow = slow.into_iter().filter(|one| self.duration(*one) >= least);
            slow.max_by(|a, b| self.slow_by(*a).total_cmp(&self.slow_by(*b)).then(b.cmp(a)))
        };
        failed.or_else(slow)
    }

    /// The nearest spans below a span that are so.
    fn below(&self, place: usize, is_so: impl Fn(usize) -> bool) -> Vec<usize> {
        let children =
            |place: usize| self.tree.spans.get(place).map(|span| span.children.as_slice());
        let mut next = children(place).unwrap_or_default().to_vec();
        let mut found = Vec::new();
        while let Some(place) = next.pop() {
            if is_so(place) {
                found.push(place);
            } else {
                next.extend(children(place).unwrap_or_default());
            }
        }
        found
    }

    /// Whether a span is the caller's half of a call: by its kind, or, where that is not told, by its
    /// place between its own service and others.
    fn is_client(&self, span: &Leaf<'_>) -> bool {
        let service = |place: usize| self.tree.spans.get(place).map(|span| span.call.service);
        let own = Some(span.call.service);
        span.call.kind.is_caller()
            || span.call.kind == SpanKind::Unknown
                && span.parent.is_some_and(|parent| service(parent) == own)
                && !span.children.is_empty()
                && span.children.iter().all(|child| service(*child) != own)
    }

    /// Who is to blame for a span that nothing below explains.
    fn cause(&self, leaf: usize) -> Option<Cause> {
        let span = self.tree.spans.get(leaf)?;
        let call = span.call;
        let own = if call.failed { TraceFault::Error } else { TraceFault::Slow };
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
        let mut chain = self.chain(leaf);
        if chain.last() != Some(&place.0) {
            chain.push(place.0);
        }
        Some(Cause { place, fault, at: call.start, duration_ms: call.duration_ms, chain })
    }

    /// Where all is well: a call that is nearly always there and is not.
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

    /// Services from the entry down to a span.
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
