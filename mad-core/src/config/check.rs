//! Range checks that the settings share.

use std::fmt::Display;
use std::ops::RangeInclusive;

use crate::error::{Error, Result};

/// Checks that a field lies in a range, both ends included. NaN lies in no range.
pub(crate) fn within<T: PartialOrd + Display>(
    field: &str,
    value: T,
    range: RangeInclusive<T>,
    expected: &str,
) -> Result<()> {
    if range.contains(&value) { Ok(()) } else { Err(Error::config(field, value, expected)) }
}

/// Checks that a field is a finite number above 0.
pub(crate) fn positive(field: &str, value: f64) -> Result<()> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        Err(Error::config(field, value, "a finite number above 0"))
    }
}

/// Checks that a field is above 0 and not above `most`.
pub(crate) fn above_zero(field: &str, value: f64, most: f64, expected: &str) -> Result<()> {
    if value > 0.0 && value <= most { Ok(()) } else { Err(Error::config(field, value, expected)) }
}

/// Checks that a field lies strictly between 0 and 1.
pub(crate) fn between_zero_and_one(field: &str, value: f64, expected: &str) -> Result<()> {
    if value > 0.0 && value < 1.0 { Ok(()) } else { Err(Error::config(field, value, expected)) }
}

/// Checks that a field is finite and not negative.
pub(crate) fn not_negative(field: &str, value: f64) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        Ok(())
    } else {
        Err(Error::config(field, value, "a finite number of 0 or more"))
    }
}
