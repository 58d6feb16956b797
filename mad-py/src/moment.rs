//! Moments from Python.

use chrono::{DateTime, Utc};
use mad_core::Timestamp;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDateTime;

use crate::errors::value_error;

/// An aware datetime of any zone; one outside the years 1678 to 2262 is the nearest moment in them.
pub struct Moment(pub Timestamp);

impl FromPyObject<'_, '_> for Moment {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let time = value.cast::<PyDateTime>().map_err(|_| {
            let kind = value.get_type();
            PyTypeError::new_err(format!("expected an aware datetime, not {kind}"))
        })?;
        if time.call_method0("utcoffset")?.is_none() {
            return Err(value_error(format!(
                "{} has no time zone; give an aware datetime, such as \
                 datetime(2026, 1, 6, tzinfo=timezone.utc)",
                time.str()?
            )));
        }
        let utc = value.py().import("datetime")?.getattr("timezone")?.getattr("utc")?;
        let time: DateTime<Utc> = time.call_method1("astimezone", (utc,))?.extract()?;
        Ok(Self(time.into()))
    }
}
