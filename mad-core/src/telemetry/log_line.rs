//! One line of a log.

use super::RejectReason;
use super::request::{check_name, check_optional_name, check_time};
use crate::limits::{MAX_LINE_BYTES, MAX_NAME_BYTES};
use crate::time::Timestamp;

/// One line of a log, borrowed from its source.
///
/// # Examples
///
/// ```
/// use mad_core::{LogLine, Timestamp, telemetry::RejectReason};
///
/// let at = Timestamp::from_seconds(0);
/// let line = LogLine::new(at, "payments", "ERROR", "card refused\n\tat Charge.run");
/// assert!(line.check().is_ok());
/// assert_eq!(LogLine { body: "", ..line }.check(), Err((RejectReason::MissingField, "body")));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// When it was written.
    pub timestamp: Timestamp,
    /// The service that wrote it.
    pub service: &'a str,
    /// Its level in the source's words, see [`WrittenLevel`](super::WrittenLevel); empty where there
    /// is none.
    pub level: &'a str,
    /// Its text, of 1 byte to [`MAX_LINE_BYTES`]; it may have line ends.
    pub body: &'a str,
    /// The trace during which it was written.
    pub trace_id: Option<&'a str>,
    /// The host, pod or instance that wrote it; empty where it is unknown. To the
    /// event-time clock each host is a separate source.
    pub host: &'a str,
}

impl<'a> LogLine<'a> {
    /// The names of the fields in files and tables, those that an input needs first.
    pub const FIELDS: &'static [&'static str] =
        &["timestamp", "service", "body", "level", "trace_id", "host"];

    /// A line without a trace.
    pub const fn new(
        timestamp: Timestamp,
        service: &'a str,
        level: &'a str,
        body: &'a str,
    ) -> Self {
        Self { timestamp, service, level, body, trace_id: None, host: "" }
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// The reason, and the field at fault.
    pub fn check(&self) -> Result<(), (RejectReason, &'static str)> {
        check_time(self.timestamp).map_err(|reason| (reason, "timestamp"))?;
        check_name(self.service).map_err(|reason| (reason, "service"))?;
        if self.level.len() > MAX_NAME_BYTES {
            return Err((RejectReason::BadName, "level"));
        }
        if self.body.is_empty() {
            return Err((RejectReason::MissingField, "body"));
        }
        if self.body.len() > MAX_LINE_BYTES {
            return Err((RejectReason::LineTooLong, "body"));
        }
        if let Some(trace) = self.trace_id {
            check_name(trace).map_err(|reason| (reason, "trace_id"))?;
        }
        check_optional_name(self.host).map_err(|reason| (reason, "host"))
    }
}
