//! When too few records of an input could be read.

use serde::{Deserialize, Serialize};

use super::check::within;
use crate::error::Result;

/// Which share of the records of an input has to be accepted.
///
/// # Examples
///
/// ```
/// use mad_core::IntakeConfig;
///
/// assert!(IntakeConfig { min_accepted: 0.5 }.validate().is_ok());
/// assert!(IntakeConfig { min_accepted: 1.5 }.validate().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntakeConfig {
    /// Smallest share of accepted records, 0 to 1. Below it a run fails and the service is
    /// degraded. Repeated records do not count. Default 0.95.
    pub min_accepted: f64,
}

impl Default for IntakeConfig {
    fn default() -> Self {
        Self { min_accepted: 0.95 }
    }
}

impl IntakeConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// Names the field, its value and its range.
    pub fn validate(&self) -> Result<()> {
        within("intake.min_accepted", self.min_accepted, 0.0..=1.0, "a share from 0 to 1")
    }
}
