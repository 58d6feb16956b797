//! Settings of event time: the step of rows, lateness, and records from the future.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::check::within;
use crate::error::Result;
use crate::telemetry::{RequestTime, Source};
use crate::time::SECOND;

/// How records become rows: the length of a step and the tolerance for late and early records.
///
/// # Examples
///
/// ```
/// use mad_core::FeatureConfig;
///
/// let config = FeatureConfig { step_seconds: 10.0, ..FeatureConfig::default() };
/// assert!(config.validate().is_ok());
/// assert!(FeatureConfig { lateness_seconds: -1.0, ..config }.validate().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "FeatureFields")]
pub struct FeatureConfig {
    /// Length of a step, seconds, 1 to 3600. Steps are aligned to 1970-01-01 UTC. Default 60: a
    /// shorter step reports faults earlier, with fewer requests in each row.
    pub step_seconds: f64,
    /// Allowed lateness of a record behind the newest record, seconds, 0 to 86,400. A step closes
    /// when the watermark has passed it; the watermark is the newest time minus this. Default 10.
    pub lateness_seconds: f64,
    /// How long the watermark waits for a host that stopped sending while others continue, seconds, 0
    /// to 3,600; 0 waits for none. Default 180: its records of that time are not late if it was only
    /// cut off.
    pub wait_for_source_seconds: f64,
    /// How far ahead of the watermark a record may be dated, seconds, 1 to 31,536,000. A record
    /// beyond it is held until other records confirm its time. Default 3600.
    pub max_ahead_seconds: f64,
    /// Whether the time of a request is its start or its end, where the call that hands over the
    /// request does not say it. Default none: as the format of a file defines it, else the start, as
    /// spans and middleware write it. Lateness is judged against the end.
    pub request_time: Option<RequestTime>,
    /// Whether a recording that is read as a whole and is too short to be judged gets a shorter step:
    /// [`PipelineConfig::for_recording`](crate::PipelineConfig::for_recording). Default true, but
    /// false where `step_seconds` is set in a file.
    pub adapt_step: bool,
}

/// The fields as they are written. A step that is set is kept for short recordings too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeatureFields {
    step_seconds: Option<f64>,
    lateness_seconds: Option<f64>,
    wait_for_source_seconds: Option<f64>,
    max_ahead_seconds: Option<f64>,
    request_time: Option<RequestTime>,
    adapt_step: Option<bool>,
}

impl From<FeatureFields> for FeatureConfig {
    fn from(fields: FeatureFields) -> Self {
        let usual = Self::default();
        Self {
            step_seconds: fields.step_seconds.unwrap_or(usual.step_seconds),
            lateness_seconds: fields.lateness_seconds.unwrap_or(usual.lateness_seconds),
            wait_for_source_seconds: fields
                .wait_for_source_seconds
                .unwrap_or(usual.wait_for_source_seconds),
            max_ahead_seconds: fields.max_ahead_seconds.unwrap_or(usual.max_ahead_seconds),
            request_time: fields.request_time,
            adapt_step: fields.adapt_step.unwrap_or(fields.step_seconds.is_none()),
        }
    }
}

impl Default for FeatureConfig {
    fn default() -> Self {
        Self {
            step_seconds: 60.0,
            lateness_seconds: 10.0,
            wait_for_source_seconds: 180.0,
            max_ahead_seconds: 3600.0,
            request_time: None,
            adapt_step: true,
        }
    }
}

impl FeatureConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// Names the field, its value and its range.
    pub fn validate(&self) -> Result<()> {
        let Self { step_seconds, lateness_seconds, max_ahead_seconds, .. } = *self;
        let wait = self.wait_for_source_seconds;
        within("features.step_seconds", step_seconds, 1.0..=3600.0, "1 to 3600 seconds")?;
        let expected = "0 to 86400 seconds";
        within("features.lateness_seconds", lateness_seconds, 0.0..=86_400.0, expected)?;
        let expected = "0 to 3600 seconds";
        within("features.wait_for_source_seconds", wait, 0.0..=3600.0, expected)?;
        let expected = "1 to 31536000 seconds";
        within("features.max_ahead_seconds", max_ahead_seconds, 1.0..=31_536_000.0, expected)
    }

    /// What the time of a request of a source is.
    pub(crate) fn time_of_requests(&self, source: &Source) -> RequestTime {
        source.request_time.or(self.request_time).unwrap_or_default()
    }

    /// Length of a step.
    pub fn step(&self) -> Duration {
        duration(self.step_nanos())
    }

    /// Allowed lateness.
    pub fn lateness(&self) -> Duration {
        duration(self.lateness_nanos())
    }

    /// How far ahead of the watermark a record may be dated.
    pub fn max_ahead(&self) -> Duration {
        duration(self.max_ahead_nanos())
    }

    pub(crate) fn step_nanos(&self) -> i64 {
        nanos(self.step_seconds).max(1)
    }

    pub(crate) fn lateness_nanos(&self) -> i64 {
        nanos(self.lateness_seconds)
    }

    pub(crate) fn wait_for_source_nanos(&self) -> i64 {
        nanos(self.wait_for_source_seconds)
    }

    pub(crate) fn max_ahead_nanos(&self) -> i64 {
        nanos(self.max_ahead_seconds)
    }
}

fn duration(nanos: i64) -> Duration {
    Duration::from_nanos(nanos.max(0).unsigned_abs())
}

/// Seconds to nanoseconds, rounded to the microsecond so that 0.1 s is exact. Saturates, because
/// damaged state may hold any number.
fn nanos(seconds: f64) -> i64 {
    ((seconds * 1e6).round() as i64).saturating_mul(SECOND / 1_000_000)
}
