//! NaN, which stands for "unknown" in state, as JSON has it: `null`.
//!
//! `serde_json` writes NaN as `null` and then refuses to read it as a number. Binary formats hold
//! NaN as it is.

use serde::{Deserialize, Deserializer};

/// Reads a number that may be unknown.
pub(crate) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    if from.is_human_readable() {
        Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
    } else {
        f64::deserialize(from)
    }
}
