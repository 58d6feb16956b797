//! Robust statistics of numpy arrays.

use mad_core::robust;
use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::border::detached;
use crate::errors::{to_py, value_error};

/// Numbers in one dimension: a float64 array as it is, whatever else numpy reads as numbers by a
/// copy.
pub struct Floats<'py>(pub PyReadonlyArray1<'py, f64>);

impl<'py> FromPyObject<'_, 'py> for Floats<'py> {
    type Error = PyErr;

    fn extract(values: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        // a field of a packed record has a stride that is no multiple of its size
        if let Ok(array) = values.cast::<PyArray1<f64>>()
            && array.getattr("flags")?.getattr("aligned")?.extract()?
        {
            return Ok(Self(array.try_readonly()?));
        }
        let numpy = values.py().import("numpy")?;
        let array = numpy.call_method1("asarray", (values,))?;
        let dtype = array.getattr("dtype")?;
        if !matches!(dtype.getattr("kind")?.extract::<&str>()?, "b" | "i" | "u" | "f" | "O") {
            return Err(PyTypeError::new_err(format!("expected numbers, not {dtype}")));
        }
        let shape: Vec<usize> = array.getattr("shape")?.extract()?;
        if shape.len() != 1 {
            return Err(value_error(format!("expected one dimension, not the shape {shape:?}")));
        }
        Ok(Self(numpy.call_method1("require", (array, "float64", "A"))?.extract()?))
    }
}

/// A number of values that numpy would take; negative ones are out of range like 0.
fn count(name: &str, value: i64) -> PyResult<usize> {
    usize::try_from(value).map_err(|_| {
        value_error(format!("argument `{name}` is {value}; expected an integer above 0"))
    })
}

/// Modified z-scores of a whole array: 0.6745 (x - median) / MAD.
///
/// Values that are not finite are left out and score NaN. Where more than half of the values are
/// equal (MAD 0), the mean absolute deviation takes the MAD's place; where all are, every z is 0.
/// Iglewicz and Hoaglin, 1993.
///
/// `values` is one-dimensional: a float64 array, strided or not, is read where it stands; other
/// numbers (lists, integers, float32) are copied. An empty array gives an empty array.
///
/// Raises TypeError for other values, ValueError for more than one dimension.
///
/// >>> import mad
/// >>> mad.modified_z([1.0, 2.0, 3.0, 4.0, 100.0]).round(2).tolist()
/// [-1.35, -0.67, 0.0, 0.67, 65.43]
#[pyfunction]
pub fn modified_z<'py>(
    py: Python<'py>,
    values: Floats<'py>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let view = values.0.as_array();
    let z = detached(py, || robust::modified_z(view.iter()))?;
    Ok(PyArray1::from_vec(py, z))
}

/// Causal modified z-scores: each value by the at most `window` finite values before it.
///
/// The result is as long as `values`. It is NaN until `min_points` values have come, and where the
/// value is not finite. An empty array gives an empty array.
///
/// Raises ValueError for a window outside 1 to 100,000, and for `min_points` outside 1 to the
/// window.
///
/// >>> import mad
/// >>> z = mad.rolling_z([10.0, 11.0, 10.0, 12.0, 11.0, 30.0], window=5, min_points=5)
/// >>> z.round(2).tolist()
/// [nan, nan, nan, nan, nan, 12.82]
#[pyfunction]
#[pyo3(signature = (values, window, min_points))]
pub fn rolling_z<'py>(
    py: Python<'py>,
    values: Floats<'py>,
    window: i64,
    min_points: i64,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let (window, min_points) = (count("window", window)?, count("min_points", min_points)?);
    let view = values.0.as_array();
    let z = detached(py, || robust::rolling_z(view.iter(), window, min_points))?
        .map_err(|error| to_py(&error))?;
    Ok(PyArray1::from_vec(py, z))
}

/// Rolling median and MAD of the last `window` values, each value's own included; exact.
///
/// Both results are as long as `values` and NaN until the window is full of finite values. An empty
/// array gives empty arrays.
///
/// Raises ValueError for a window outside 1 to 100,000.
///
/// >>> import mad
/// >>> median, mad_ = mad.rolling_mad([1.0, 2.0, 3.0, 10.0], window=3)
/// >>> median.tolist(), mad_.tolist()
/// ([nan, nan, 2.0, 3.0], [nan, nan, 1.0, 1.0])
#[pyfunction]
#[expect(clippy::type_complexity, reason = "a pair of arrays")]
pub fn rolling_mad<'py>(
    py: Python<'py>,
    values: Floats<'py>,
    window: i64,
) -> PyResult<(Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<f64>>)> {
    let window = count("window", window)?;
    let view = values.0.as_array();
    let (median, mad) = detached(py, || robust::rolling_mad(view.iter(), window))?
        .map_err(|error| to_py(&error))?;
    Ok((PyArray1::from_vec(py, median), PyArray1::from_vec(py, mad)))
}
