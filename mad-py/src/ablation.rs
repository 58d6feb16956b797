//! A part of the scorer of gauges is left out: for `make quality-views`.

use mad_core::score::{GaugePart, leave_out as leave};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Leaves a part out of all gauges from now on; an empty name leaves none out.
#[pyfunction]
pub fn leave_out(part: &str) -> PyResult<()> {
    let found = GaugePart::ALL.into_iter().find(|one| one.as_str() == part);
    if found.is_none() && !part.is_empty() {
        let names = GaugePart::ALL.map(GaugePart::as_str).join(", ");
        return Err(PyValueError::new_err(format!("part is {part:?}; expected one of {names}")));
    }
    leave(found);
    Ok(())
}
