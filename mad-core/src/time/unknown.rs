//! Reads NaN, which stands for an unknown value, from `null` in JSON.
//!
//! `serde_json` writes NaN as `null` and then refuses to read it as a number. Binary formats keep
//! NaN as a number.

use serde::{Deserialize, Deserializer};

/// Reads a number; `null` in a human-readable format gives NaN.
pub(crate) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    if from.is_human_readable() {
        Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
    } else {
        f64::deserialize(from)
    }
}
