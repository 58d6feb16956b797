//! One served request.

use super::RejectReason;
use crate::limits::MAX_NAME_BYTES;
use crate::time::Timestamp;

/// One served request, borrowed from its source.
///
/// # Examples
///
/// ```
/// use mad_core::{Request, telemetry::RejectReason, time::Timestamp};
///
/// let request = Request::new(Timestamp::from_seconds(0), "payments", "/pay", 200, 215.0);
/// assert!(request.check().is_ok());
/// let request = Request { latency_ms: f64::NAN, ..request };
/// assert_eq!(request.check().unwrap_err().0, RejectReason::BadLatency);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Request<'a> {
    /// When it was served.
    pub timestamp: Timestamp,
    /// The service that served it.
    pub service: &'a str,
    /// The route, such as `/item/{id}`.
    pub endpoint: &'a str,
    /// HTTP status; 500 and above are errors.
    pub status_code: i64,
    /// How long it took, milliseconds.
    pub latency_ms: f64,
    /// Id by which a repeated delivery is recognised and dropped. Without it, equal records are
    /// separate requests.
    pub request_id: Option<&'a str>,
    /// The trace that it is part of. Requests of one trace give the calls between services.
    pub trace_id: Option<&'a str>,
    /// The host, pod or instance that served it; empty where it is unknown. To the
    /// event-time clock each host is a separate source.
    pub host: &'a str,
}

impl<'a> Request<'a> {
    /// A request without ids.
    pub const fn new(
        timestamp: Timestamp,
        service: &'a str,
        endpoint: &'a str,
        status_code: i64,
        latency_ms: f64,
    ) -> Self {
        Self {
            timestamp,
            service,
            endpoint,
            status_code,
            latency_ms,
            request_id: None,
            trace_id: None,
            host: "",
        }
    }

    /// Whether the server failed: the status is 500 or above.
    pub const fn is_error(&self) -> bool {
        self.status_code >= 500
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// The reason, and the field at fault.
    pub fn check(&self) -> Result<(), (RejectReason, &'static str)> {
        check_name(self.service).map_err(|reason| (reason, "service"))?;
        check_name(self.endpoint).map_err(|reason| (reason, "endpoint"))?;
        if !(100..=599).contains(&self.status_code) {
            return Err((RejectReason::BadStatus, "status_code"));
        }
        if !(self.latency_ms.is_finite() && self.latency_ms >= 0.0) {
            return Err((RejectReason::BadLatency, "latency_ms"));
        }
        if self.request_id.is_some_and(|id| id.len() > MAX_NAME_BYTES) {
            return Err((RejectReason::BadName, "request_id"));
        }
        if self.trace_id.is_some_and(|id| id.len() > MAX_NAME_BYTES) {
            return Err((RejectReason::BadName, "trace_id"));
        }
        check_optional_name(self.host).map_err(|reason| (reason, "host"))
    }
}

/// A name of 1 to [`MAX_NAME_BYTES`] without control characters.
pub(super) fn check_name(name: &str) -> Result<(), RejectReason> {
    if name.is_empty() {
        return Err(RejectReason::MissingField);
    }
    // every control character is below 0x20, or 0x7f, or C2 80..C2 9f in UTF-8
    let suspicious = name.len() > MAX_NAME_BYTES
        || (name.bytes().any(|b| b < 0x20 || b == 0x7f || b == 0xc2)
            && name.chars().any(char::is_control));
    if suspicious { Err(RejectReason::BadName) } else { Ok(()) }
}

/// A name as in [`check_name`], or an empty one.
pub(super) fn check_optional_name(name: &str) -> Result<(), RejectReason> {
    if name.is_empty() { Ok(()) } else { check_name(name) }
}

/// A finite amount of 0 or more.
pub(super) fn check_amount(value: f64) -> Result<(), RejectReason> {
    if value.is_finite() && value >= 0.0 { Ok(()) } else { Err(RejectReason::BadValue) }
}
