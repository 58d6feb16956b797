//! From suspects to the answer.

use super::blame::{Graph, Suspect};
use super::types::{MetricCulprit, MetricEvidence};
use crate::series::Entity;
use crate::telemetry::ChangeEvent;
use crate::time::{SECOND, Timestamp};

/// Evidence told of a culprit.
const MOST_EVIDENCE: usize = 5;
/// Scales from which a service passes a fault on.
const MIN_LINK: f64 = 2.0;
/// How long before the onset a change counts.
pub(super) const CHANGE_REACH: i64 = 30 * 60 * SECOND;

/// A suspect as it is told; `least` is the weight of score 0.5.
pub(super) fn culprit(
    suspect: &Suspect<'_>,
    least: f64,
    change: Option<ChangeEvent>,
    chain: Vec<String>,
) -> Option<MetricCulprit> {
    let first = suspect.charges.first()?;
    let evidence = suspect.charges.iter().take(MOST_EVIDENCE).map(|charge| MetricEvidence {
        service: charge.series.service.to_string(),
        resource: charge.series.resource.to_string(),
        metric: charge.series.metric.to_string(),
        kind: charge.series.kind,
        value: charge.effect.value,
        expected: charge.effect.expected,
        effect: charge.effect.size,
        onset: Timestamp::from_nanos(charge.effect.onset),
    });
    let own = &*first.series.service == suspect.service;
    Some(MetricCulprit {
        entity: Entity::new(suspect.service, if own { &first.series.resource } else { "" }),
        metric: first.series.metric.to_string(),
        score: suspect.weight / (suspect.weight + least),
        onset: Timestamp::from_nanos(first.effect.onset),
        evidence: evidence.collect(),
        change,
        chain,
        correlated: Vec::new(),
    })
}

/// How the fault went: the services from the target to the suspect, each calling the next, through
/// bad ones where there is such a way. Without a target, from the suspect up to its heaviest caller, and
/// on. The suspect alone where nothing is known.
pub(super) fn chain(
    suspect: &Suspect<'_>,
    suspects: &[Suspect<'_>],
    target: Option<&str>,
    graph: &Graph<'_>,
) -> Vec<String> {
    let bad = |one: &Suspect<'_>| one.charges.iter().any(|charge| charge.effect.size >= MIN_LINK);
    let place = |service: &str| suspects.iter().position(|one| one.service == service && bad(one));
    let own = suspect.service;
    let way = target.map(|target| {
        let way = graph.path(target, own, |service| place(service).is_some());
        let way = way.or_else(|| graph.path(target, own, |_| true));
        way.unwrap_or_else(|| vec![own])
    });
    let path = way.unwrap_or_else(|| {
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
