//! Settings of the reference system.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Settings of the reference system, with its defaults.
///
/// # Examples
///
/// ```
/// use mad_core::reference::ReferenceConfig;
///
/// assert_eq!(ReferenceConfig::live().min_points, 10);
/// let refused = ReferenceConfig { eps: 0.0, ..ReferenceConfig::default() };
/// assert!(refused.validate().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReferenceConfig {
    /// Rows that an entity needs in the whole file before any of them is flagged. Default 20.
    pub min_points: u64,
    /// First rows of an entity that are never flagged. Default 15.
    pub warmup: u64,
    /// Requests that a row needs to be flagged. Default 20.
    pub min_requests: u64,
    /// A row is flagged when |z| is above this: finite, 0 or more. Default 3.5.
    pub threshold: f64,
    /// A flagged row joins the incident whose last flagged row starts at most this many minutes
    /// before it: finite, 0 or more. Default 2.0.
    pub gap_minutes: f64,
    /// A MAD below this counts as this, ms: finite, above 0. Default 1e-9.
    pub eps: f64,
}

impl Default for ReferenceConfig {
    fn default() -> Self {
        Self {
            min_points: 20,
            warmup: 15,
            min_requests: 20,
            threshold: 3.5,
            gap_minutes: 2.0,
            eps: 1e-9,
        }
    }
}

impl ReferenceConfig {
    /// Settings for live data: 10 rows, a warm-up of 5, 10 requests.
    pub fn live() -> Self {
        Self { min_points: 10, warmup: 5, min_requests: 10, ..Self::default() }
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// The first field outside its range.
    pub fn validate(&self) -> Result<()> {
        for (field, value) in
            [("reference.threshold", self.threshold), ("reference.gap_minutes", self.gap_minutes)]
        {
            if !(value.is_finite() && value >= 0.0) {
                return Err(Error::config(field, value, "a finite number, 0 or more"));
            }
        }
        if !(self.eps.is_finite() && self.eps > 0.0) {
            return Err(Error::config("reference.eps", self.eps, "a finite number above 0"));
        }
        Ok(())
    }
}
