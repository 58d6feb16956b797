//! One span of a trace.

use super::RejectReason;
use super::request::{check_amount, check_name, check_optional_name};
use crate::time::Timestamp;

/// One span of a trace, borrowed from wherever it stands.
///
/// # Examples
///
/// ```
/// use mad_core::{Span, Timestamp, telemetry::RejectReason};
///
/// let span = Span {
///     trace_id: "4bf9",
///     span_id: "00f0",
///     parent_id: None,
///     service: "payments",
///     operation: "charge",
///     start: Timestamp::from_seconds(0),
///     duration_ms: 12.5,
///     status: "ok",
/// };
/// assert!(span.check().is_ok());
/// let backwards = Span { duration_ms: -1.0, ..span };
/// assert_eq!(backwards.check(), Err((RejectReason::BadValue, "duration_ms")));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span<'a> {
    /// The trace that it is part of.
    pub trace_id: &'a str,
    /// Its own id.
    pub span_id: &'a str,
    /// The span that called it; `None` at the root of a trace.
    pub parent_id: Option<&'a str>,
    /// The service that did the work.
    pub service: &'a str,
    /// What was done.
    pub operation: &'a str,
    /// When it began.
    pub start: Timestamp,
    /// How long it took, milliseconds.
    pub duration_ms: f64,
    /// How it ended, in the source's own words; empty where the source says nothing.
    pub status: &'a str,
}

impl Span<'_> {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// The reason, and the field at fault.
    pub fn check(&self) -> Result<(), (RejectReason, &'static str)> {
        check_name(self.trace_id).map_err(|reason| (reason, "trace_id"))?;
        check_name(self.span_id).map_err(|reason| (reason, "span_id"))?;
        if let Some(parent) = self.parent_id {
            check_name(parent).map_err(|reason| (reason, "parent_id"))?;
        }
        check_name(self.service).map_err(|reason| (reason, "service"))?;
        check_name(self.operation).map_err(|reason| (reason, "operation"))?;
        check_amount(self.duration_ms).map_err(|reason| (reason, "duration_ms"))?;
        check_optional_name(self.status).map_err(|reason| (reason, "status"))
    }
}
