//! Phrases that several parts of an explanation share.

use super::words::{duration, name, quantity, times};
use crate::history::FlaggedSignal;
use crate::incident::{Incident, Peak};
use crate::series::Signal;

/// The peaks that can be put in words: all of their numbers are there and say which way it went.
pub(super) fn peaks(incident: &Incident) -> impl Iterator<Item = &Peak> {
    incident.peaks.iter().filter(|peak| is_whole(&peak.signal))
}

/// Whether all numbers of a signal are there and say which way it went.
pub(super) fn is_whole(signal: &FlaggedSignal) -> bool {
    let FlaggedSignal { value, expected, low, high, z, neg_log10_p, .. } = signal;
    [value, expected, low, high, neg_log10_p].iter().all(|number| number.is_finite())
        && z.is_finite()
        && *z != 0.0
}

/// Share of failed requests over all flagged rows and the expected share, where it rose.
pub(super) fn failing(incident: &Incident) -> Option<(f64, f64)> {
    let (share, usual) = (incident.error_rate(), incident.expected_error_rate);
    (incident.errors_rose && share.is_finite() && share > usual).then_some((share, usual))
}

/// `median latency rose to 3,260 ms (12.3 times the expected 265 ms)`, of a slow change `median
/// latency left 120 ms slowly: 156 ms after 12 minutes`.
pub(super) fn change(flagged: &FlaggedSignal) -> String {
    let FlaggedSignal { signal, value, expected, z, drifting_for: leaving, .. } = flagged;
    if let Some(leaving) = leaving {
        return format!(
            "{} left {} slowly: {} after {}",
            name(signal),
            quantity(signal, *expected),
            quantity(signal, *value),
            duration(*leaving),
        );
    }
    let (value, z) = (*value, *z);
    // what is left of a sum that should be 0 is no number to tell
    let rest = 1e-6 * value.abs().min(1.0);
    let is_rest = signal.request().is_none() && expected.abs() < rest;
    let expected = if is_rest { 0.0 } else { *expected };
    let verb = if z < 0.0 { "fell" } else { "rose" };
    let usual = quantity(signal, expected);
    let factor = match signal.request() {
        Some(Signal::P50Latency | Signal::P95Latency) => times(value, expected),
        _ => None,
    };
    let usual = match factor {
        Some(factor) => format!("{factor} times the expected {usual}"),
        None => format!("{usual} expected"),
    };
    format!("{} {verb} to {} ({usual})", name(signal), quantity(signal, value))
}
