//! The spans of a trace that may still receive spans.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::telemetry::SpanKind;
use crate::time::Timestamp;

/// The time that a call between two services spent outside both: network and queues, both ways.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CallGap {
    /// The operation of the caller's client span.
    pub caller: u32,
    /// The called operation.
    pub callee: u32,
    /// Duration of the client span minus that of the called span, ms, at least 0.
    pub ms: f64,
}

/// The spans of one open trace.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct OpenTrace {
    pub start: Timestamp,
    pub spans: Vec<TraceSpan>,
}

/// One span of an open trace. Ids are hashes; the operation is a place in the list of operations.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct TraceSpan {
    pub id: u64,
    pub parent: Option<u64>,
    pub operation: u32,
    pub failed: bool,
    pub kind: SpanKind,
    pub duration_ms: f64,
}

impl OpenTrace {
    /// The failed operations, each with whether a call explains the failure: a child failed too, or
    /// took at least as long as the operation itself, which then gave up waiting.
    pub fn failed(&self) -> BTreeMap<u32, bool> {
        let failed = self.spans.iter().filter(|span| span.failed);
        let by_id: HashMap<u64, &TraceSpan> = failed.map(|span| (span.id, span)).collect();
        let mut found: BTreeMap<u32, bool> =
            by_id.values().map(|span| (span.operation, false)).collect();
        if by_id.is_empty() {
            return found;
        }
        for span in &self.spans {
            let caller = span.parent.and_then(|parent| by_id.get(&parent));
            let explained = caller.filter(|caller| {
                span.failed || span.duration_ms > 0.0 && span.duration_ms >= caller.duration_ms
            });
            found.extend(explained.map(|caller| (caller.operation, true)));
        }
        found
    }

    /// The gaps of the calls between services where both spans are known and the caller waited.
    pub fn gaps(&self, same_service: impl Fn(u32, u32) -> bool) -> Vec<CallGap> {
        let clients = self.spans.iter().filter(|span| span.kind == SpanKind::Client);
        let by_id: HashMap<u64, &TraceSpan> = clients.map(|span| (span.id, span)).collect();
        let gap = |callee: &TraceSpan| {
            let caller = by_id.get(&callee.parent?)?;
            let answers = matches!(callee.kind, SpanKind::Server | SpanKind::Unknown);
            let ms = (caller.duration_ms - callee.duration_ms).max(0.0);
            let is_call = answers && !same_service(caller.operation, callee.operation);
            let (caller, callee) = (caller.operation, callee.operation);
            (is_call && ms.is_finite()).then_some(CallGap { caller, callee, ms })
        };
        self.spans.iter().filter_map(gap).collect()
    }
}
