//! The cause and the first failure of an incident, and the checks that found nothing.

use super::causes::Pattern;
use super::chain::{Link, Tie, has_surge};
use super::messages::{self, check};
use super::phrase::Phrase;
use super::phrases::{change, first_value, is_complete, peaks};
use super::standout::{Standout, alike};
use super::words::{date_clock, duration, moment, named, one_line};
use crate::culprit::Ranking;
use crate::incident::{Incident, Peak};
use crate::series::{Entity, SILENCE, Signal};
use crate::time::{DAY, Timestamp};

/// `store /get, anomalous since 2026-01-06 10:44 UTC: median latency reached 310 ms (usual 120 ms).`,
/// then the version or host that stands out.
pub(super) fn root_cause(
    ranking: Option<&Ranking>,
    pattern: &Pattern,
    standout: Option<&Standout<'_>>,
) -> Phrase {
    let first = ranking.and_then(|ranking| ranking.culprits.first());
    let Some(first) = first.filter(|first| first.score.is_finite()) else {
        return messages::root::unknown();
    };
    let what = if pattern.entity() == &first.entity { pattern.strongest() } else { None };
    let (entity, since) = (named(&first.entity), pattern.since());
    let first = match what {
        Some(peak) => messages::root::change(entity, since, change(peak)),
        None => messages::root::entity(entity, since),
    };
    match standout {
        Some(standout) => Phrase::Sentences(vec![first, standout.sentence()]),
        None => first,
    }
}

/// `cart /add at 10:42 UTC: median latency was 310 ms (usual 120 ms).`
pub(super) fn first_failure(incident: &Incident, chain: &[Link]) -> Phrase {
    let first = first_link(incident, chain);
    let first = first.map(|link| (&link.entity, Peak::new(link.at, &link.signal)));
    let own = || Some((&incident.entity, incident.onset.clone()?));
    let Some((entity, onset)) = first.or_else(own) else {
        let entity = named(&incident.entity);
        return messages::first::entity(entity, at(incident, incident.start));
    };
    let is_known = is_complete(&onset.signal);
    let what = if is_known { first_value(&onset) } else { messages::change::flagged() };
    messages::first::change(named(entity), at(incident, onset.at), what)
}

/// The first link of a chain. Of a surge, which enters at a caller, it is the caller that follows within
/// a step: the same rule by which a ranking blames the service where a surge enters.
fn first_link<'a>(incident: &Incident, chain: &'a [Link]) -> Option<&'a Link> {
    let mut first = chain.first()?;
    let until = first.at + incident.step;
    for link in chain.iter().skip(1).take_while(|link| link.at <= until) {
        let calls_first = link.tie.as_ref().is_some_and(|(callee, tie)| {
            *tie == Tie::Calls && callee.service == first.entity.service
        });
        let is_surge = |link: &Link| has_surge(incident, &link.entity);
        if calls_first && is_surge(link) && is_surge(first) {
            first = link;
        }
    }
    Some(first)
}

fn at(incident: &Incident, time: Timestamp) -> String {
    moment(time, incident.start, incident.end, incident.step)
}

/// The checks that were made and found nothing. `known_since` is the start of the first row of the
/// entity that opened the incident.
pub(super) fn checks(
    incident: &Incident,
    ranking: Option<&Ranking>,
    entity: &Entity,
    known_since: Option<Timestamp>,
) -> Vec<Phrase> {
    let mut out = Vec::new();
    let culprits = ranking.map_or(&[][..], |ranking| &ranking.culprits);
    if let Some(first) = culprits.first().filter(|first| first.score.is_finite()) {
        let service = one_line(&first.entity.service);
        if first.changes.is_empty() {
            out.push(check::changes(&*service, date_clock(first.onset, incident.step)));
        }
        if first.explained_by.is_none() && first.slow_calls_to.is_none() {
            out.push(check::calls(service));
        }
    }
    out.extend(own_signals(incident));
    out.extend(alike(incident, entity));
    if incident.reached == 0 && culprits.len() < 2 {
        out.push(check::other_entities());
    }
    out.extend(known_since.and_then(|since| short_past(&incident.entity, incident, since)));
    out
}

/// The signals of requests that were not flagged.
fn own_signals(incident: &Incident) -> Option<Phrase> {
    if incident.requests == 0 {
        return None;
    }
    let has = |wanted: &[Signal]| {
        peaks(incident).any(|peak| wanted.iter().any(|signal| peak.signal.signal == *signal))
    };
    let is_silent = incident.signals().any(|signal| signal.as_str() == SILENCE);
    let mut quiet = Vec::new();
    if !has(&[Signal::P50Latency, Signal::P95Latency, Signal::SlowShare]) {
        quiet.push(messages::signal::latency());
    }
    if !has(&[Signal::ErrorRate]) && !incident.errors_rose {
        quiet.push(messages::signal::error_rate());
    }
    if !has(&[Signal::RequestCount]) && !is_silent {
        quiet.push(messages::signal::requests());
    }
    (!quiet.is_empty()).then(|| {
        let names = Phrase::joined(quiet, messages::list::and, messages::list::and);
        check::signals(named(&incident.entity), names)
    })
}

/// `History: 45 minutes of payments /pay are known before the incident, too few to know its daily
/// rhythm.`
fn short_past(entity: &Entity, incident: &Incident, since: Timestamp) -> Option<Phrase> {
    let known = incident.start.since(since);
    (known > 0 && known < DAY).then(|| check::history(duration(known), named(entity)))
}
