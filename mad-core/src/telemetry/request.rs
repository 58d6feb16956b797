//! One served request.

use super::{RejectReason, Status};
use crate::limits::MAX_NAME_BYTES;
use crate::time::Timestamp;

/// One served request, borrowed from its source.
///
/// # Examples
///
/// ```
/// use mad_core::{Request, Status, telemetry::RejectReason, time::Timestamp};
///
/// let request = Request::new(Timestamp::from_seconds(0), "payments", "/pay", 200, 215.0);
/// assert_eq!(request.latency(), Some(215.0));
/// let failed = Request { status: Status::NoResponse, latency_ms: f64::NAN, ..request };
/// assert!(failed.is_error() && failed.check().is_ok());
/// assert_eq!(failed.latency(), None);
/// let request = Request { service: "", ..request };
/// assert_eq!(request.check().unwrap_err(), (RejectReason::MissingField, "service"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Request<'a> {
    /// When it was served.
    pub timestamp: Timestamp,
    /// The service that served it.
    pub service: &'a str,
    /// The route, such as `/item/{id}`.
    pub endpoint: &'a str,
    /// How it ended.
    pub status: Status,
    /// How long it took, milliseconds. Anything but a finite number of 0 or more is unknown: the
    /// request counts, its latency does not.
    pub latency_ms: f64,
    /// Id by which a repeated delivery is recognised and dropped. Without it, equal records are
    /// separate requests.
    pub request_id: Option<&'a str>,
    /// The trace that it is part of. Requests of one trace give the calls between services.
    pub trace_id: Option<&'a str>,
    /// The host, pod or instance that served it; empty where it is unknown. To the
    /// event-time clock each host is a separate source.
    pub host: &'a str,
    /// The version of the service that served it; empty where it is unknown.
    pub version: &'a str,
}

impl<'a> Request<'a> {
    /// The names of the fields in files and tables, those that an input needs first.
    pub const FIELDS: &'static [&'static str] = &[
        "timestamp",
        "service",
        "endpoint",
        "status_code",
        "latency_ms",
        "request_id",
        "trace_id",
        "host",
        "version",
    ];

    /// A request without ids. The status may be an integer, see [`Status::from_number`].
    pub fn new(
        timestamp: Timestamp,
        service: &'a str,
        endpoint: &'a str,
        status: impl Into<Status>,
        latency_ms: f64,
    ) -> Self {
        Self {
            timestamp,
            service,
            endpoint,
            status: status.into(),
            latency_ms,
            request_id: None,
            trace_id: None,
            host: "",
            version: "",
        }
    }

    /// Whether the server failed or did not answer, see [`Status::is_error`].
    pub const fn is_error(&self) -> bool {
        self.status.is_error()
    }

    /// The latency in milliseconds; `None` where it is unknown.
    #[inline]
    pub fn latency(&self) -> Option<f64> {
        let known = self.latency_ms.is_finite() && self.latency_ms >= 0.0;
        known.then_some(self.latency_ms)
    }

    /// Checks the names and ids. The query of an endpoint may have any length.
    ///
    /// # Errors
    ///
    /// The reason, and the field at fault.
    pub fn check(&self) -> Result<(), (RejectReason, &'static str)> {
        self.check_time()?;
        check_name(self.service).map_err(|reason| (reason, "service"))?;
        check_name(without_query(self.endpoint)).map_err(|reason| (reason, "endpoint"))?;
        self.check_known()
    }

    /// The rest of the checks, for a request whose service and endpoint were checked before.
    pub(crate) fn check_known(&self) -> Result<(), (RejectReason, &'static str)> {
        self.check_time()?;
        if self.request_id.is_some_and(|id| id.len() > MAX_NAME_BYTES) {
            return Err((RejectReason::BadName, "request_id"));
        }
        if self.trace_id.is_some_and(|id| id.len() > MAX_NAME_BYTES) {
            return Err((RejectReason::BadName, "trace_id"));
        }
        check_optional_name(self.host).map_err(|reason| (reason, "host"))?;
        check_optional_name(self.version).map_err(|reason| (reason, "version"))
    }

    fn check_time(&self) -> Result<(), (RejectReason, &'static str)> {
        check_time(self.timestamp).map_err(|reason| (reason, "timestamp"))
    }
}

/// An endpoint up to its query or fragment, if anything stands before it.
fn without_query(endpoint: &str) -> &str {
    let end = memchr::memchr2(b'?', b'#', endpoint.as_bytes()).filter(|end| *end > 0);
    end.and_then(|end| endpoint.get(..end)).unwrap_or(endpoint)
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

/// A time that records may have.
pub(super) fn check_time(time: Timestamp) -> Result<(), RejectReason> {
    if time.is_accepted() { Ok(()) } else { Err(RejectReason::BadTimestamp) }
}

/// A finite amount of 0 or more.
pub(super) fn check_amount(value: f64) -> Result<(), RejectReason> {
    if value.is_finite() && value >= 0.0 { Ok(()) } else { Err(RejectReason::BadValue) }
}
