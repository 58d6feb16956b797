//! One span of a trace.

use serde::{Deserialize, Serialize};

use super::request::{check_amount, check_name, check_optional_name, check_time};
use super::{RejectReason, Request, Status};
use crate::time::Timestamp;

/// One span of a trace, borrowed from its source.
///
/// # Examples
///
/// ```
/// use mad_core::{Span, SpanKind, Timestamp, telemetry::RejectReason};
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
///     kind: SpanKind::Server,
///     peer: None,
///     host: "",
///     version: "",
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
    /// The operation, such as a route.
    pub operation: &'a str,
    /// When it began.
    pub start: Timestamp,
    /// How long it took, milliseconds.
    pub duration_ms: f64,
    /// How it ended, in the source's own words; empty where the source says nothing.
    pub status: &'a str,
    /// Which side of a call it is.
    pub kind: SpanKind,
    /// The called service, where the span names it; needed for services without spans, such as a
    /// database.
    pub peer: Option<&'a str>,
    /// The host, pod or instance that recorded it; empty where it is unknown. To the
    /// event-time clock each host is a separate source.
    pub host: &'a str,
    /// The version of the service that recorded it; empty where it is unknown.
    pub version: &'a str,
}

impl<'a> Span<'a> {
    /// The names of the fields in files and tables, those that an input needs first.
    pub const FIELDS: &'static [&'static str] = &[
        "trace_id",
        "span_id",
        "parent_id",
        "service",
        "operation",
        "start",
        "duration_ms",
        "status",
        "kind",
        "peer",
        "host",
        "version",
    ];

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// The reason, and the field at fault.
    pub fn check(&self) -> Result<(), (RejectReason, &'static str)> {
        check_time(self.start).map_err(|reason| (reason, "start"))?;
        check_name(self.trace_id).map_err(|reason| (reason, "trace_id"))?;
        check_name(self.span_id).map_err(|reason| (reason, "span_id"))?;
        if let Some(parent) = self.parent_id {
            check_name(parent).map_err(|reason| (reason, "parent_id"))?;
        }
        check_name(self.service).map_err(|reason| (reason, "service"))?;
        check_name(self.operation).map_err(|reason| (reason, "operation"))?;
        check_amount(self.duration_ms).map_err(|reason| (reason, "duration_ms"))?;
        check_optional_name(self.status).map_err(|reason| (reason, "status"))?;
        self.peer.map_or(Ok(()), check_name).map_err(|reason| (reason, "peer"))?;
        check_optional_name(self.host).map_err(|reason| (reason, "host"))?;
        check_optional_name(self.version).map_err(|reason| (reason, "version"))
    }

    /// The span as a request of its service and operation.
    ///
    /// ```
    /// use mad_core::{Span, SpanKind, Timestamp};
    ///
    /// let span = Span {
    ///     trace_id: "4bf9",
    ///     span_id: "00f0",
    ///     parent_id: None,
    ///     service: "payments",
    ///     operation: "charge",
    ///     start: Timestamp::from_seconds(0),
    ///     duration_ms: 12.5,
    ///     status: "error",
    ///     kind: SpanKind::Server,
    ///     peer: None,
    ///     host: "",
    ///     version: "",
    /// };
    /// assert_eq!((span.as_request().endpoint, span.as_request().is_error()), ("charge", true));
    /// ```
    pub fn as_request(&self) -> Request<'a> {
        let (service, operation) = (self.service, self.operation);
        let request =
            Request::new(self.start, service, operation, self.outcome(), self.duration_ms);
        Request { host: self.host, version: self.version, ..request }
    }

    /// Whether it failed or had no answer, see [`outcome`](Self::outcome).
    pub fn is_error(&self) -> bool {
        self.outcome().is_error()
    }

    /// How it ended: its status as [`Status::parse`] reads it, with two exceptions. Spans count as
    /// OpenTelemetry does, so `0` and no status at all are a success, `1` is too and `2` is a
    /// failure. `aborted` is a failure.
    ///
    /// ```
    /// use mad_core::{Span, SpanKind, Status, Timestamp};
    ///
    /// let span = Span {
    ///     trace_id: "4bf9",
    ///     span_id: "00f0",
    ///     parent_id: None,
    ///     service: "payments",
    ///     operation: "charge",
    ///     start: Timestamp::from_seconds(0),
    ///     duration_ms: 12.5,
    ///     status: "",
    ///     kind: SpanKind::Server,
    ///     peer: None,
    ///     host: "",
    ///     version: "",
    /// };
    /// let outcome = |status| Span { status, ..span }.outcome();
    /// assert_eq!(["", "0", "2"].map(outcome), [Status::Success, Status::Success, Status::Failure]);
    /// assert_eq!([outcome("503"), outcome("timeout")], [Status::Http(503), Status::NoResponse]);
    /// ```
    pub fn outcome(&self) -> Status {
        let status = self.status.trim();
        let head = status.get(..12).filter(|head| head.eq_ignore_ascii_case("status_code_"));
        let word = head.map_or(status, |_| status.get(12..).unwrap_or_default());
        let is = |known: &[&str]| known.iter().any(|known| word.eq_ignore_ascii_case(known));
        if is(&["", "0", "1", "unset", "ok"]) {
            Status::Success
        } else if is(&["2", "aborted"]) {
            Status::Failure
        } else {
            Status::parse(word)
        }
    }
}

/// Which side of a call a span is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum SpanKind {
    /// The kind is unknown.
    #[default]
    Unknown,
    /// Work within a service.
    Internal,
    /// The work of who was called.
    Server,
    /// The wait of who called.
    Client,
    /// A message handed over.
    Producer,
    /// A message worked on, perhaps much later.
    Consumer,
}

impl SpanKind {
    /// From its name in upper or lower case, with or without `SPAN_KIND_`, or from the number that
    /// OpenTelemetry gives it (1 to 5). Anything else is [`Unknown`](Self::Unknown).
    pub fn parse(text: &str) -> Self {
        const NAMES: [(&str, SpanKind); 5] = [
            ("internal", SpanKind::Internal),
            ("server", SpanKind::Server),
            ("client", SpanKind::Client),
            ("producer", SpanKind::Producer),
            ("consumer", SpanKind::Consumer),
        ];
        if text.is_empty() {
            return Self::Unknown;
        }
        let head = text.get(..10).filter(|head| head.eq_ignore_ascii_case("span_kind_"));
        let text = head.map_or(text, |_| text.get(10..).unwrap_or_default());
        let place = text.parse().ok().and_then(|number: usize| number.checked_sub(1));
        let named = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        let found = named.or_else(|| NAMES.get(place?));
        found.map_or(Self::Unknown, |(_, kind)| *kind)
    }

    /// Its name in files and answers; empty where it is unknown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::Internal => "internal",
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }

    /// Whether it is the side that calls.
    pub const fn is_caller(self) -> bool {
        matches!(self, Self::Client | Self::Producer)
    }
}
