//! Robust statistics of numpy arrays.

use mad_core::robust;
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::errors::to_py;

/// Modified z-scores of a whole array: 0.6745 (x - median) / MAD.
#[pyfunction]
pub fn modified_z<'py>(
    py: Python<'py>,
    values: PyReadonlyArray1<'py, f64>,
) -> Bound<'py, PyArray1<f64>> {
    let view = values.as_array();
    let z = py.detach(|| robust::modified_z(view.iter()));
    PyArray1::from_vec(py, z)
}

/// Causal modified z-scores: each value against the finite values of the `window` before it.
#[pyfunction]
#[pyo3(signature = (values, window, min_points))]
pub fn rolling_z<'py>(
    py: Python<'py>,
    values: PyReadonlyArray1<'py, f64>,
    window: usize,
    min_points: usize,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let view = values.as_array();
    let z = py
        .detach(|| robust::rolling_z(view.iter(), window, min_points))
        .map_err(|error| to_py(&error))?;
    Ok(PyArray1::from_vec(py, z))
}

/// Rolling median and MAD of the last `window` values, NaN until the window is full.
#[pyfunction]
#[expect(clippy::type_complexity, reason = "a pair of arrays")]
pub fn rolling_mad<'py>(
    py: Python<'py>,
    values: PyReadonlyArray1<'py, f64>,
    window: usize,
) -> PyResult<(Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<f64>>)> {
    let view = values.as_array();
    let (median, mad) =
        py.detach(|| robust::rolling_mad(view.iter(), window)).map_err(|error| to_py(&error))?;
    Ok((PyArray1::from_vec(py, median), PyArray1::from_vec(py, mad)))
}
