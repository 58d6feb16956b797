//! The first cause in one trace.

use std::collections::BTreeSet;

use super::past::Past;
use super::tree::Tree;
use super::types::{TraceFault, TraceRankerConfig};
use super::window::Place;

/// What a callee's excess has to be of its caller's to explain it.
const EXPLAINS: f64 = 0.5;

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
    failed: bool,
    start: i64,
    is_orphan: bool,
    service: u32,
}

/// The first cause of a trace; `None` when all is well.
pub(super) fn cause(tree: &Tree<'_>, past: &Past, config: &TraceRankerConfig) -> Option<Cause> {
    let excess = tree.spans.iter().map(|span| past.excess(span.call, config)).collect();
    let trace = Trace { tree, past, excess };
    let mut suspects: Vec<Suspect> =
        trace.tops().into_iter().filter_map(|top| trace.suspect(top)).collect();
    // the span between may be lost: what an orphan did explains those who call it through others
    let orphans: BTreeSet<u32> =
        suspects.iter().filter(|one| one.is_orphan).map(|one| one.service).collect();
    suspects.retain(|one| {
        let explains = |orphan: &u32| *orphan != one.service && past.reaches(one.service, *orphan);
        !orphans.iter().any(explains)
    });
    let first = suspects.iter().min_by_key(|one| (!one.failed, one.start, one.leaf));
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

    fn is_faulty(&self, place: usize) -> bool {
        self.failed(place) || self.slow_by(place) > 0.0
    }

    fn duration(&self, place: usize) -> f64 {
        self.tree.spans.get(place).map_or(0.0, |span| span.call.duration_ms)
    }

    /// Faulty spans above which nothing is faulty.
    fn tops(&self) -> Vec<usize> {
        let mut covered = vec![false; self.tree.spans.len()];
        let mut tops = Vec::new();
        for place in self.tree.order.iter().copied() {
            let parent = self.tree.spans.get(place).and_then(|span| span.parent);
            let above = parent.and_then(|parent| covered.get(parent)).copied().unwrap_or_default();
            let faulty = self.is_faulty(place);
            if faulty && !above {
                tops.push(place);
            }
            if let Some(covered) = covered.get_mut(place) {
                *covered = above || faulty;
            }
        }
        tops
    }

    /// Follows a fault down to where no callee explains it.
    fn suspect(&self, top: usize) -> Option<Suspect> {
        let mut leaf = top;
        while let Some(next) = self.explained_by(leaf) {
            leaf = next;
        }
        let (top, span) = (self.tree.spans.get(top)?, self.tree.spans.get(leaf)?);
        let (failed, is_orphan) = (top.call.failed, top.is_orphan);
        Some(Suspect { leaf, failed, start: span.start, is_orphan, service: span.call.service })
    }

    /// The callee that explains the fault of a span.
    fn explained_by(&self, place: usize) -> Option<usize> {
        let below = self.faulty_below(place);
        let start = |place: &usize| self.tree.spans.get(*place).map(|span| span.start);
        let failed = || below.iter().copied().filter(|one| self.failed(*one)).min_by_key(start);
        let slow = |least: &dyn Fn(usize) -> bool| {
            let slow = below.iter().copied().filter(|one| self.slow_by(*one) > 0.0 && least(*one));
            slow.max_by(|a, b| self.slow_by(*a).total_cmp(&self.slow_by(*b)))
        };
        if self.failed(place) {
            // a callee that takes too long may be given up on
            return failed()
                .or_else(|| slow(&|one| self.duration(one) >= EXPLAINS * self.duration(place)));
        }
        let whole: f64 = below.iter().map(|one| self.slow_by(*one)).sum();
        let enough = whole >= EXPLAINS * self.slow_by(place);
        // what failed may have been tried again and again
        slow(&|_| enough).or_else(failed)
    }

    /// The nearest faulty spans below a span.
    fn faulty_below(&self, place: usize) -> Vec<usize> {
        let children =
            |place: usize| self.tree.spans.get(place).map(|span| span.children.as_slice());
        let mut next = children(place).unwrap_or_default().to_vec();
        let mut found = Vec::new();
        while let Some(place) = next.pop() {
            if self.is_faulty(place) {
                found.push(place);
            } else {
                next.extend(children(place).unwrap_or_default());
            }
        }
        found.sort_unstable();
        found
    }

    /// Who is to blame for a span that nothing below explains.
    fn cause(&self, leaf: usize) -> Option<Cause> {
        let span = self.tree.spans.get(leaf)?;
        let call = span.call;
        let own = if call.failed { TraceFault::Error } else { TraceFault::Slow };
        let answers = span.children.iter().filter_map(|child| self.tree.spans.get(*child));
        let answer = answers.map(|child| child.call).find(|child| child.service != call.service);
        let (place, fault) = match answer {
            _ if !call.kind.is_caller() && call.peer.is_none() => (call.place(), own),
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
