//! Builds the culprits of the ranking, with evidence and propagation path, from the candidates.

use super::call_graph::CallGraph;
use super::charges::{Candidate, Charge};
use super::effect::Effect;
use super::kind::MetricKind;
use super::ranking::{MetricCulprit, MetricEvidence};
use super::series::Series;
use super::window::MetricWindow;
use crate::series::Entity;
use crate::telemetry::ChangeEvent;
use crate::time::{SECOND, Timestamp};

/// Largest number of evidence entries of a culprit.
const MAX_EVIDENCE: usize = 5;
/// Largest number of changes of a culprit.
const MAX_CHANGES: usize = 10;
/// Share of the strongest weight from which a cause of it is named instead.
const NEARLY: f64 = 0.6;
/// Effect from which a service is part of the propagation path, in scales.
const MIN_PATH_EFFECT: f64 = 2.0;
/// How long before the onset a change counts, ns.
const CHANGE_REACH: i64 = 30 * 60 * SECOND;

/// The culprit of a candidate. `least` is the weight that gives a score of 0.5.
pub(super) fn culprit(
    candidate: &Candidate<'_>,
    least: f64,
    window: &MetricWindow,
    chain: Vec<String>,
) -> Option<MetricCulprit> {
    let first = cause(&candidate.charges, least)?;
    let others =
        candidate.charges.iter().filter(|charge| charge.series.name() != first.series.name());
    let evidence = std::iter::once(first).chain(others).take(MAX_EVIDENCE);
    let evidence = evidence.map(|charge| evidence_of(charge.series, &charge.effect));
    let own = &*first.series.service == candidate.service;
    let onset = onset_of(candidate, first, least);
    Some(MetricCulprit {
        entity: Entity::new(candidate.service, if own { &first.series.resource } else { "" }),
        metric: first.series.metric.to_string(),
        score: candidate.weight / (candidate.weight + least),
        onset: Timestamp::from_nanos(onset),
        evidence: evidence.collect(),
        changes: changes_of(candidate, onset, window),
        chain,
        correlated: Vec::new(),
    })
}

/// The effect on a series as evidence.
pub(super) fn evidence_of(series: &Series, effect: &Effect) -> MetricEvidence {
    MetricEvidence {
        service: series.service.to_string(),
        resource: series.resource.to_string(),
        metric: series.metric.to_string(),
        kind: series.kind,
        value: effect.value,
        expected: effect.expected,
        effect: effect.size,
        onset: Timestamp::from_nanos(effect.onset),
    }
}

/// The first clear move of any of the series of a candidate that is as clear as the one that is named.
fn onset_of(candidate: &Candidate<'_>, named: &Charge<'_>, least: f64) -> i64 {
    let clear = candidate
        .charges
        .iter()
        .filter(|charge| charge.own_weight >= least.max(NEARLY * named.own_weight));
    clear.map(|charge| charge.effect.onset).fold(named.effect.onset, i64::min)
}

/// Whether a candidate was changed in the half hour before its onset.
pub(super) fn was_changed(candidate: &Candidate<'_>, least: f64, window: &MetricWindow) -> bool {
    cause(&candidate.charges, least).is_some_and(|named| {
        let onset = onset_of(candidate, named, least);
        !changes_of(candidate, onset, window).is_empty()
    })
}

/// The changes of a candidate in the half hour before its onset.
fn changes_of(candidate: &Candidate<'_>, onset: i64, window: &MetricWindow) -> Vec<ChangeEvent> {
    let before = |change: &&ChangeEvent| {
        let at = change.at.nanos();
        at <= onset && at >= onset.saturating_sub(CHANGE_REACH)
    };
    let all = window.changes.get(candidate.service).into_iter().flatten();
    let mut found: Vec<ChangeEvent> = all.filter(before).cloned().collect();
    ChangeEvent::sort(&mut found);
    found.truncate(MAX_CHANGES);
    found
}

/// The charge that names the metric at fault: the strongest, unless one that usually causes it is
/// nearly as strong.
///
/// Memory that runs out costs processor time, and both make calls slow; rarely the other way round.
fn cause<'a, 'b>(charges: &'b [Charge<'a>], least: f64) -> Option<&'b Charge<'a>> {
    let strongest = charges.first()?;
    let needed = least.max(NEARLY * strongest.own_weight);
    let rank = |charge: &Charge<'_>| match charge.series.kind {
        MetricKind::Memory => 0,
        MetricKind::Cpu => 1,
        MetricKind::Latency | MetricKind::Availability => 2,
        _ => 3,
    };
    let is_resource =
        |charge: &&Charge<'_>| charge.own_weight >= needed && rank(charge) < rank(strongest).min(2);
    // `min_by_key` keeps the first of equals, which is the strongest
    Some(charges.iter().filter(is_resource).min_by_key(|charge| rank(charge)).unwrap_or(strongest))
}

/// The propagation path to a candidate: services that each call the next.
///
/// With a target it is the shortest path from the target, through anomalous services if possible.
/// Without, it leads from the heaviest anomalous caller of the heaviest anomalous caller, and so on,
/// down to the candidate. Without known calls it is the candidate alone.
pub(super) fn chain(
    candidate: &Candidate<'_>,
    candidates: &[Candidate<'_>],
    target: Option<&str>,
    graph: &CallGraph<'_>,
) -> Vec<String> {
    let anomalous = |one: &Candidate<'_>| {
        one.charges.iter().any(|charge| charge.effect.size >= MIN_PATH_EFFECT)
    };
    let place =
        |service: &str| candidates.iter().position(|one| one.service == service && anomalous(one));
    let own = candidate.service;
    let path = target.map(|target| {
        let path = graph.path(target, own, |service| place(service).is_some());
        let path = path.or_else(|| graph.path(target, own, |_| true));
        path.unwrap_or_else(|| vec![own])
    });
    let path = path.unwrap_or_else(|| {
        let mut path = vec![own];
        while let Some(next) = path
            .last()
            .into_iter()
            .flat_map(|service| graph.callers(service))
            .filter(|caller| !path.contains(caller))
            .filter_map(|caller| Some((place(caller)?, caller)))
            .min()
        {
            path.push(next.1);
        }
        path.reverse();
        path
    });
    path.into_iter().map(str::to_owned).collect()
}
