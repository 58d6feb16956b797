//! Which signal a piece of evidence is about.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::feature::Signal;
use crate::graph::{MISSING_SPANS, NETWORK_GAP};
use crate::telemetry::LogLevel;

/// A signal of a request row, or a metric by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalName {
    /// A signal of a request row.
    Request(Signal),
    /// A metric.
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

    /// The unit of its values; empty where nobody said.
    pub fn unit(&self) -> &'static str {
        match self {
            Self::Request(signal) => signal.unit(),
            Self::Metric(name) if **name == *MISSING_SPANS => "spans",
            Self::Metric(name) if **name == *NETWORK_GAP => "ms",
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
}

/// Whether a metric of this name counts log lines or missing spans.
pub(crate) fn counts(metric: &str) -> bool {
    LogLevel::counts(metric) || metric == MISSING_SPANS
}

/// Whether a metric of this name has a kind and a direction by itself.
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
