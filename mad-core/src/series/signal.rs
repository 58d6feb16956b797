//! Names of signals: those of requests, and those that the crate computes from logs and spans.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::SignalKind;

/// Signal: number of missing spans of an operation in a step.
pub const MISSING_SPANS: &str = "missing_spans";
/// Signal: median network time of the calls from one service to another, ms.
pub const NETWORK_GAP: &str = "network_gap_ms";
/// Prefix of an endpoint that stands for the calls to another service, such as `-> store` of `cart`.
pub const CALLS_TO: &str = "-> ";
/// Signal: number of error lines of a service in a step.
pub const LOG_ERRORS: &str = "log_errors";
/// Signal: number of lines of one log template of a service in a step. The text of the template follows
/// this beginning of the name.
pub const LOG_LINES: &str = "log_lines: ";
/// Time from which on the lines of a log template are judged, nanoseconds. A day shows whether it has
/// bursts, and how it follows the time of day.
pub(crate) const LOG_LINES_WARM_UP: i64 = 24 * crate::time::HOUR;
/// What looking at the lines of one template costs, in decades: 16 templates of a service have a tenth of
/// the false alarms of its log.
pub(crate) const PRICE_OF_TEMPLATE: f64 = 2.204_119_982_655_924_6;
/// Signal: time without requests of an entity that usually has some, s.
pub const SILENCE: &str = "silence";
/// Signal: number of lines of new error templates of a service in a step, where one of them came five
/// times within 30 s. Before the first such step it has no sample.
pub const LOG_NEW_ERRORS: &str = "log_new_errors";
/// Signal: number of warning lines of a service in a step.
pub const LOG_WARNINGS: &str = "log_warnings";

/// The signals of a row of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Median latency, ms.
    P50Latency,
    /// 95th percentile of latency, ms.
    P95Latency,
    /// Share of requests that failed (status 500 and above), 0 to 1.
    ErrorRate,
    /// Requests in the step.
    RequestCount,
    /// Share of requests that were refused or sent elsewhere (status 300 to 499 but 304), 0 to 1.
    ClientErrorRate,
    /// Share of requests that took far longer than the endpoint's past 99th percentile, 0 to 1.
    SlowShare,
}

impl Signal {
    /// All signals, in the order in which rows and files hold them.
    pub const ALL: [Self; 6] = [
        Self::P50Latency,
        Self::P95Latency,
        Self::ErrorRate,
        Self::RequestCount,
        Self::ClientErrorRate,
        Self::SlowShare,
    ];

    /// The first signals of [`Signal::ALL`], which have most of a row's evidence: latency, errors
    /// and traffic.
    pub const MAIN: usize = 4;

    /// The name in files and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P50Latency => "p50_latency_ms",
            Self::P95Latency => "p95_latency_ms",
            Self::ErrorRate => "error_rate",
            Self::RequestCount => "req_count",
            Self::ClientErrorRate => "client_error_rate",
            Self::SlowShare => "slow_share",
        }
    }

    /// The quantile of latency, 0 to 1; none for other signals.
    pub const fn quantile(self) -> Option<f64> {
        match self {
            Self::P50Latency => Some(0.50),
            Self::P95Latency => Some(0.95),
            Self::ErrorRate | Self::RequestCount | Self::ClientErrorRate | Self::SlowShare => None,
        }
    }

    /// The unit of its values.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::P50Latency | Self::P95Latency => "ms",
            Self::ErrorRate | Self::ClientErrorRate | Self::SlowShare => "share",
            Self::RequestCount => "requests",
        }
    }

    /// The kind of its values.
    pub const fn kind(self) -> SignalKind {
        match self {
            Self::P50Latency | Self::P95Latency => SignalKind::Latency,
            Self::ErrorRate | Self::ClientErrorRate | Self::SlowShare => SignalKind::Rate,
            Self::RequestCount => SignalKind::Count,
        }
    }

    /// The place in [`Signal::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// The name of a signal: a signal of requests or a metric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalName {
    /// A signal of a row of requests.
    Request(Signal),
    /// A metric by its name.
    Metric(Arc<str>),
}

impl SignalName {
    /// The name in files and answers.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Request(signal) => signal.as_str(),
            Self::Metric(name) => name,
        }
    }

    /// The unit of its values; empty if it is unknown.
    pub fn unit(&self) -> &'static str {
        match self {
            Self::Request(signal) => signal.unit(),
            Self::Metric(name) if **name == *MISSING_SPANS => "spans",
            Self::Metric(name) if **name == *NETWORK_GAP => "ms",
            Self::Metric(name) if **name == *SILENCE => "s",
            Self::Metric(_) if self.is_count() => "lines",
            Self::Metric(_) => "",
        }
    }

    /// Whether its values are whole numbers of requests, log lines or spans.
    pub fn is_count(&self) -> bool {
        match self {
            Self::Request(signal) => *signal == Signal::RequestCount,
            Self::Metric(name) => counts(name),
        }
    }

    /// The signal of a request row, if it is one.
    pub const fn request(&self) -> Option<Signal> {
        match self {
            Self::Request(signal) => Some(*signal),
            Self::Metric(_) => None,
        }
    }

    /// The name of a metric; `None` for a built-in signal.
    pub const fn metric(&self) -> Option<&Arc<str>> {
        match self {
            Self::Request(_) => None,
            Self::Metric(name) => Some(name),
        }
    }
}

/// Whether the signal of this name counts log lines.
pub fn counts_lines(signal: &str) -> bool {
    matches!(signal, LOG_ERRORS | LOG_NEW_ERRORS | LOG_WARNINGS)
        || log_template_of(signal).is_some()
}

/// The text of the log template whose lines the signal of this name counts.
///
/// # Examples
///
/// ```
/// use mad_core::series::log_template_of;
///
/// assert_eq!(log_template_of("log_lines: payment settled <*>"), Some("payment settled <*>"));
/// assert_eq!(log_template_of("log_errors"), None);
/// ```
pub fn log_template_of(signal: &str) -> Option<&str> {
    signal.strip_prefix(LOG_LINES)
}

/// Whether the metric of this name counts log lines or missing spans.
pub(crate) fn counts(metric: &str) -> bool {
    counts_lines(metric) || metric == MISSING_SPANS
}

/// Whether the crate computes the metric of this name, so that its kind and direction are known.
pub(crate) fn is_made_here(metric: &str) -> bool {
    counts(metric) || metric == NETWORK_GAP
}

impl From<Signal> for SignalName {
    fn from(signal: Signal) -> Self {
        Self::Request(signal)
    }
}

impl PartialEq<Signal> for SignalName {
    fn eq(&self, other: &Signal) -> bool {
        self.request() == Some(*other)
    }
}

impl fmt::Display for SignalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
