//! The spans of a trace that is not whole yet.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::shapes::CallGap;
use crate::telemetry::SpanKind;
use crate::time::Timestamp;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct OpenTrace {
    pub start: Timestamp,
    pub spans: Vec<OpenSpan>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct OpenSpan {
    pub id: u64,
    pub parent: Option<u64>,
    pub operation: u32,
    #[serde(default)]
    pub failed: bool,
    #[serde(default)]
    pub kind: SpanKind,
    #[serde(default)]
    pub duration_ms: f64,
}

impl OpenTrace {
    /// The operations that failed, each with whether something that it called failed too, or took at
    /// least as long as it did itself: it gave up waiting.
    pub fn failed(&self) -> BTreeMap<u32, bool> {
        let failed = self.spans.iter().filter(|span| span.failed);
        let by_id: HashMap<u64, &OpenSpan> = failed.map(|span| (span.id, span)).collect();
        let mut found: BTreeMap<u32, bool> =
            by_id.values().map(|span| (span.operation, false)).collect();
        if by_id.is_empty() {
            return found;
        }
        for span in &self.spans {
            let caller = span.parent.and_then(|parent| by_id.get(&parent));
            let blamed = caller.filter(|caller| {
                span.failed || span.duration_ms > 0.0 && span.duration_ms >= caller.duration_ms
            });
            found.extend(blamed.map(|caller| (caller.operation, true)));
        }
        found
    }

    /// How long its calls were on their way: where both halves are known, and the caller waited.
    pub fn gaps(&self, same_service: impl Fn(u32, u32) -> bool) -> Vec<CallGap> {
        let clients = self.spans.iter().filter(|span| span.kind == SpanKind::Client);
        let by_id: HashMap<u64, &OpenSpan> = clients.map(|span| (span.id, span)).collect();
        let gap = |callee: &OpenSpan| {
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
