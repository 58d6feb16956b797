//! One trace as a tree, whatever its spans claim.

use std::collections::HashMap;
use std::sync::Arc;

use super::window::Call;
use crate::telemetry::SpanKind;

/// What clocks may differ by before they are corrected, ns.
const TOLERANCE: i64 = 1_000_000;

/// A span within its trace.
#[derive(Debug)]
pub(super) struct Leaf<'a> {
    pub call: &'a Call,
    pub parent: Option<usize>,
    pub children: Vec<usize>,
    /// Whether it names a parent that is not there.
    pub is_orphan: bool,
    /// When it began by the clock of the trace's root.
    pub start: i64,
    /// What it took less the time within its children, ms: its own work, or the wait for what is lost.
    pub own_ms: f64,
}

/// A trace.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    pub spans: Vec<Leaf<'a>>,
    /// Every span after its parent.
    pub order: Vec<usize>,
}

impl<'a> Tree<'a> {
    /// From the spans of one trace in any order; of those with one id the first by time counts. A
    /// circle is cut at its first span.
    pub fn new(calls: impl IntoIterator<Item = &'a Call>) -> Self {
        let mut calls: Vec<&Call> = calls.into_iter().collect();
        calls.sort_by(|a, b| {
            (a.start, &a.id).cmp(&(b.start, &b.id)).then(a.duration_ms.total_cmp(&b.duration_ms))
        });
        let mut places: HashMap<&Arc<str>, usize> = HashMap::new();
        calls.retain(|call| {
            let place = places.len();
            let is_new = !places.contains_key(&call.id);
            places.entry(&call.id).or_insert(place);
            is_new
        });
        let mut spans: Vec<Leaf<'a>> = Vec::with_capacity(calls.len());
        for (place, call) in calls.into_iter().enumerate() {
            let parent = call.parent.as_ref().and_then(|id| places.get(id)).copied();
            let parent = parent.filter(|parent| *parent != place);
            let is_orphan = call.parent.as_ref().is_some_and(|id| !places.contains_key(id));
            spans.push(Leaf {
                call,
                parent,
                children: Vec::new(),
                is_orphan,
                start: call.start,
                own_ms: call.duration_ms,
            });
        }
        let links: Vec<_> = spans.iter().map(|span| span.parent).enumerate().collect();
        for (child, parent) in links {
            if let Some(parent) = parent.and_then(|parent| spans.get_mut(parent)) {
                parent.children.push(child);
            }
        }
        let mut tree = Self { spans, order: Vec::new() };
        tree.sort();
        tree.correct_clocks();
        tree.find_own_times();
        tree
    }

    /// Finds an order in which parents come first, cutting circles.
    fn sort(&mut self) {
        let mut seen = vec![false; self.spans.len()];
        let roots = |tree: &Self| -> Vec<usize> {
            let is_root = |(_, span): &(usize, &Leaf<'_>)| span.parent.is_none();
            tree.spans.iter().enumerate().filter(is_root).map(|(place, _)| place).collect()
        };
        let first = roots(self);
        self.walk(first, &mut seen);
        for place in 0..self.spans.len() {
            if seen.get(place) == Some(&false) {
                self.cut(place);
                self.walk(vec![place], &mut seen);
            }
        }
    }

    fn walk(&mut self, mut next: Vec<usize>, seen: &mut [bool]) {
        next.reverse();
        while let Some(place) = next.pop() {
            let Some(seen) = seen.get_mut(place).filter(|seen| !**seen) else { continue };
            *seen = true;
            self.order.push(place);
            if let Some(span) = self.spans.get(place) {
                next.extend(span.children.iter().rev());
            }
        }
    }

    /// Makes a span a root.
    fn cut(&mut self, place: usize) {
        let parent = self.spans.get_mut(place).and_then(|span| span.parent.take());
        if let Some(parent) = parent.and_then(|parent| self.spans.get_mut(parent)) {
            parent.children.retain(|child| *child != place);
        }
    }

    /// A child in another service that lies outside of its parent is moved to its middle, and what
    /// belongs to the same service with it.
    fn correct_clocks(&mut self) {
        for place in self.order.clone() {
            let Some(span) = self.spans.get(place) else { continue };
            let Some(parent) = span.parent.and_then(|parent| self.spans.get(parent)) else {
                continue;
            };
            let corrected = parent.start.saturating_sub(parent.call.start);
            let (begin, length) =
                (parent.start, parent.call.end().saturating_sub(parent.call.start));
            let end = begin.saturating_add(length);
            let own = span.call.end().saturating_sub(span.call.start);
            let start = if parent.call.service == span.call.service {
                span.call.start.saturating_add(corrected)
            } else if span.start.saturating_add(TOLERANCE) < begin
                || span.call.end() > end.saturating_add(TOLERANCE)
            {
                begin.saturating_add(length.saturating_sub(own) / 2)
            } else {
                span.call.start
            };
            if let Some(span) = self.spans.get_mut(place) {
                span.start = start;
            }
        }
    }

    /// Takes the time within children off each span; messages are not waited for.
    fn find_own_times(&mut self) {
        let own: Vec<f64> = self.spans.iter().map(|span| self.own_ms(span)).collect();
        for (span, own_ms) in self.spans.iter_mut().zip(own) {
            span.own_ms = own_ms;
        }
    }

    fn own_ms(&self, span: &Leaf<'_>) -> f64 {
        let length = |call: &Call| call.end().saturating_sub(call.start);
        let last = span.start.saturating_add(length(span.call));
        let children = span.children.iter().filter_map(|child| self.spans.get(*child));
        let waited = children.filter(|child| child.call.kind != SpanKind::Consumer);
        let mut times: Vec<(i64, i64)> = waited
            .map(|child| (child.start, child.start.saturating_add(length(child.call)).min(last)))
            .collect();
        times.sort_unstable();
        let (mut covered, mut until) = (0_i64, span.start);
        for (from, to) in times {
            covered = covered.saturating_add(to.saturating_sub(from.max(until)).max(0));
            until = until.max(to);
        }
        (span.call.duration_ms - covered as f64 / 1e6).max(0.0)
    }
}
