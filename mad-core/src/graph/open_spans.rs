//! Open spans: those whose parent or children may still arrive.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::ids::ByHash;
use crate::telemetry::SpanKind;

/// A span to which others may still be joined.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct OpenSpan {
    /// Hash of the trace id and the span id.
    pub key: u64,
    /// Key of the parent.
    pub parent: Option<u64>,
    pub service: u32,
    pub peer: Option<u32>,
    pub kind: SpanKind,
    pub failed: bool,
    /// Start, ns.
    pub start: i64,
    pub duration_ms: f64,
    /// Whether the parent was found.
    pub joined: bool,
    /// Whether the called span was found.
    pub answered: bool,
}

impl OpenSpan {
    /// Whether two joined spans are a call from one service to another, or of a service to itself.
    pub fn calls(&self, child: &Self) -> bool {
        self.service != child.service
            || self.kind.is_caller() && matches!(child.kind, SpanKind::Server | SpanKind::Consumer)
    }
}

/// The newest spans, at most `cap`, by arrival.
#[derive(Debug, Clone)]
pub(super) struct OpenSpans {
    cap: usize,
    order: VecDeque<u64>,
    spans: ByHash<OpenSpan>,
    /// Children without a parent yet, by the parent's key, in order of arrival. They are evicted in
    /// the same order.
    waiting: ByHash<VecDeque<u64>>,
}

/// The result of adding a span.
#[derive(Debug, Default)]
pub(super) struct Joined {
    /// Pairs of parent and child.
    pub pairs: Vec<(OpenSpan, OpenSpan)>,
    /// The span evicted for the new one.
    pub evicted: Option<OpenSpan>,
    /// Pairs that name each other as parents.
    pub cycles: u64,
}

impl OpenSpans {
    pub fn new(cap: usize) -> Self {
        let (spans, waiting) = (ByHash::default(), ByHash::default());
        Self { cap, order: VecDeque::new(), spans, waiting }
    }

    /// From saved spans in order of arrival; `None` if there are too many or one is listed twice.
    pub fn restored(cap: usize, all: Vec<OpenSpan>) -> Option<Self> {
        let mut open = Self::new(cap);
        for span in all {
            if let (Some(parent), false) = (span.parent, span.joined) {
                open.waiting.entry(parent).or_default().push_back(span.key);
            }
            open.order.push_back(span.key);
            open.spans.insert(span.key, span);
        }
        (open.spans.len() == open.order.len() && open.order.len() <= cap).then_some(open)
    }

    /// All open spans in order of arrival.
    pub fn in_order(&self) -> impl Iterator<Item = &OpenSpan> {
        self.order.iter().filter_map(|key| self.spans.get(key))
    }

    /// Number of open spans.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn contains(&self, key: u64) -> bool {
        self.spans.contains_key(&key)
    }

    /// Adds a span that is not held yet and writes the pairs that it forms into `joined`.
    pub fn push(&mut self, mut span: OpenSpan, joined: &mut Joined) {
        joined.pairs.clear();
        joined.cycles = 0;
        joined.evicted = if self.order.len() >= self.cap { self.pop() } else { None };
        // children that arrived before their parent
        if let Some(children) = self.waiting.remove(&span.key) {
            for key in children {
                let Some(child) = self.spans.get_mut(&key) else { continue };
                child.joined = true;
                if span.parent == Some(key) {
                    joined.cycles += 1;
                    span.joined = true;
                    continue;
                }
                span.answered |= span.calls(child) || child.kind.is_caller();
                joined.pairs.push((span, *child));
            }
        }
        // join to the parent, or wait for it
        if let (Some(key), false) = (span.parent, span.joined) {
            if let Some(parent) = self.spans.get_mut(&key) {
                span.joined = true;
                parent.answered |= parent.calls(&span) || span.kind.is_caller();
                joined.pairs.push((*parent, span));
            } else {
                self.waiting.entry(key).or_default().push_back(span.key);
            }
        }
        self.order.push_back(span.key);
        self.spans.insert(span.key, span);
    }

    /// Replaces the places of nodes.
    pub fn renumber(&mut self, place: impl Fn(u32) -> u32) {
        for span in self.spans.values_mut() {
            span.service = place(span.service);
            span.peer = span.peer.map(&place);
        }
    }

    /// Evicts the oldest span.
    pub fn pop(&mut self) -> Option<OpenSpan> {
        let key = self.order.pop_front()?;
        let span = self.spans.remove(&key)?;
        if let (Some(parent), false) = (span.parent, span.joined)
            && let Some(children) = self.waiting.get_mut(&parent)
        {
            children.pop_front();
            if children.is_empty() {
                self.waiting.remove(&parent);
            }
        }
        Some(span)
    }
}
