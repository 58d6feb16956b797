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

/// The time of an observation: an aware datetime, or nanoseconds since 1970 in UTC.
pub struct At(pub Timestamp);

impl At {
    /// The time, or the start of 1970 where it was left out.
    pub fn or_epoch(at: Option<Self>) -> Timestamp {
        at.map_or_else(Timestamp::default, |at| at.0)
    }
}

impl FromPyObject<'_, '_> for At {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        match value.extract::<i64>() {
            Ok(nanos) => Ok(Self(Timestamp::from_nanos(nanos))),
            Err(_) => Ok(Self(value.extract::<Moment>()?.0)),
        }
    }
}
