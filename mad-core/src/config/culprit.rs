//! Settings of culprit ranking.

use serde::{Deserialize, Serialize};

use super::check::{above_zero, within};
use crate::error::Result;

/// How culprits are ranked: the look-back window and the number of culprits.
///
/// # Examples
///
/// ```
/// use mad_core::CulpritConfig;
///
/// let config = CulpritConfig { minutes: 30.0, top_k: 5 };
/// assert!(config.validate().is_ok());
/// assert!(CulpritConfig { top_k: 0, ..config }.validate().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CulpritConfig {
    /// Length of the look-back window in which flagged rows count, minutes, above 0, at most 1e6.
    /// Default 15.
    pub minutes: f64,
    /// Number of culprits in a ranking, 1 to 1,000. Default 3.
    pub top_k: usize,
}

impl Default for CulpritConfig {
    fn default() -> Self {
        Self { minutes: 15.0, top_k: 3 }
    }
}

impl CulpritConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// Names the field, its value and its range.
    pub fn validate(&self) -> Result<()> {
        above_zero("culprit.minutes", self.minutes, 1e6, "above 0, at most 1e6 minutes")?;
        within("culprit.top_k", self.top_k, 1..=1_000, "an integer from 1 to 1000")
    }
}
