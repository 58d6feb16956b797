//! One trace as a tree of spans, with corrected clocks and own times.

use std::collections::HashMap;
use std::sync::Arc;

use super::window::Call;
use crate::telemetry::SpanKind;

/// Clock difference that is not corrected, ns.
const TOLERANCE: i64 = 1_000_000;

/// A span within its trace. Parent and children are indices.
#[derive(Debug)]
pub(super) struct Leaf<'a> {
    pub call: &'a Call,
    pub parent: Option<usize>,
    pub children: Vec<usize>,
    /// Whether it names a parent that is not in the trace.
    pub is_orphan: bool,
    /// Start by the clock of the root span, ns.
    pub start: i64,
    /// Duration without the time within its children, ms: its own work, or the wait for lost spans.
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
    /// From the spans of one trace in any order. Of spans with the same id the earliest counts. A cycle
    /// of parents is cut at its earliest span.
    pub fn new(calls: impl IntoIterator<Item = &'a Call>) -> Self {
        let mut calls: Vec<&Call> = calls.into_iter().collect();
        calls.sort_by(|a, b| {
            (a.start, &a.id).cmp(&(b.start, &b.id)).then(a.duration_ms.total_cmp(&b.duration_ms))
        });
        // the earliest span of each id
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
        // link children to their parents
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

    /// Finds an order in which parents come before their children, and cuts cycles.
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

    /// Appends the spans below `next` to the order, depth first.
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

    /// Removes the link of a span to its parent.
    fn cut(&mut self, place: usize) {
        let parent = self.spans.get_mut(place).and_then(|span| span.parent.take());
        if let Some(parent) = parent.and_then(|parent| self.spans.get_mut(parent)) {
            parent.children.retain(|child| *child != place);
        }
    }

    /// Corrects the clock of each service relative to its caller.
    ///
    /// A child in another service that lies outside of its parent is centred in the parent. Its spans
    /// in the same service move with it.
    fn correct_clocks(&mut self) {
        for place in self.order.clone() {
            let Some(span) = self.spans.get(place) else { continue };
            let Some(parent) = span.parent.and_then(|parent| self.spans.get(parent)) else {
                continue;
            };
            // offset of the parent's clock, already corrected
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

    /// Subtracts the time within children from each span. Consumer spans are not subtracted, because
    /// the producer of a message does not wait for them.
    fn find_own_times(&mut self) {
        let own: Vec<f64> = self.spans.iter().map(|span| self.own_ms(span)).collect();
        for (span, own_ms) in self.spans.iter_mut().zip(own) {
            span.own_ms = own_ms;
        }
    }

    /// Duration without the union of the children's times, ms.
    fn own_ms(&self, span: &Leaf<'_>) -> f64 {
        let length = |call: &Call| call.end().saturating_sub(call.start);
        let last = span.start.saturating_add(length(span.call));
        let children = span.children.iter().filter_map(|child| self.spans.get(*child));
        // children that the span waited for, each cut at its end
        let waited = children.filter(|child| child.call.kind != SpanKind::Consumer);
        let mut times: Vec<(i64, i64)> = waited
            .map(|child| (child.start, child.start.saturating_add(length(child.call)).min(last)))
            .collect();
        times.sort_unstable();
        // length of the union of the children's intervals
        let (mut covered, mut until) = (0_i64, span.start);
        for (from, to) in times {
            covered = covered.saturating_add(to.saturating_sub(from.max(until)).max(0));
            until = until.max(to);
        }
        (span.call.duration_ms - covered as f64 / 1e6).max(0.0)
    }
}
