//! The result of a ranking over traces.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The kind of fault of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceFault {
    /// The call fails.
    Error,
    /// The call takes far longer than usual.
    Slow,
    /// The call fails or is slow for its caller while the callee is normal: the network between them.
    Network,
    /// The call is usually made and is absent.
    Missing,
}

impl TraceFault {
    /// The kind in files and API responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Slow => "slow",
            Self::Network => "network",
            Self::Missing => "missing",
        }
    }
}

/// One suspected operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceCulprit {
    /// The service at fault.
    pub service: Arc<str>,
    /// Its operation.
    pub operation: Arc<str>,
    /// The kind of fault.
    pub fault: TraceFault,
    /// Failing traces of which it is the first cause.
    pub traces: u64,
    /// Share of these traces among all failing traces, 0 to 1: the confidence of the result.
    pub share: f64,
    /// Start of the first failing call. Isolated failures long before the others are ignored.
    pub onset: Timestamp,
    /// Median duration of the failing calls, ms; NaN for missing ones.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub duration_ms: f64,
    /// Usual duration, ms; NaN for fewer than five past spans.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub expected_ms: f64,
    /// The first failing traces from the onset on, at most five.
    pub sample_traces: Vec<Arc<str>>,
    /// The most common propagation path: services from the entry to the culprit.
    pub chain: Vec<Arc<str>>,
}

/// Suspected operations, the likeliest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceRanking {
    /// The likeliest culprits, one for each service, operation and kind of fault.
    pub culprits: Vec<TraceCulprit>,
    /// Whether no culprit is reported, because no more traces fail than in normal time.
    pub abstained: bool,
    /// Traces of the incident.
    pub traces: u64,
    /// Traces in which a call fails, is slow or is missing.
    pub failing: u64,
}
