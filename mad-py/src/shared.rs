//! Values that several threads of Python share.

use std::sync::Mutex;

use pyo3::prelude::*;

use crate::border::{InternalError, detached};

/// A value that one call uses at a time; the other calls wait for their turn.
///
/// A call runs without the GIL from before it waits until it has finished. So no Python code runs
/// while the value is locked, and neither waiting threads nor finalizers can cause a deadlock.
pub struct Shared<T>(Mutex<T>);

impl<T: Send> Shared<T> {
    pub fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Runs `call` on the value, without the GIL.
    ///
    /// # Errors
    ///
    /// `InternalError` when the call panics, and for each later call, because the value may be half
    /// changed.
    pub fn with<R: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&mut T) -> R + Send,
    ) -> PyResult<R> {
        // a panic unwinds through the guard of the lock, which marks the value as unusable
        detached(py, || match self.0.lock() {
            Ok(mut value) => Ok(call(&mut value)),
            Err(_) => Err(InternalError::new_err(
                "an earlier call on this object failed half-way, so its state cannot be trusted; \
                 restore it from its last checkpoint",
            )),
        })?
    }
}
