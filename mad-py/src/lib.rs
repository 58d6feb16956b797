//! The module `mad._core`.
use pyo3::prelude::*;

/// The module `mad._core`.
#[pymodule]
mod _core {}
