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

/// The same in single precision.
pub(crate) fn single<'de, D: Deserializer<'de>>(from: D) -> Result<f32, D::Error> {
    if from.is_human_readable() {
        Ok(Option::deserialize(from)?.unwrap_or(f32::NAN))
    } else {
        f32::deserialize(from)
    }
}

/// Reads numbers of which some may be unknown.
pub(crate) fn numbers<'de, D, const N: usize>(from: D) -> Result<[f32; N], D::Error>
where
    D: Deserializer<'de>,
    [Option<f32>; N]: Deserialize<'de>,
    [f32; N]: Deserialize<'de>,
{
    if from.is_human_readable() {
        let read = <[Option<f32>; N]>::deserialize(from)?;
        Ok(read.map(|value| value.unwrap_or(f32::NAN)))
    } else {
        <[f32; N]>::deserialize(from)
    }
}
