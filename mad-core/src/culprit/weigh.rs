//! What calls and changes make of the weights of suspects.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::ranker::Suspect;
use super::{NotCalled, RankingContext};
use crate::series::{EntityId, EntityTable};
use crate::time::{MINUTE, Timestamp};

/// Weight of one whose callee explains it, and of one that was not called.
const EXPLAINED: f64 = 0.25;
/// Weight of one that is in another incident.
const APART: f64 = 0.25;
/// Weight of one whose service was changed shortly before.
const CHANGED: f64 = 1.5;
/// How long before the first flagged row a change counts, nanoseconds.
const CHANGE_REACH: i64 = 30 * MINUTE;

/// What speaks against the entities of one service together.
struct Service {
    first: Timestamp,
    step: i64,
    /// Of those that may be why its callers are bad.
    weight: Option<f64>,
    /// Whether something failed, was slow or otherwise there: not only absent.
    seen: bool,
    callees: Vec<Arc<str>>,
}

impl Service {
    fn began_by(&self, other: Timestamp, step: i64) -> bool {
        self.first <= other.plus(step.max(self.step))
    }
}

/// Weighs suspects by what is known of calls and changes.
pub(super) fn weigh(
    suspects: &mut BTreeMap<EntityId, Suspect>,
    entities: &EntityTable,
    at: Timestamp,
    context: &impl RankingContext,
) {
    for (id, suspect) in &mut *suspects {
        suspect.go_on(*id, at, context);
    }
    let services = services(suspects, entities, context);
    stand(suspects, entities, context);
    // those that went bad because of a callee that did, by the callee
    let mut gave_up: BTreeMap<&str, Arc<str>> = BTreeMap::new();
    for (id, suspect) in &mut *suspects {
        let (Some(entity), Some(first)) = (entities.get(*id), suspect.first) else { continue };
        let Some(own) = services.get(&*entity.service) else { continue };
        let only = suspect.callee(entity);
        let callees =
            own.callees.iter().filter(|callee| only.is_none_or(|only| only == &***callee));
        let explaining = callees.filter_map(|callee| {
            let service = services.get(&**callee)?;
            let weight = service.weight?;
            let explains = **callee != *entity.service && service.began_by(first, suspect.step);
            explains.then_some((callee, service.seen, weight))
        });
        // what failed or was slow before what is missing
        let worst = explaining.reduce(|a, b| if (b.1, b.2) > (a.1, a.2) { b } else { a });
        suspect.explained_by = worst.map(|(callee, ..)| Arc::clone(callee));
        if let (Some((callee, true, _)), false) = (worst, suspect.is_absent() || only.is_some()) {
            gave_up.entry(&entity.service).or_insert_with(|| Arc::clone(callee));
        }
    }
    let not_called = not_called(&services, gave_up);
    let ways = slow_ways(suspects, entities);
    for (id, suspect) in suspects {
        let (Some(entity), Some(first)) = (entities.get(*id), suspect.first) else { continue };
        if suspect.callee(entity).is_none() && !suspect.is_absent() {
            let began_by = |way: &&Way| way.first <= first.plus(suspect.step.max(way.step));
            let way = ways.get(&*entity.service).filter(began_by);
            suspect.slow_way_to = way.map(|way| Arc::clone(&way.callee));
        }
        suspect.not_called = not_called.get(&*entity.service).cloned();
        // a change in the step in which it began may have come before
        let until = first.plus(suspect.step).min(at.plus(suspect.step));
        suspect.change = context.change(&entity.service, first.plus(-CHANGE_REACH), until);
        let explained =
            suspect.explained_by.is_some() && context.by_metrics(&entity.service).is_none();
        if explained || suspect.not_called.is_some() || suspect.slow_way_to.is_some() {
            suspect.weight *= EXPLAINED;
        }
        if context.in_other_incident(*id) {
            suspect.weight *= APART;
        }
        if suspect.change.is_some() {
            suspect.weight *= CHANGED;
        }
    }
}

fn services<'a>(
    suspects: &BTreeMap<EntityId, Suspect>,
    entities: &'a EntityTable,
    context: &impl RankingContext,
) -> BTreeMap<&'a str, Service> {
    let mut services: BTreeMap<&str, Service> = BTreeMap::new();
    for (id, suspect) in suspects {
        let (Some(entity), Some(first)) = (entities.get(*id), suspect.first) else { continue };
        let new = || Service {
            first,
            step: 0,
            weight: None,
            seen: false,
            callees: context.callees(&entity.service),
        };
        let known = services.entry(&entity.service).or_insert_with(new);
        known.seen |= !suspect.is_absent();
        // the begin is that of what explains, if anything does
        match (known.weight, suspect.explains()) {
            (None, true) => known.first = first,
            (Some(_), false) => continue,
            _ => known.first = known.first.min(first),
        }
        known.step = known.step.max(suspect.step);
        if suspect.explains() {
            known.weight = Some(known.weight.unwrap_or(0.0) + suspect.weight);
        }
    }
    services
}

/// Calls that were long on their way although nothing was wrong with the callee.
struct Way {
    callee: Arc<str>,
    first: Timestamp,
    step: i64,
    weight: f64,
}

/// The heaviest by caller.
fn slow_ways<'a>(
    suspects: &BTreeMap<EntityId, Suspect>,
    entities: &'a EntityTable,
) -> BTreeMap<&'a str, Way> {
    let mut ways: BTreeMap<&str, Way> = BTreeMap::new();
    for (id, suspect) in suspects.iter().filter(|(_, suspect)| suspect.explained_by.is_none()) {
        let (Some(entity), Some(first)) = (entities.get(*id), suspect.first) else { continue };
        let Some(callee) = suspect.callee(entity) else { continue };
        let (step, weight) = (suspect.step, suspect.weight);
        let way = Way { callee: callee.into(), first, step, weight };
        if ways.get(&*entity.service).is_none_or(|known| known.weight < weight) {
            ways.insert(&entity.service, way);
        }
    }
    ways
}

/// The services that are absent alone and lie, directly or through others that are, behind one that
/// gave up because of another callee.
fn not_called(
    services: &BTreeMap<&str, Service>,
    gave_up: BTreeMap<&str, Arc<str>>,
) -> BTreeMap<Arc<str>, NotCalled> {
    let causes = gave_up.into_iter().map(|(caller, callee)| {
        (Arc::from(caller), NotCalled { caller: caller.into(), because_of: callee })
    });
    let mut queue: VecDeque<(Arc<str>, NotCalled)> = causes.collect();
    let mut found: BTreeMap<Arc<str>, NotCalled> = BTreeMap::new();
    while let Some((name, why)) = queue.pop_front() {
        let Some(caller) = services.get(&*name) else { continue };
        for callee in &caller.callees {
            let absent = services
                .get(&**callee)
                .is_some_and(|callee| !callee.seen && caller.began_by(callee.first, callee.step));
            if absent && *callee != why.because_of && !found.contains_key(callee) {
                found.insert(Arc::clone(callee), why.clone());
                queue.push_back((Arc::clone(callee), why.clone()));
            }
        }
    }
    found
}

/// Weights of those whose metrics were ranked: that of the heaviest of them goes to the first of that
/// ranking, and less to those after it. Within a service the weights stay in proportion.
fn stand(
    suspects: &mut BTreeMap<EntityId, Suspect>,
    entities: &EntityTable,
    context: &impl RankingContext,
) {
    let mut heaviest: f64 = 0.0;
    let mut services: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (id, suspect) in &*suspects {
        let Some(entity) = entities.get(*id) else { continue };
        let Some(standing) = context.by_metrics(&entity.service) else { continue };
        heaviest = heaviest.max(suspect.weight);
        let (_, most) = services.entry(&entity.service).or_insert((standing, 0.0));
        *most = most.max(suspect.weight);
    }
    for (id, suspect) in suspects {
        let service = entities.get(*id).and_then(|entity| services.get(&*entity.service));
        if let Some((standing, most)) = service {
            suspect.weight *= heaviest * standing / most;
        }
    }
}
