//! One simulated span and its line in a file.

use std::io::Write as _;
use std::sync::Arc;

use crate::telemetry::{Span, SpanKind};
use crate::time::{SECOND, Timestamp};

/// One simulated span.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedSpan {
    /// Its trace: 16 hexadecimal digits.
    pub trace_id: Arc<str>,
    /// Its own id: 16 hexadecimal digits.
    pub span_id: String,
    /// The span that called it.
    pub parent_id: Option<String>,
    /// The service that wrote it.
    pub service: Arc<str>,
    /// Operation: method and route.
    pub operation: Arc<str>,
    /// When it began by the clock of the service, to the microsecond.
    pub start: Timestamp,
    /// How long it took: milliseconds with three decimals.
    pub duration_ms: f64,
    /// Whether it failed.
    pub failed: bool,
    /// Server or client.
    pub kind: SpanKind,
}

impl SimulatedSpan {
    /// As the graph and the rankers take it.
    pub fn span(&self) -> Span<'_> {
        Span {
            trace_id: &self.trace_id,
            span_id: &self.span_id,
            parent_id: self.parent_id.as_deref(),
            service: &self.service,
            operation: &self.operation,
            start: self.start,
            duration_ms: self.duration_ms,
            status: if self.failed { "error" } else { "ok" },
            kind: self.kind,
            peer: None,
            host: "",
            version: "",
        }
    }

    /// Appends its line; see [`write_spans_header`] for the columns.
    pub fn write_csv(&self, out: &mut Vec<u8>) {
        let parent = self.parent_id.as_deref().unwrap_or_default();
        let span = self.span();
        // writing to memory cannot fail
        let _ = write!(
            out,
            "{},{},{parent},{},{},",
            span.trace_id, span.span_id, span.service, span.operation
        );
        self.start.floor(SECOND).write_civil(out);
        let micros = self.start.nanos().rem_euclid(SECOND) / 1_000;
        let (status, kind) = (span.status, span.kind.as_str());
        let _ = writeln!(out, ".{micros:06}Z,{:.3},{status},{kind}", self.duration_ms);
    }
}

/// Appends the header line: `trace_id,span_id,parent_id,service,operation,start,duration_ms,status,kind`.
pub fn write_spans_header(out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"trace_id,span_id,parent_id,service,operation,start,duration_ms,status,kind\n",
    );
}
