//! The wording of explanations for other outputs: values, signals and reasons as text.

use mad_core::explain::{self, reason_label};
use mad_core::{Reason, RejectReason, Signal, SignalName};
use pyo3::prelude::*;

/// A signal of request rows by its name; any other name is a metric.
fn named(signal: &str) -> SignalName {
    Signal::ALL
        .into_iter()
        .find(|known| known.as_str() == signal)
        .map_or_else(|| SignalName::Metric(signal.into()), SignalName::Request)
}

/// A value of a signal with its unit.
#[pyfunction]
pub fn format_value(signal: &str, value: f64) -> String {
    explain::format_value(&named(signal), value)
}

/// The name of a signal in text.
#[pyfunction]
pub fn describe_signal(signal: &str) -> String {
    explain::describe_signal(&named(signal)).into_owned()
}

/// A short name and a sentence for the reason of a row; `None` for an unknown reason.
#[pyfunction]
pub fn describe_reason(reason: &str) -> Option<(&'static str, &'static str)> {
    Reason::ALL
        .into_iter()
        .find(|known| known.as_str() == reason)
        .map(|known| (reason_label(known), explain::describe_reason(known)))
}

/// The reason of a rejected record as part of a sentence; `None` for an unknown reason.
#[pyfunction]
pub fn describe_rejection(reason: &str) -> Option<&'static str> {
    let known = RejectReason::ALL.into_iter().find(|known| known.as_str() == reason);
    known.map(RejectReason::describe)
}
