//! The border to Python: a panic becomes an exception that programs can catch.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

pyo3::create_exception!(
    mad._core,
    InternalError,
    PyRuntimeError,
    "A fault of mad itself. The object of the call cannot be used again, because its state may be \
     half changed; restore it from its last checkpoint."
);

thread_local! {
    /// Calls of [`guarded`] that this thread is in.
    static GUARDS: Cell<usize> = const { Cell::new(0) };
}

/// Runs `call`; a panic is an `InternalError`.
pub fn guarded<R>(call: impl FnOnce() -> R) -> PyResult<R> {
    GUARDS.set(GUARDS.get() + 1);
    let outcome = catch_unwind(AssertUnwindSafe(call));
    GUARDS.set(GUARDS.get() - 1);
    outcome.map_err(|panic| internal_error(&*panic))
}

/// Keeps panics that become exceptions from being printed as well.
pub fn silence_caught_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if GUARDS.get() == 0 {
            print(panic);
        }
    }));
}

/// Panics for a record of the service `mad.panic`, so that tests can check what follows.
#[cfg(feature = "faults")]
#[expect(clippy::panic, reason = "the fault that tests inject")]
pub fn panic_for(record: &mad_core::Record<'_>) {
    let service = match record {
        mad_core::Record::Request(request) => request.service,
        mad_core::Record::Metric(point) => point.service,
        mad_core::Record::Span(span) => span.service,
        mad_core::Record::Log(line) => line.service,
        mad_core::Record::Change(change) => change.service,
        mad_core::Record::Edge(edge) => edge.caller,
    };
    if service == "mad.panic" {
        panic!("an injected fault");
    }
}

/// Runs `call` without the GIL; a panic is an `InternalError`.
pub fn detached<R: Send>(py: Python<'_>, call: impl FnOnce() -> R + Send) -> PyResult<R> {
    py.detach(|| guarded(call))
}

fn internal_error(panic: &(dyn Any + Send)) -> PyErr {
    let message = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "a panic without a message".to_owned(),
    };
    InternalError::new_err(format!("a fault of mad: {message}; please report it"))
}
