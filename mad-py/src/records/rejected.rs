//! Rejected records as dicts of Python.

use std::collections::BTreeMap;

use mad_core::Rejections;
use mad_core::telemetry::Rejected;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// Rejections as a dict.
pub fn rejected<'py>(py: Python<'py>, rejections: &Rejections) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("total", rejections.total())?;
    let counts: BTreeMap<&str, u64> =
        rejections.counts().map(|(reason, n)| (reason.as_str(), n)).collect();
    out.set_item("counts", counts)?;
    let first = PyList::empty(py);
    for record in rejections.first() {
        first.append(rejected_record(py, record)?)?;
    }
    out.set_item("first", first)?;
    Ok(out)
}

/// One rejected record as a dict.
pub fn rejected_record<'py>(py: Python<'py>, record: &Rejected) -> PyResult<Bound<'py, PyDict>> {
    let one = PyDict::new(py);
    one.set_item("reason", record.reason.as_str())?;
    one.set_item("position", record.position)?;
    one.set_item("detail", &record.detail)?;
    one.set_item("hint", record.reason.hint())?;
    Ok(one)
}
