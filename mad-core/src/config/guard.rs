//! Settings of the guardrails.

use serde::{Deserialize, Serialize};

use super::check::{not_negative, within};
use crate::error::Result;

/// Which anomalous rows are suppressed: of entities that are new, of too few requests, and of
/// changes too small to matter.
///
/// # Examples
///
/// ```
/// use mad_core::GuardConfig;
///
/// // a latency has to double, and by 50 ms at least
/// let config =
///     GuardConfig { latency_relative: 1.0, latency_absolute_ms: 50.0, ..GuardConfig::default() };
/// assert!(config.validate().is_ok());
/// assert!(GuardConfig { error_rate_absolute: 1.5, ..config }.validate().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuardConfig {
    /// Time after an entity's first row in which no row is flagged, minutes, 0 to 1e6. Default 15.
    pub warm_up_minutes: f64,
    /// Idle time after which the first row is a cold start, whose latencies raise no incident, minutes, 0
    /// to 1e6; 0 turns it off. The time has to be three times the usual time between rows as well.
    /// Default 10.
    pub cold_start_minutes: f64,
    /// Rows that are learnt before one is flagged, 1 to 100,000. Default 20, because a median of
    /// fewer rows is unreliable.
    pub min_points: usize,
    /// Requests that a row needs to be flagged, 0 or more. For an anomaly of the request count the
    /// expected requests count too. Default 1, because the score already allows for few requests.
    pub min_requests: u64,
    /// Smallest change of a latency, as a share of the expected value, 0 or more. Default 0.25.
    pub latency_relative: f64,
    /// Smallest change of a latency, ms, 0 or more. Default 2.
    pub latency_absolute_ms: f64,
    /// Smallest rise of the error rate, 0 to 1. Default 0.02: two percentage points.
    pub error_rate_absolute: f64,
    /// Smallest rise of the client error rate, 0 to 1. Default 0.05, because a few clients with a
    /// wrong link or key are usual.
    pub client_error_rate_absolute: f64,
    /// Smallest rise of the share of slow requests, 0 to 1. Default 0.01.
    pub slow_share_absolute: f64,
    /// Errors that a row needs before its error rate is flagged, 0 or more; client errors and slow
    /// requests likewise. Default 2.
    pub min_errors: u64,
    /// Smallest change of the number of requests, as a share of the expected number, 0 or more.
    /// Default 0.5.
    pub traffic_relative: f64,
    /// Smallest change of the number of requests, 0 or more. Default 5.
    pub traffic_absolute: f64,
    /// Error rate from which a flagged rise is critical, 0 to 1. Default 0.05.
    pub critical_error_rate: f64,
    /// Client error rate from which a flagged rise is critical, 0 to 1. Not set by default: a rise
    /// of client errors is a warning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critical_client_error_rate: Option<f64>,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            warm_up_minutes: 15.0,
            cold_start_minutes: 10.0,
            min_points: 20,
            min_requests: 1,
            latency_relative: 0.25,
            latency_absolute_ms: 2.0,
            error_rate_absolute: 0.02,
            client_error_rate_absolute: 0.05,
            slow_share_absolute: 0.01,
            min_errors: 2,
            traffic_relative: 0.5,
            traffic_absolute: 5.0,
            critical_error_rate: 0.05,
            critical_client_error_rate: None,
        }
    }
}

impl GuardConfig {
    /// Whether a row has too few requests to be flagged. For an anomaly of the request count,
    /// `requests` is the larger of the expected and the observed number.
    pub fn too_few_requests(&self, requests: f64) -> bool {
        requests < self.min_requests as f64
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// Names the field, its value and its range.
    pub fn validate(&self) -> Result<()> {
        within("guard.warm_up_minutes", self.warm_up_minutes, 0.0..=1e6, "0 to 1e6 minutes")?;
        let expected = "0 to 1e6 minutes";
        within("guard.cold_start_minutes", self.cold_start_minutes, 0.0..=1e6, expected)?;
        let expected = "an integer from 1 to 100000";
        within("guard.min_points", self.min_points, 1..=100_000, expected)?;
        not_negative("guard.latency_relative", self.latency_relative)?;
        not_negative("guard.latency_absolute_ms", self.latency_absolute_ms)?;
        not_negative("guard.traffic_relative", self.traffic_relative)?;
        not_negative("guard.traffic_absolute", self.traffic_absolute)?;
        let expected = "a share from 0 to 1";
        within("guard.error_rate_absolute", self.error_rate_absolute, 0.0..=1.0, expected)?;
        for (field, share) in [
            ("guard.client_error_rate_absolute", Some(self.client_error_rate_absolute)),
            ("guard.slow_share_absolute", Some(self.slow_share_absolute)),
            ("guard.critical_client_error_rate", self.critical_client_error_rate),
        ] {
            share.map_or(Ok(()), |share| within(field, share, 0.0..=1.0, expected))?;
        }
        within("guard.critical_error_rate", self.critical_error_rate, 0.0..=1.0, expected)
    }
}
