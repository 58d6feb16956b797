//! One line of a log.

use serde::{Deserialize, Serialize};

use super::RejectReason;
use super::request::{check_name, check_optional_name};
use crate::limits::MAX_LINE_BYTES;
use crate::time::Timestamp;

/// Severity of a log line, by the level that its source gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// `error`, `err`, `severe`, `critical`, `crit`, `fatal`, `alert`, `emerg`, `panic`.
    Error,
    /// `warning`, `warn`.
    Warning,
    /// Any other level, and lines without one.
    Other,
}

impl LogLevel {
    /// The level for a source's word, in upper or lower case.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::telemetry::LogLevel;
    ///
    /// assert_eq!(LogLevel::of("FATAL"), LogLevel::Error);
    /// assert_eq!(LogLevel::of("warn"), LogLevel::Warning);
    /// assert_eq!(LogLevel::of(""), LogLevel::Other);
    /// ```
    pub fn of(word: &str) -> Self {
        let is = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
        if is(&["error", "err", "severe", "critical", "crit", "fatal", "alert", "emerg", "panic"]) {
            Self::Error
        } else if is(&["warning", "warn"]) {
            Self::Warning
        } else {
            Self::Other
        }
    }
}

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
    /// Its level in the source's words; empty where there is none.
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
        check_name(self.service).map_err(|reason| (reason, "service"))?;
        check_optional_name(self.level).map_err(|reason| (reason, "level"))?;
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
