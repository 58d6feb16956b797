//! Range checks that several settings share.

use crate::error::{Error, Result};

/// Checks that a field is a finite number above 0.
pub(crate) fn positive(field: &str, value: f64) -> Result<()> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        Err(Error::config(field, value, "a finite number above 0"))
    }
}
