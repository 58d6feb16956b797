//! Kinds of metrics, guessed from their names.

use serde::{Deserialize, Serialize};

/// The kind of quantity that a metric measures.
///
/// [`MetricRankerConfig::metric_kinds`](super::MetricRankerConfig::metric_kinds) sets it; otherwise
/// [`MetricKind::guess`] finds it from the name:
///
/// | kind | name contains, in any case | bad direction | weight |
/// |---|---|---|---|
/// | availability | avail, success | down | 1 |
/// | errors | error, fail, fault, exception, 5xx | up | 1 |
/// | latency | latency, duration, response, delay | up | 1 |
/// | storage | disk, iops, syscall, filesystem | either | .5 |
/// | traffic | request, workload, ops, throughput, traffic, qps, rps, calls | either | .25 |
/// | cpu | cpu | up | 1 |
/// | memory | mem | up | 1 |
/// | network | network, bytes, packet, socket | either | .5 |
/// | other | | either | .5 |
///
/// The first fitting row counts. Traffic weighs little because it falls in all services below a fault
/// and rises where callers retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MetricKind {
    /// Share of requests that were served, as a fraction or in percent.
    Availability,
    /// Errors, as a count or a rate.
    Errors,
    /// Durations.
    Latency,
    /// Work of disks and system calls.
    Storage,
    /// Demand: requests, operations, calls.
    Traffic,
    /// Processor use.
    Cpu,
    /// Memory use.
    Memory,
    /// Bytes and packets sent or received.
    Network,
    /// Gaps of calls between services, from spans. Metrics never have this kind.
    Calls,
    /// Log lines. Metrics never have this kind.
    Logs,
    /// Anything else.
    Other,
}

/// Words by which [`MetricKind::guess`] finds the kind.
const WORDS: [(MetricKind, &[&str]); 8] = [
    (MetricKind::Availability, &["avail", "success"]),
    (MetricKind::Errors, &["error", "fail", "fault", "exception", "5xx"]),
    (MetricKind::Latency, &["latency", "duration", "response", "delay"]),
    (MetricKind::Storage, &["disk", "iops", "syscall", "filesystem"]),
    (
        MetricKind::Traffic,
        &["request", "workload", "ops", "throughput", "traffic", "qps", "rps", "calls"],
    ),
    (MetricKind::Cpu, &["cpu"]),
    (MetricKind::Memory, &["mem"]),
    (MetricKind::Network, &["network", "bytes", "packet", "socket"]),
];

impl MetricKind {
    /// The kind of a metric of this name.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::culprit::MetricKind;
    ///
    /// assert_eq!(MetricKind::guess("PodServerLatencyP99(s)"), MetricKind::Latency);
    /// assert_eq!(MetricKind::guess("requests/Sum"), MetricKind::Traffic);
    /// assert_eq!(MetricKind::guess(""), MetricKind::Other);
    /// ```
    pub fn guess(metric: &str) -> Self {
        let name = metric.to_ascii_lowercase();
        let fits = |words: &[&str]| words.iter().any(|word| name.contains(word));
        WORDS.iter().find(|(_, words)| fits(words)).map_or(Self::Other, |(kind, _)| *kind)
    }

    /// The kind in files and API responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Availability => "availability",
            Self::Errors => "errors",
            Self::Latency => "latency",
            Self::Storage => "storage",
            Self::Traffic => "traffic",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Network => "network",
            Self::Calls => "calls",
            Self::Logs => "logs",
            Self::Other => "other",
        }
    }

    /// The distance `z` in the bad direction: `z`, its negative, or its absolute value.
    pub(super) fn badness(self, z: f64) -> f64 {
        match self {
            Self::Availability => -z,
            Self::Errors | Self::Latency | Self::Cpu | Self::Memory | Self::Calls => z,
            _ => z.abs(),
        }
    }

    /// Whether only one direction is bad.
    pub(super) const fn is_one_sided(self) -> bool {
        matches!(
            self,
            Self::Availability
                | Self::Errors
                | Self::Latency
                | Self::Cpu
                | Self::Memory
                | Self::Calls
        )
    }

    /// Weight of an effect of this kind.
    pub(super) const fn weight(self) -> f64 {
        match self {
            Self::Traffic => 0.25,
            Self::Storage | Self::Network | Self::Other => 0.5,
            _ => 1.0,
        }
    }

    /// Whether it is evidence about its service regardless of target and callees.
    pub(super) const fn is_direct(self) -> bool {
        matches!(self, Self::Calls | Self::Logs)
    }

    /// Whether a service shows it because of a callee: what its own callers see of it.
    pub(crate) const fn is_symptom(self) -> bool {
        matches!(self, Self::Latency | Self::Errors | Self::Availability)
    }

    /// Whether both measure the same symptom. Errors lower availability, so these two do.
    pub(super) fn is_kin(self, other: Self) -> bool {
        let failing = |kind| matches!(kind, Self::Availability | Self::Errors);
        self == other || (failing(self) && failing(other))
    }
}
