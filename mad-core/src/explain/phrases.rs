//! Phrases that several parts of an explanation share.

use super::words::{
    describe_signal, duration, format_value, milliseconds, number, percent, plural,
};
use crate::feature::StatusCounts;
use crate::history::FlaggedSignal;
use crate::incident::{Incident, Peak};
use crate::series::{SILENCE, Signal};
use crate::time::nanos_of;

/// The peaks whose numbers are all finite and have a direction.
pub(super) fn peaks(incident: &Incident) -> impl Iterator<Item = &Peak> {
    incident.peaks.iter().filter(|peak| is_complete(&peak.signal))
}

/// Whether all numbers of a signal are finite and its z has a direction.
pub(super) fn is_complete(signal: &FlaggedSignal) -> bool {
    let FlaggedSignal { value, expected, low, high, z, neg_log10_p, .. } = signal;
    [value, expected, low, high, neg_log10_p].iter().all(|number| number.is_finite())
        && z.is_finite()
        && *z != 0.0
}

/// The share of failed requests over all flagged rows and the usual share, if it rose.
///
/// The usual share is that of the error rate's peak if there is one, so that a text has one usual
/// value of the signal.
pub(super) fn failing(incident: &Incident) -> Option<(f64, f64)> {
    let share = incident.error_rate();
    if !(incident.errors_rose && share.is_finite() && share > incident.expected_error_rate) {
        return None;
    }
    let peak = peaks(incident).find(|peak| peak.signal.signal == Signal::ErrorRate);
    let usual = peak.map_or(incident.expected_error_rate, usual_of);
    (share > usual).then_some((share, usual))
}

/// The usual value of a signal: the value expected in its first flagged row, before the scorer
/// learnt from the incident.
pub(super) fn usual_of(peak: &Peak) -> f64 {
    if peak.usual.is_finite() { peak.usual } else { peak.signal.expected }
}

/// The usual value of a signal as text.
pub(super) fn usual(peak: &Peak) -> String {
    let (FlaggedSignal { signal, value, .. }, expected) = (&peak.signal, usual_of(peak));
    // an expected value that differs from 0 only by rounding is written as 0
    let rounding = 1e-6 * value.abs().min(1.0);
    let is_rounding = signal.request().is_none() && expected.abs() < rounding;
    format_value(signal, if is_rounding { 0.0 } else { expected })
}

/// `usual 1 %`, or `failing since first seen, 1 % assumed` for a rate without a baseline.
pub(super) fn against(peak: &Peak) -> String {
    if peak.signal.first_sight {
        return format!("failing since first seen, {} assumed", usual(peak));
    }
    format!("usual {}", usual(peak))
}

/// The same for the share of failed requests that [`failing`] gives.
pub(super) fn against_errors(incident: &Incident, usual: f64) -> String {
    let peak = peaks(incident).find(|peak| peak.signal.signal == Signal::ErrorRate);
    let first_sight = peak.filter(|peak| peak.signal.first_sight);
    first_sight.map_or_else(|| format!("usual {}", percent(usual)), against)
}

/// `median latency reached 3,260 ms (usual 265 ms)`, and for a slow change `median latency has climbed
/// from 120 ms to 156 ms over 12 minutes`.
pub(super) fn change(peak: &Peak) -> String {
    let flagged = &peak.signal;
    let name = describe_signal(&flagged.signal);
    if let Some(slow) = slow_change(peak) {
        return format!("{name} has {slow}");
    }
    if let Some(slow) = slow_requests(flagged) {
        return format!("{slow} (usual {})", usual(peak));
    }
    let value = format_value(&flagged.signal, flagged.value);
    let verb = if flagged.z < 0.0 { "was down to" } else { "reached" };
    format!("{name} {verb} {value} ({})", against(peak))
}

/// `median latency was 310 ms (usual 120 ms)`: the first flagged row of an entity, which is no extreme.
pub(super) fn first_value(peak: &Peak) -> String {
    let flagged = &peak.signal;
    // the first silent step says only that nothing came, its length says nothing yet
    if flagged.signal.as_str() == SILENCE {
        return "no request arrived any more".to_owned();
    }
    let name = describe_signal(&flagged.signal);
    if let Some(slow) = slow_change(peak) {
        return format!("{name} had {slow}");
    }
    if let Some(slow) = slow_requests(flagged) {
        return format!("{slow} (usual {})", usual(peak));
    }
    format!("{name} was {} ({})", format_value(&flagged.signal, flagged.value), against(peak))
}

/// `2.5 % of the requests took longer than 180 ms`; `None` for other signals than the slow share.
pub(super) fn slow_requests(flagged: &FlaggedSignal) -> Option<String> {
    let limit = flagged.tail_ms?;
    let share = format_value(&flagged.signal, flagged.value);
    Some(format!("{share} of the requests took longer than {}", milliseconds(limit)))
}

/// `climbed from 120 ms to 156 ms over 12 minutes`; `None` unless the change is slow.
pub(super) fn slow_change(peak: &Peak) -> Option<String> {
    let flagged = &peak.signal;
    let verb = if flagged.z < 0.0 { "fallen" } else { "climbed" };
    let value = format_value(&flagged.signal, flagged.value);
    let since = flagged.drifting_for?;
    Some(format!("{verb} from {} to {value} over {}", usual(peak), duration(nanos_of(since))))
}

/// Those whose latency is the 95th percentile or more.
pub(super) const SLOWEST: &str = "the slowest 5 % of the requests";

/// `, 3 of them without a response`.
pub(super) fn without_response(no_response: u64, errors: u64) -> String {
    match no_response {
        0 => String::new(),
        all if all == errors => ", all of them without a response".to_owned(),
        some => format!(", {} of them without a response", number(some as f64, 0)),
    }
}

/// `Statuses in the flagged time: 401 (1,020 requests) and 404 (3 requests).`
pub(super) fn statuses(statuses: &StatusCounts) -> Option<String> {
    let named = |(status, count)| format!("{status} ({})", plural(count as f64, "request"));
    let names: Vec<String> = statuses.iter().map(named).collect();
    (!names.is_empty()).then(|| format!("Statuses in the flagged time: {}.", list(&names)))
}

/// `a, b and c`.
pub(super) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
