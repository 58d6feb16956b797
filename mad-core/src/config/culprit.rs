//! Settings of culprit ranking.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How culprits are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CulpritConfig {
    /// How far back flagged rows count, minutes, above 0, at most 1e6. Default 15.
    pub minutes: f64,
    /// How many culprits are named, 1 to 1,000. Default 3.
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
        if !(self.minutes > 0.0 && self.minutes <= 1e6) {
            return Err(Error::config(
                "culprit.minutes",
                self.minutes,
                "above 0, at most 1e6 minutes",
            ));
        }
        if !(1..=1_000).contains(&self.top_k) {
            return Err(Error::config("culprit.top_k", self.top_k, "an integer from 1 to 1000"));
        }
        Ok(())
    }
}
