//! The propagation chain of an incident: the first anomaly of each entity and its link to an earlier one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::messages;
use super::phrase::Phrase;
use super::phrases::{first_value, is_complete};
use super::words::{duration, moment, named, number, one_line};
use crate::culprit::RankingContext;
use crate::history::FlaggedSignal;
use crate::incident::{Incident, Peak};
use crate::series::{Entity, Signal};
use crate::telemetry::ChangeEvent;
use crate::time::{MINUTE, Timestamp};

/// How long before a first anomaly a change is mentioned, ns.
const CHANGE_REACH: i64 = 30 * MINUTE;
/// Largest number of links in sentences; further ones are counted.
const MAX_SENTENCES: usize = 8;

/// The relation of an entity to another one that became anomalous no later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tie {
    /// Its service calls the other one's service.
    Calls,
    /// The other one's service calls its service.
    CalledBy,
    /// Both belong to one service.
    SameService,
}

impl Tie {
    /// The relation in files and API responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::CalledBy => "called_by",
            Self::SameService => "same_service",
        }
    }
}

/// The first anomaly of one entity of an incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Start of its first flagged row.
    pub at: Timestamp,
    /// The entity.
    pub entity: Entity,
    /// The strongest signal of that row.
    pub signal: FlaggedSignal,
    /// The nearest earlier entity of the chain with a relation to this one.
    pub tie: Option<(Entity, Tie)>,
    /// The likeliest change of its service in the half hour before.
    pub change: Option<ChangeEvent>,
}

/// The links of [`TemplateExplainer::chain`](super::TemplateExplainer::chain).
pub(super) fn links(incident: &Incident, context: &impl RankingContext) -> Vec<Link> {
    if incident.members.is_empty() {
        return Vec::new();
    }
    let members = incident.members.iter().map(|member| (&member.entity, &member.onset));
    let mut all: Vec<(&Entity, &Peak)> = std::iter::once((&incident.entity, &incident.onset))
        .chain(members)
        .filter_map(|(entity, onset)| Some((entity, onset.as_ref()?)))
        .collect();
    all.sort_by(|(a, a_onset), (b, b_onset)| {
        let by_evidence = || b_onset.signal.neg_log10_p.total_cmp(&a_onset.signal.neg_log10_p);
        a_onset.at.cmp(&b_onset.at).then_with(by_evidence).then_with(|| a.cmp(b))
    });
    let mut callees: BTreeMap<&str, Vec<Arc<str>>> = BTreeMap::new();
    for (entity, _) in &all {
        let service = &*entity.service;
        callees.entry(service).or_insert_with(|| context.callees(service));
    }
    let calls = |caller: &str, callee: &str| {
        callees.get(caller).is_some_and(|known| known.iter().any(|name| **name == *callee))
    };
    let tie = |entity: &Entity, earlier: &Entity| {
        let (own, other) = (&*entity.service, &*earlier.service);
        if own == other {
            Some(Tie::SameService)
        } else if calls(own, other) {
            Some(Tie::Calls)
        } else {
            calls(other, own).then_some(Tie::CalledBy)
        }
    };
    let surging: BTreeSet<&str> = all
        .iter()
        .filter(|(entity, _)| has_surge(incident, entity))
        .map(|(entity, _)| &*entity.service)
        .collect();
    // a fault goes from callee to caller, and a surge the other way
    let comes_from = |own: &str, other: &str| {
        let is_surge = surging.contains(own) && surging.contains(other);
        own != other && if is_surge { calls(other, own) } else { calls(own, other) }
    };
    let mut chain: Vec<Link> = Vec::new();
    for (entity, onset) in causes_first(all, &comes_from) {
        let mut before = chain.iter().rev();
        let tie = before.find_map(|link| Some((link.entity.clone(), tie(entity, &link.entity)?)));
        let until = onset.at + incident.step;
        chain.push(Link {
            at: onset.at,
            entity: entity.clone(),
            signal: onset.signal.clone(),
            tie,
            change: {
                let from = onset.at.plus(-CHANGE_REACH);
                context.changes(&entity.service, from, until).into_iter().next()
            },
        });
    }
    chain
}

/// Whether an entity of an incident got more requests than usual.
pub(super) fn has_surge(incident: &Incident, entity: &Entity) -> bool {
    let mut peaks = incident.peaks_of(entity).unwrap_or_default().iter();
    peaks.any(|peak| peak.signal.signal == Signal::RequestCount && peak.signal.z > 0.0)
}

/// Puts the services from which an anomaly comes before the others among the anomalies of the same
/// minute, because the order of their times says nothing there: steps and clocks are no finer. The order
/// is otherwise kept. `comes_from(a, b)` says whether anomalies of `a` come from those of `b`.
fn causes_first<'a>(
    all: Vec<(&'a Entity, &'a Peak)>,
    comes_from: &impl Fn(&str, &str) -> bool,
) -> Vec<(&'a Entity, &'a Peak)> {
    let minute = |onset: &Peak| onset.at.nanos().div_euclid(MINUTE);
    let mut out = Vec::with_capacity(all.len());
    let mut rest: VecDeque<_> = all.into();
    while let Some((first, onset)) = rest.front() {
        let is_free = |(entity, _): &&(&Entity, &Peak)| {
            let mut same = rest.iter().take_while(|(_, other)| minute(other) == minute(onset));
            !same.any(|(other, _)| comes_from(&entity.service, &other.service))
        };
        let mut same = rest.iter().take_while(|(_, other)| minute(other) == minute(onset));
        // in a cycle of calls none is free: the strongest comes first
        let next = same.find(is_free).map_or(*first, |(entity, _)| *entity);
        let place = rest.iter().position(|(entity, _)| *entity == next).unwrap_or(0);
        out.extend(rest.remove(place));
    }
    out
}

/// The chain as sentences, at most [`MAX_SENTENCES`].
pub(super) fn sentences(incident: &Incident, chain: &[Link]) -> Vec<Phrase> {
    let mut out: Vec<Phrase> =
        chain.iter().take(MAX_SENTENCES).filter_map(|link| sentence(incident, link)).collect();
    let more = incident.reached.saturating_add(1).saturating_sub(MAX_SENTENCES as u64);
    if !chain.is_empty() && more > 0 {
        out.push(messages::chain::more(number(more as f64, 0)));
    }
    out
}

/// `10:42 UTC: cart /x, which calls store: median latency was 310 ms (usual 120 ms).`
fn sentence(incident: &Incident, link: &Link) -> Option<Phrase> {
    if !is_complete(&link.signal) {
        return None;
    }
    let at = moment(link.at, incident.start, incident.end, incident.step);
    let own = named(&link.entity);
    let entity = match &link.tie {
        None => own.into(),
        Some((other, Tie::Calls)) => messages::chain::calls(own, one_line(&other.service)),
        Some((other, Tie::CalledBy)) => messages::chain::called_by(own, one_line(&other.service)),
        Some((other, Tie::SameService)) => messages::chain::same_service(own, named(other)),
    };
    let what = first_value(&Peak::new(link.at, &link.signal));
    let Some(event) = &link.change else {
        return Some(messages::chain::first(at, entity, what));
    };
    let words = [&event.kind, &event.name, &event.version].map(|word| one_line(word));
    let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let before = duration((link.at + incident.step).since(event.at));
    Some(messages::chain::after_change(at, entity, what, before, words.join(" ")))
}
