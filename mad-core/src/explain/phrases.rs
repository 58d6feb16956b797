//! Phrases that several parts of an explanation share.

use super::messages::{self, impact};
use super::phrase::Phrase;
use super::words::{count, duration, milliseconds, number, percent, signal_phrase, value_phrase};
use crate::feature::StatusCounts;
use crate::history::FlaggedSignal;
use crate::incident::{Incident, Peak};
use crate::series::{SILENCE, Signal};
use crate::telemetry::Status;
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
pub(super) fn usual(peak: &Peak) -> Phrase {
    let (FlaggedSignal { signal, value, .. }, expected) = (&peak.signal, usual_of(peak));
    // an expected value that differs from 0 only by rounding is written as 0
    let rounding = 1e-6 * value.abs().min(1.0);
    let is_rounding = signal.request().is_none() && expected.abs() < rounding;
    value_phrase(signal, if is_rounding { 0.0 } else { expected })
}

/// `usual 1 %`, or `failing since first seen, 1 % assumed` for a rate without a baseline.
pub(super) fn against(peak: &Peak) -> Phrase {
    if peak.signal.first_sight {
        messages::usual::assumed(usual(peak))
    } else {
        messages::usual::value(usual(peak))
    }
}

/// The same for the share of failed requests that [`failing`] gives.
pub(super) fn against_errors(incident: &Incident, usual: f64) -> Phrase {
    let peak = peaks(incident).find(|peak| peak.signal.signal == Signal::ErrorRate);
    let first_sight = peak.filter(|peak| peak.signal.first_sight);
    first_sight.map_or_else(|| messages::usual::value(percent(usual)), against)
}

/// `median latency reached 3,260 ms (usual 265 ms)`, and for a slow change `median latency has climbed
/// from 120 ms to 156 ms over 12 minutes`.
pub(super) fn change(peak: &Peak) -> Phrase {
    let flagged = &peak.signal;
    let (name, value) = named_value(flagged);
    if let Some(Slow { from, to, time, falls }) = slow_change(peak) {
        let has: fn(_, _, _, _) -> _ =
            if falls { messages::change::has_fallen } else { messages::change::has_climbed };
        return has(name, from, to, time);
    }
    if let Some(slow) = slow_requests(flagged) {
        return messages::against::value(slow, messages::usual::value(usual(peak)));
    }
    let to: fn(_, _, _) -> _ =
        if flagged.z < 0.0 { messages::change::down } else { messages::change::reached };
    to(name, value, against(peak))
}

/// `median latency was 310 ms (usual 120 ms)`: the first flagged row of an entity, which is no extreme.
pub(super) fn first_value(peak: &Peak) -> Phrase {
    let flagged = &peak.signal;
    // the first silent step says only that nothing came, its length says nothing yet
    if flagged.signal.as_str() == SILENCE {
        return messages::change::no_request();
    }
    let (name, value) = named_value(flagged);
    if let Some(Slow { from, to, time, falls }) = slow_change(peak) {
        let had: fn(_, _, _, _) -> _ =
            if falls { messages::change::had_fallen } else { messages::change::had_climbed };
        return had(name, from, to, time);
    }
    if let Some(slow) = slow_requests(flagged) {
        return messages::against::value(slow, messages::usual::value(usual(peak)));
    }
    messages::change::was(name, value, against(peak))
}

/// The name of a signal and its value.
pub(super) fn named_value(flagged: &FlaggedSignal) -> (Phrase, Phrase) {
    (signal_phrase(&flagged.signal), value_phrase(&flagged.signal, flagged.value))
}

/// `2.5 % of the requests took longer than 180 ms`; `None` for other signals than the slow share.
pub(super) fn slow_requests(flagged: &FlaggedSignal) -> Option<Phrase> {
    let limit = flagged.tail_ms?;
    let share = value_phrase(&flagged.signal, flagged.value);
    Some(messages::against::slow_requests(share, milliseconds(limit)))
}

/// A slow change: from the usual value to the extreme, and how long it took.
pub(super) struct Slow {
    pub from: Phrase,
    pub to: Phrase,
    pub time: Phrase,
    pub falls: bool,
}

/// From 120 ms to 156 ms over 12 minutes; `None` unless the change is slow.
pub(super) fn slow_change(peak: &Peak) -> Option<Slow> {
    let flagged = &peak.signal;
    let time = duration(nanos_of(flagged.drifting_for?));
    let to = value_phrase(&flagged.signal, flagged.value);
    Some(Slow { from: usual(peak), to, time, falls: flagged.z < 0.0 })
}

/// `Statuses in the flagged time: 401 (1,020 requests) and 404 (3 requests).`
pub(super) fn statuses(statuses: &StatusCounts) -> Option<Phrase> {
    let named = |(status, n): (Status, u64)| {
        let status = match status {
            Status::Success => messages::status::success(),
            Status::Failure => messages::status::failure(),
            Status::NoResponse => messages::status::no_response(),
            Status::Unknown => messages::status::unknown(),
            Status::Http(_) | Status::Grpc(_) => status.to_string().into(),
        };
        impact::status(status, messages::count::request(count(n as f64)))
    };
    let names: Vec<Phrase> = statuses.iter().map(named).collect();
    (!names.is_empty()).then(|| impact::statuses(list(names)))
}

/// `a, b and c`.
pub(super) fn list(items: Vec<Phrase>) -> Phrase {
    Phrase::joined(items, messages::list::comma, messages::list::and)
}

/// Names of the first `most` of some items, and how many more there are.
pub(super) fn some_named(mut names: Vec<Phrase>, all: u64) -> Phrase {
    let more = all.saturating_sub(names.len() as u64);
    if more > 0 {
        names.push(messages::list::more(number(more as f64, 0)));
    }
    list(names)
}
