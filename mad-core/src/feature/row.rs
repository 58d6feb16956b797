//! What is known of one entity in one step.

use serde::{Deserialize, Serialize};

use crate::series::EntityId;
use crate::time::Timestamp;

/// A value and how many observations stand behind it.
///
/// `n` is 0 where there is nothing to say; the value is then NaN.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The value, in the signal's unit.
    #[serde(deserialize_with = "crate::nan::number")]
    pub value: f64,
    /// Observations behind it.
    pub n: u64,
}

/// What kind of number a signal is: which likelihood its scorer uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    /// Positive, skewed, multiplicative: judged by its logarithm.
    Latency,
    /// A share of `n` trials, 0 to 1: judged by a binomial tail.
    Rate,
    /// A number of independent events: judged by a Poisson-like tail.
    Count,
    /// Anything else: judged as it is.
    Gauge,
}

/// The signals of a request row.
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
}

impl Signal {
    /// All signals, in the order in which rows and files hold them.
    pub const ALL: [Self; 4] =
        [Self::P50Latency, Self::P95Latency, Self::ErrorRate, Self::RequestCount];

    /// The name in files and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P50Latency => "p50_latency_ms",
            Self::P95Latency => "p95_latency_ms",
            Self::ErrorRate => "error_rate",
            Self::RequestCount => "req_count",
        }
    }

    /// Which quantile of the row's observations it is, if it is one.
    pub const fn quantile(self) -> Option<f64> {
        match self {
            Self::P50Latency => Some(0.50),
            Self::P95Latency => Some(0.95),
            Self::ErrorRate | Self::RequestCount => None,
        }
    }

    /// The unit of its values; a share has none.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::P50Latency | Self::P95Latency => "ms",
            Self::ErrorRate => "share",
            Self::RequestCount => "requests",
        }
    }

    /// Its kind.
    pub const fn kind(self) -> SignalKind {
        match self {
            Self::P50Latency | Self::P95Latency => SignalKind::Latency,
            Self::ErrorRate => SignalKind::Rate,
            Self::RequestCount => SignalKind::Count,
        }
    }

    /// Its place in [`Signal::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// One entity in one step. A step without a request has no row.
///
/// Percentiles are exact, by linear interpolation between order statistics (type 7 of Hyndman and
/// Fan, 1996). They do not depend on the order in which the step's requests came.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FeatureRow {
    /// Start of the step.
    pub bucket: Timestamp,
    /// Whose row it is.
    pub entity: EntityId,
    /// Empty steps between this row and the entity's row before it (0 for its first row).
    pub gap: u64,
    /// Whether the step was over when it was closed. The last one of a stream that ends within it
    /// is not: how many requests came in a part of it is no evidence.
    pub whole: bool,
    /// Requests.
    pub count: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Requests that took longer than [`FeatureBuilder::set_slow`](super::FeatureBuilder::set_slow)
    /// says, of those whose latencies were kept.
    pub slow: u64,
    /// Latencies behind the percentiles: `count`, or the bound
    /// [`Limits::window_samples`](crate::Limits::window_samples).
    pub samples: u64,
    /// Mean latency, ms.
    pub mean: f64,
    /// Median latency, ms.
    pub p50: f64,
    /// 95th percentile, ms.
    pub p95: f64,
    /// 99th percentile, ms.
    pub p99: f64,
    /// Longest, ms.
    pub max: f64,
}

impl FeatureRow {
    /// Share of requests that failed; NaN without requests.
    pub fn error_rate(&self) -> f64 {
        self.errors as f64 / self.count as f64
    }

    /// One signal of the row with its weight; that of a count is 1, and 0 where the step is not whole.
    pub fn sample(&self, signal: Signal) -> Sample {
        match signal {
            Signal::P50Latency => Sample { value: self.p50, n: self.samples },
            Signal::P95Latency => Sample { value: self.p95, n: self.samples },
            Signal::ErrorRate => Sample { value: self.error_rate(), n: self.count },
            Signal::RequestCount => Sample { value: self.count as f64, n: u64::from(self.whole) },
        }
    }
}
