//! Tables of one incident: spans and log lines.

use arrow_array::{Array, Float64Array, RecordBatch, StringArray};
use mad_core::culprit::{LogPoint, MetricWindow, SpanPoint};
use mad_core::time::ZonePolicy;
use mad_core::{RejectReason, Timestamp};
use pyo3::prelude::*;

use crate::rank_tables::{column, numbers};
use crate::read_batches::batches;
use crate::read_types::{names, times};

/// One stretch of a spans table.
pub struct SpanColumns {
    start: Vec<Result<Timestamp, RejectReason>>,
    trace: StringArray,
    span: StringArray,
    parent: StringArray,
    service: StringArray,
    duration: Float64Array,
}

pub fn span_columns(table: &Bound<'_, PyAny>) -> PyResult<Vec<SpanColumns>> {
    let read = |batch: RecordBatch| {
        let name = |name| names(column(&batch, name, "spans")?, name);
        Ok(SpanColumns {
            start: times(column(&batch, "start", "spans")?, ZonePolicy::Refuse)?,
            trace: name("trace_id")?,
            span: name("span_id")?,
            parent: name("parent_id")?,
            service: name("service")?,
            duration: numbers(column(&batch, "duration_ms", "spans")?, "duration_ms")?,
        })
    };
    batches(table)?.into_iter().map(read).collect()
}

impl SpanColumns {
    /// Hands out every good row as a span; the others are counted.
    pub fn spans(&self, window: &mut MetricWindow) {
        for (row, start) in self.start.iter().enumerate() {
            let position = row as u64 + 1;
            let needed = (text(&self.trace, row), text(&self.span, row), text(&self.service, row));
            let (Ok(start), (Some(trace), Some(span), Some(service))) = (start, needed) else {
                let reason = start.err().unwrap_or(RejectReason::MissingField);
                window.rejected_mut().add(reason, position, || "span".to_owned());
                continue;
            };
            let missing = self.duration.is_null(row);
            let duration_ms = if missing { f64::NAN } else { self.duration.value(row) };
            let point = SpanPoint {
                start: *start,
                trace_id: trace,
                span_id: span,
                parent_id: text(&self.parent, row),
                service,
                duration_ms,
            };
            window.span(&point, position);
        }
    }
}

/// One stretch of a logs table.
pub struct LogColumns {
    times: Vec<Result<Timestamp, RejectReason>>,
    service: StringArray,
    level: StringArray,
    body: StringArray,
}

pub fn log_columns(table: &Bound<'_, PyAny>) -> PyResult<Vec<LogColumns>> {
    let read = |batch: RecordBatch| {
        let name = |name| names(column(&batch, name, "logs")?, name);
        Ok(LogColumns {
            times: times(column(&batch, "timestamp", "logs")?, ZonePolicy::Refuse)?,
            service: name("service")?,
            level: name("level")?,
            body: name("body")?,
        })
    };
    batches(table)?.into_iter().map(read).collect()
}

impl LogColumns {
    /// Hands out every good row as a line; the others are counted.
    pub fn lines(&self, window: &mut MetricWindow) {
        for (row, time) in self.times.iter().enumerate() {
            let missing = self.service.is_null(row).then_some(RejectReason::MissingField);
            if let Some(reason) = time.err().or(missing) {
                window.rejected_mut().add(reason, row as u64 + 1, || "log line".to_owned());
                continue;
            }
            window.log(&LogPoint {
                timestamp: time.unwrap_or_default(),
                service: self.service.value(row),
                level: text(&self.level, row).unwrap_or_default(),
                body: text(&self.body, row).unwrap_or_default(),
            });
        }
    }
}

fn text(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}
