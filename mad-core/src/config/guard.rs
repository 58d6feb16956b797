//! What is not worth waking anyone.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What is not worth waking anyone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuardConfig {
    /// Time after an entity's first row in which nothing is flagged, minutes, 0 to 1e6. Default 15.
    pub warm_up_minutes: f64,
    /// Rows that have to be learnt before one is flagged, 1 to 100,000. Default 20.
    pub min_points: usize,
    /// Requests that a row needs to be flagged, 0 or more; for a traffic anomaly the expected
    /// requests count. The default is 1, since evidence already knows how few they are.
    pub min_requests: u64,
    /// Smallest change of a latency, as a share of what is expected, 0 or more. Default 0.25.
    pub latency_relative: f64,
    /// Smallest change of a latency, ms, 0 or more. Default 2.
    pub latency_absolute_ms: f64,
    /// Smallest rise of the error rate, 0 to 1. Default 0.02: two points.
    pub error_rate_absolute: f64,
    /// Errors that a row needs before its error rate is flagged. Default 2.
    pub min_errors: u64,
    /// Smallest change of the number of requests, as a share of what is expected, 0 or more.
    /// Default 0.5.
    pub traffic_relative: f64,
    /// Smallest change of the number of requests, 0 or more. Default 5.
    pub traffic_absolute: f64,
    /// Error rate from which a significant rise is critical, 0 to 1. Default 0.05.
    pub critical_error_rate: f64,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            warm_up_minutes: 15.0,
            min_points: 20,
            min_requests: 1,
            latency_relative: 0.25,
            latency_absolute_ms: 2.0,
            error_rate_absolute: 0.02,
            min_errors: 2,
            traffic_relative: 0.5,
            traffic_absolute: 5.0,
            critical_error_rate: 0.05,
        }
    }
}

impl GuardConfig {
    /// Whether so many requests, or so many expected ones for a traffic anomaly, are too few for a
    /// row to be flagged.
    pub fn too_few_requests(&self, requests: f64) -> bool {
        requests < self.min_requests as f64
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// Names the field, its value and its range.
    pub fn validate(&self) -> Result<()> {
        if !(self.warm_up_minutes >= 0.0 && self.warm_up_minutes <= 1e6) {
            return Err(Error::config(
                "guard.warm_up_minutes",
                self.warm_up_minutes,
                "0 to 1e6 minutes",
            ));
        }
        if !(1..=100_000).contains(&self.min_points) {
            return Err(Error::config(
                "guard.min_points",
                self.min_points,
                "an integer from 1 to 100000",
            ));
        }
        for (field, value) in [
            ("guard.latency_relative", self.latency_relative),
            ("guard.latency_absolute_ms", self.latency_absolute_ms),
            ("guard.traffic_relative", self.traffic_relative),
            ("guard.traffic_absolute", self.traffic_absolute),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(Error::config(field, value, "a finite number of 0 or more"));
            }
        }
        for (field, value) in [
            ("guard.error_rate_absolute", self.error_rate_absolute),
            ("guard.critical_error_rate", self.critical_error_rate),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::config(field, value, "a share from 0 to 1"));
            }
        }
        Ok(())
    }
}
