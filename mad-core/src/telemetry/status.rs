//! How a request ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a request ended.
///
/// [`Status::parse`] reads what sources write; the table shows the forms that it knows.
///
/// | written | read as |
/// |---|---|
/// | `502`, `502.0`, `502 Bad Gateway`, `HTTP/1.1 502`, `[502]`, `TCP_MISS/502` | HTTP status 502 |
/// | `2xx`, `4XX`, `5xx` | HTTP status 200, 400, 500 |
/// | `Bad Gateway`, `BAD_GATEWAY` | the HTTP status with this reason phrase |
/// | `1` to `16`, `14 UNAVAILABLE`, `UNAVAILABLE`, `StatusCode.UNAVAILABLE`, `DeadlineExceeded` | gRPC status code |
/// | `OK`, `success`, `true`, `PASS` | success without a code |
/// | `ERROR`, `KO`, `failed`, `false`, `RuntimeError: ...` | failure without a code |
/// | `0`, `000`, `-`, negative numbers, `null`, `NaN`, nothing | no response |
/// | `timeout`, `ECONNREFUSED`, `Connection reset by peer`, `Non HTTP response code: ...` | no response |
/// | `502, 200`, `502 : 200`, `502, -` | the last one: the answer after the last attempt |
/// | anything else | unknown: the request counts and is no error |
///
/// # Examples
///
/// ```
/// use mad_core::Status;
///
/// assert_eq!(Status::parse("502 Bad Gateway"), Status::Http(502));
/// assert_eq!(Status::parse("-"), Status::NoResponse);
/// assert!(Status::parse("UNAVAILABLE").is_error());
/// assert!(Status::from(404).is_client_error());
/// assert_eq!(Status::parse("502, 504").to_string(), "504");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// An HTTP status, 100 to 999.
    Http(u16),
    /// A gRPC status code, 0 to 16.
    Grpc(u8),
    /// It succeeded; the source gives no code.
    Success,
    /// It failed; the source gives no code.
    Failure,
    /// No response came: no connection, a time-out, or no status at all.
    NoResponse,
    /// The source wrote something that is not known.
    Unknown,
}

/// Names of the gRPC status codes 0 to 16 without separators.
pub(super) const GRPC_NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

impl Status {
    /// A number as a status: 100 to 999 is HTTP, 1 to 16 gRPC. Zero, negative numbers and NaN are
    /// no response. Other numbers are unknown.
    pub fn from_number(number: f64) -> Self {
        match number {
            100.0..1000.0 if number.fract() == 0.0 => Self::Http(number as u16),
            1.0..=16.0 if number.fract() == 0.0 => Self::Grpc(number as u8),
            _ if number > 0.0 => Self::Unknown,
            _ => Self::NoResponse,
        }
    }

    /// Whether the server failed or did not answer: HTTP 500 and above, the gRPC codes that
    /// OpenTelemetry counts as errors of a server (UNKNOWN, `DEADLINE_EXCEEDED`, UNIMPLEMENTED,
    /// INTERNAL, UNAVAILABLE, `DATA_LOSS`), a failure without a code, and no response.
    #[inline]
    pub const fn is_error(self) -> bool {
        match self {
            Self::Http(code) => code >= 500,
            Self::Grpc(code) => matches!(code, 2 | 4 | 12..=15),
            Self::Failure | Self::NoResponse => true,
            Self::Success | Self::Unknown => false,
        }
    }

    /// Whether the request was refused or sent elsewhere: HTTP 4xx, 3xx but 304 (not modified), and
    /// the other gRPC codes than OK.
    #[inline]
    pub const fn is_client_error(self) -> bool {
        match self {
            Self::Http(code) => code >= 300 && code < 500 && code != 304,
            Self::Grpc(code) => code > 0 && !self.is_error(),
            _ => false,
        }
    }

    /// Whether no response came.
    pub const fn is_no_response(self) -> bool {
        matches!(self, Self::NoResponse)
    }

    /// The nearest HTTP status, for counts by status: that of the usual gateways for gRPC codes, 200
    /// and 500 without a code, 0 for no response and for unknown ones.
    pub fn nearest_http(self) -> u16 {
        // by the mapping of google.rpc.Code
        const OF_GRPC: [u16; 17] =
            [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];
        match self {
            Self::Http(code) => code,
            Self::Grpc(code) => OF_GRPC.get(usize::from(code)).copied().unwrap_or(500),
            Self::Success => 200,
            Self::Failure => 500,
            Self::NoResponse | Self::Unknown => 0,
        }
    }
}

impl fmt::Display for Status {
    /// `502`, `UNAVAILABLE`, `success`, `failure`, `no response` or `unknown`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(code) => write!(f, "{code}"),
            Self::Grpc(code) => {
                f.write_str(GRPC_NAMES.get(usize::from(*code)).copied().unwrap_or("UNKNOWN"))
            }
            Self::Success => f.write_str("success"),
            Self::Failure => f.write_str("failure"),
            Self::NoResponse => f.write_str("no response"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

macro_rules! from_integers {
    ($($integer:ty),*) => {$(
        impl From<$integer> for Status {
            /// See [`Status::from_number`].
            #[allow(clippy::cast_lossless, reason = "not lossless for every type of the macro")]
            fn from(number: $integer) -> Self {
                Self::from_number(number as f64)
            }
        }
    )*};
}
from_integers!(i32, i64, u16);
