//! How requests become rows.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::time::SECOND;

/// How requests become rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureConfig {
    /// Length of a step, seconds, 1 to 3600; steps are aligned to 1970 UTC. Default 60.
    pub step_seconds: f64,
    /// How far behind the newest record a record may come and still count as on time, seconds,
    /// 0 to 86,400. A step closes when the watermark (newest time less this) has passed it.
    /// Default 10.
    pub lateness_seconds: f64,
    /// A record further ahead of the watermark than this is held until others agree with it,
    /// seconds, 1 to 31,536,000. Default 3600.
    pub max_ahead_seconds: f64,
}

impl Default for FeatureConfig {
    fn default() -> Self {
        Self { step_seconds: 60.0, lateness_seconds: 10.0, max_ahead_seconds: 3600.0 }
    }
}

impl FeatureConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// Names the field, its value and its range.
    pub fn validate(&self) -> Result<()> {
        let range = |field: &str, value: f64, low: f64, high: f64, expected: &str| {
            if value >= low && value <= high {
                Ok(())
            } else {
                Err(Error::config(field, value, expected))
            }
        };
        range("features.step_seconds", self.step_seconds, 1.0, 3600.0, "1 to 3600 seconds")?;
        range(
            "features.lateness_seconds",
            self.lateness_seconds,
            0.0,
            86_400.0,
            "0 to 86400 seconds",
        )?;
        range(
            "features.max_ahead_seconds",
            self.max_ahead_seconds,
            1.0,
            31_536_000.0,
            "1 to 31536000 seconds",
        )
    }

    /// The step in nanoseconds.
    pub fn step(&self) -> i64 {
        nanos(self.step_seconds).max(1)
    }

    /// The allowed lateness in nanoseconds.
    pub fn lateness(&self) -> i64 {
        nanos(self.lateness_seconds)
    }

    /// How far ahead a record may be dated, in nanoseconds.
    pub fn max_ahead(&self) -> i64 {
        nanos(self.max_ahead_seconds)
    }
}

/// Seconds to nanoseconds, to the microsecond so that 0.1 s is what was written.
fn nanos(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64 * (SECOND / 1_000_000)
}
