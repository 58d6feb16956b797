//! The wording of explanations for other outputs: values, signals and reasons as text.

use std::collections::BTreeMap;

use mad_core::explain::{self, reason_label};
use mad_core::telemetry::{KindCounts, Rejected};
use mad_core::{Reason, RejectReason, Rejections, Signal, SignalName};
use pyo3::prelude::*;

use crate::records::kinds::parse_kind;

/// A signal of request rows by its name; any other name is a metric.
pub fn named(signal: &str) -> SignalName {
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
    RejectReason::parse(reason).map(RejectReason::describe)
}

/// The sentence about records of a kind of which nothing, or less than the share `min_accepted`,
/// was accepted; `None` when enough was accepted. `counts` has the rejected records by reason,
/// `first` the reason, position and detail of some of them, `place` the word for a position.
/// Unknown reasons are left out.
#[pyfunction]
pub fn describe_shortfall(
    kind: &str,
    accepted: u64,
    counts: BTreeMap<String, u64>,
    first: Vec<(String, u64, String)>,
    min_accepted: f64,
    place: &str,
) -> PyResult<Option<String>> {
    let kind = parse_kind(kind)?;
    let counts =
        counts.iter().filter_map(|(name, count)| Some((RejectReason::parse(name)?, *count)));
    let first = first.into_iter().filter_map(|(name, position, detail)| {
        Some(Rejected { reason: RejectReason::parse(&name)?, position, detail })
    });
    let rejected = Rejections::from_parts(counts, first);
    let read = KindCounts { records: accepted, rejected };
    Ok(read.falls_short(min_accepted).then(|| read.shortfall(kind, place)))
}
