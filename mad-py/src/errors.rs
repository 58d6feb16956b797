//! Errors of the core as Python exceptions.

use mad_core::{Error, ErrorKind};
use pyo3::exceptions::{PyImportError, PyKeyError, PyValueError};
use pyo3::{PyErr, Python};

pyo3::create_exception!(
    mad._core,
    UnsortedError,
    PyValueError,
    "An input that is read as it comes is not ordered by time."
);

pyo3::create_exception!(
    mad._core,
    SettingsError,
    PyValueError,
    "Two processes that work together have settings that do not fit."
);

/// The exception of an error.
pub fn to_py(error: &Error) -> PyErr {
    match error.kind() {
        ErrorKind::NotFound => PyKeyError::new_err(error.to_string()),
        ErrorKind::Settings => SettingsError::new_err(error.to_string()),
        ErrorKind::Unsorted => UnsortedError::new_err(error.to_string()),
        _ => PyValueError::new_err(error.to_string()),
    }
}

/// `ValueError` with a message.
pub fn value_error(message: impl Into<String>) -> PyErr {
    PyValueError::new_err(message.into())
}

/// `ImportError` of an optional package, with the way to install it.
pub fn missing(py: Python<'_>, package: &str, cause: PyErr) -> PyErr {
    let hint = format!("{package} is not installed: pip install 'mad-py[{package}]'");
    let error = PyImportError::new_err(hint);
    error.set_cause(py, Some(cause));
    error
}
