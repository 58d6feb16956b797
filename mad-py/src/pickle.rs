//! State as bytes and back, for `pickle` and `copy`.
//!
//! A class names itself: `__reduce__` answers with its own static method `_from_state` and the
//! arguments of it, so that this module knows no class.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3::{IntoPyObject, PyTypeInfo};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::border::detached;
use crate::errors::{to_py, value_error};
use crate::shared::Shared;

/// The answer of `__reduce__`: the function that makes the object again, and its arguments.
pub type Reduced<'py, Arguments> = PyResult<(Bound<'py, PyAny>, Arguments)>;
/// Arguments of a class whose state is one string of bytes.
pub type State<'py> = (Bound<'py, PyBytes>,);
/// A configuration as JSON, and a checkpoint.
pub type SavedPipeline<'py> = (String, Bound<'py, PyBytes>);

/// An object of the class `T` as its serialized state.
pub fn reduce<'py, T: PyTypeInfo + Serialize + Sync>(
    py: Python<'py>,
    state: &T,
) -> Reduced<'py, State<'py>> {
    reduce_with::<T, _>(py, (bytes(py, state)?,))
}

/// An object of the class `T` as the arguments of its `_from_state`.
pub fn reduce_with<'py, T: PyTypeInfo, Arguments: IntoPyObject<'py>>(
    py: Python<'py>,
    arguments: Arguments,
) -> Reduced<'py, Arguments> {
    Ok((T::type_object(py).getattr("_from_state")?, arguments))
}

/// An object of the class `T` as the state that its threads share.
pub fn reduce_shared<'py, T: PyTypeInfo, S: Serialize + Send>(
    py: Python<'py>,
    state: &Shared<S>,
) -> Reduced<'py, State<'py>> {
    let written = state.with(py, |state| rmp_serde::to_vec_named(state))?;
    let written = written.map_err(|error| value_error(error.to_string()))?;
    reduce_with::<T, _>(py, (PyBytes::new(py, &written),))
}

/// Gives classes that are serializable as a whole their methods for `pickle`; after `shared`, classes
/// whose only field is a [`Shared`] `state`.
macro_rules! pickled {
    (shared $($class:ty),+) => {$(
        crate::pickle::pickled!(@methods $class,
            |py, object| crate::pickle::reduce_shared::<Self, _>(py, &object.state),
            |state| Ok(Self { state: crate::shared::Shared::new(state) }));
    )+};
    (@methods $class:ty, |$py:ident, $object:ident| $reduce:expr, |$state:ident| $make:expr) => {
        #[pyo3::pymethods]
        impl $class {
            fn __reduce__<'py>(
                &self,
                $py: pyo3::Python<'py>,
            ) -> crate::pickle::Reduced<'py, crate::pickle::State<'py>> {
                let $object = self;
                $reduce
            }

            #[staticmethod]
            fn _from_state(state: &[u8]) -> pyo3::PyResult<Self> {
                let $state = crate::pickle::read(state)?;
                $make
            }
        }
    };
    ($($class:ty),+) => {$(
        crate::pickle::pickled!(@methods $class,
            |py, object| crate::pickle::reduce(py, object), |state| Ok(state));
    )+};
}
pub(crate) use pickled;

/// A state as bytes.
pub fn bytes<'py>(
    py: Python<'py>,
    state: &(impl Serialize + Sync),
) -> PyResult<Bound<'py, PyBytes>> {
    let written = detached(py, || rmp_serde::to_vec(state))?;
    Ok(PyBytes::new(py, &written.map_err(|error| value_error(error.to_string()))?))
}

/// A state from its bytes.
pub fn read<T: DeserializeOwned>(state: &[u8]) -> PyResult<T> {
    let fault = |error: rmp_serde::decode::Error| {
        value_error(format!("this was pickled by another version of mad: {error}"))
    };
    rmp_serde::from_slice(state).map_err(fault)
}

/// A pipeline as its configuration and its checkpoint; needs no GIL.
pub fn saved(pipeline: &mad_core::Pipeline) -> PyResult<(String, Vec<u8>)> {
    let saved = pipeline.checkpoint().map_err(|error| to_py(&error))?;
    Ok((crate::config::to_json(pipeline.config())?, saved))
}

/// The same as objects of Python.
pub fn to_python(py: Python<'_>, saved: (String, Vec<u8>)) -> SavedPipeline<'_> {
    (saved.0, PyBytes::new(py, &saved.1))
}

/// A pipeline from its configuration and its checkpoint.
pub fn pipeline(py: Python<'_>, config: &str, saved: &[u8]) -> PyResult<mad_core::Pipeline> {
    let config = crate::config::read(config)?;
    detached(py, || mad_core::Pipeline::restore(config, saved))?.map_err(|error| to_py(&error))
}
