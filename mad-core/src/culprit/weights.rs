//! Changes the weights of suspects by calls, changes and rankings over metrics.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::context::RankingContext;
use super::ranking::NotCalled;
use super::suspect::Suspect;
use crate::series::{EntityId, EntityTable};
use crate::time::{MINUTE, Timestamp};

/// Factor for a suspect whose callee explains it, and for one that was not called. A quarter keeps
/// it in the ranking, behind any explanation of similar strength.
const EXPLAINED: f64 = 0.25;
/// Weight of one that is in another incident.
const APART: f64 = 0.25;
/// Factor for a suspect that fails since it was first seen, long before another one departed from its
/// level.
const EARLIER: f64 = 0.25;
/// Steps that such a suspect has failed without an effect on the other one.
const EARLIER_STEPS: i64 = 10;
/// Factor for a suspect whose service was changed shortly before.
const CHANGED: f64 = 1.5;
/// How long before the first flagged row a change counts, ns.
const CHANGE_REACH: i64 = 30 * MINUTE;
/// Largest number of changes of a culprit.
const MAX_CHANGES: usize = 10;

/// The suspects of one service together.
struct SuspectService {
    /// Start of the first flagged row, of the suspects that can explain callers if there are any.
    first: Timestamp,
    step: i64,
    /// Whether the row before `first` was judged, so that the anomaly did not begin earlier.
    is_onset_known: bool,
    /// Weight of the suspects that can explain callers; `None` without any.
    weight: Option<f64>,
    /// Whether anything but missing requests or spans was flagged.
    present: bool,
    /// Start of the first flagged row of the suspects that got more requests than expected.
    surge: Option<Timestamp>,
    callees: Vec<Arc<str>>,
}

impl SuspectService {
    /// Whether it began no later than `other`, within one step of either.
    fn began_by(&self, other: Timestamp, step: i64) -> bool {
        !self.is_onset_known || self.first <= other.plus(step.max(self.step))
    }
}

/// Applies steps 1 to 6 of [`CulpritRanker`](super::CulpritRanker) to the weights.
pub(super) fn weigh(
    suspects: &mut BTreeMap<EntityId, Suspect>,
    entities: &EntityTable,
    at: Timestamp,
    context: &impl RankingContext,
) {
    for (id, suspect) in &mut *suspects {
        suspect.add_persisting(*id, at, context);
    }
    let services = services(suspects, entities, context);
    weigh_by_metrics(suspects, entities, context);
    // services that failed because of a callee, each with that callee
    let mut failed_by: BTreeMap<&str, Arc<str>> = BTreeMap::new();
    for (id, suspect) in &mut *suspects {
        let (Some(entity), Some(first)) = (entities.get(*id), suspect.first) else { continue };
        let Some(own) = services.get(&*entity.service) else { continue };
        let only = suspect.callee(entity);
        let callees =
            own.callees.iter().filter(|callee| only.is_none_or(|only| only == &***callee));
        let explaining = callees.filter_map(|callee| {
            let service = services.get(&**callee)?;
            let weight = service.weight?;
            // a surge goes from caller to callee, and so does what it causes
            let is_surge = own.surge.is_some() && service.surge.is_some();
            let explains =
                **callee != *entity.service && !is_surge && service.began_by(first, suspect.step);
            explains.then_some((callee, service.present, weight))
        });
        // a present callee explains more than one that is only absent; then the heavier one
        let worst = explaining.reduce(|a, b| if (b.1, b.2) > (a.1, a.2) { b } else { a });
        suspect.explained_by = worst.map(|(callee, ..)| Arc::clone(callee));
        if let (Some((callee, true, _)), false) =
            (worst, suspect.is_only_absent() || only.is_some())
        {
            failed_by.entry(&entity.service).or_insert_with(|| Arc::clone(callee));
        }
    }
    let not_called = not_called(&services, failed_by);
    let slow_calls = slow_calls(suspects, entities);
    let departed = suspects.values().filter(|suspect| suspect.departed);
    let departure = departed.filter_map(|suspect| suspect.first).min();
    for (id, suspect) in suspects {
        let (Some(entity), Some(first)) = (entities.get(*id), suspect.first) else { continue };
        if suspect.callee(entity).is_none() && !suspect.is_only_absent() {
            let began_by =
                |calls: &&SlowCalls| calls.first <= first.plus(suspect.step.max(calls.step));
            let calls = slow_calls.get(&*entity.service).filter(began_by);
            suspect.slow_calls_to = calls.map(|calls| Arc::clone(&calls.callee));
        }
        suspect.not_called = not_called.get(&*entity.service).cloned();
        // a change within the first flagged step may precede the anomaly, so it counts too
        let until = first.plus(suspect.step).min(at.plus(suspect.step));
        suspect.changes = context.changes(&entity.service, first.plus(-CHANGE_REACH), until);
        suspect.changes.truncate(MAX_CHANGES);
        let explained =
            suspect.explained_by.is_some() && context.metric_share(&entity.service).is_none();
        let surges = suspect.has_surge() && surge_comes_from_caller(&services, &entity.service);
        if explained || surges || suspect.not_called.is_some() || suspect.slow_calls_to.is_some() {
            suspect.weight *= EXPLAINED;
        }
        if let Some(departure) = departure.filter(|_| !suspect.departed) {
            let since = context.failing_since(*id, first);
            if since.plus(suspect.step.saturating_mul(EARLIER_STEPS)) < departure {
                suspect.weight *= EARLIER;
            }
        }
        if context.in_other_incident(*id) {
            suspect.weight *= APART;
        }
        if !suspect.changes.is_empty() {
            suspect.weight *= CHANGED;
        }
    }
}

/// Groups the suspects by service.
fn services<'a>(
    suspects: &BTreeMap<EntityId, Suspect>,
    entities: &'a EntityTable,
    context: &impl RankingContext,
) -> BTreeMap<&'a str, SuspectService> {
    let mut services: BTreeMap<&str, SuspectService> = BTreeMap::new();
    for (id, suspect) in suspects {
        let (Some(entity), Some(first)) = (entities.get(*id), suspect.first) else { continue };
        let new = || SuspectService {
            first,
            step: 0,
            is_onset_known: true,
            weight: None,
            present: false,
            surge: None,
            callees: context.callees(&entity.service),
        };
        let known = services.entry(&entity.service).or_insert_with(new);
        known.present |= !suspect.is_only_absent();
        if suspect.has_surge() {
            known.surge = Some(known.surge.map_or(first, |known| known.min(first)));
        }
        // once a suspect can explain callers, only such suspects count for the start
        match (known.weight, suspect.can_explain_callers()) {
            (None, true) => known.first = first,
            (Some(_), false) => continue,
            _ => known.first = known.first.min(first),
        }
        known.step = known.step.max(suspect.step);
        known.is_onset_known &= context.is_onset_known(*id, first);
        if suspect.can_explain_callers() {
            known.weight = Some(known.weight.unwrap_or(0.0) + suspect.weight);
        }
    }
    services
}

/// Whether a caller of a service got more requests no later than the service did.
fn surge_comes_from_caller(services: &BTreeMap<&str, SuspectService>, name: &str) -> bool {
    let Some((own, surge)) = services.get(name).and_then(|own| Some((own, own.surge?))) else {
        return false;
    };
    services.iter().any(|(caller, of)| {
        *caller != name
            && of.callees.iter().any(|callee| **callee == *name)
            && of.surge.is_some_and(|first| first <= surge.plus(own.step.max(of.step)))
    })
}

/// Calls that spent longer in the network although the callee was not anomalous.
struct SlowCalls {
    callee: Arc<str>,
    first: Timestamp,
    step: i64,
    weight: f64,
}

/// The heaviest slow calls of each caller.
fn slow_calls<'a>(
    suspects: &BTreeMap<EntityId, Suspect>,
    entities: &'a EntityTable,
) -> BTreeMap<&'a str, SlowCalls> {
    let mut found: BTreeMap<&str, SlowCalls> = BTreeMap::new();
    for (id, suspect) in suspects.iter().filter(|(_, suspect)| suspect.explained_by.is_none()) {
        let (Some(entity), Some(first)) = (entities.get(*id), suspect.first) else { continue };
        let Some(callee) = suspect.callee(entity) else { continue };
        let (step, weight) = (suspect.step, suspect.weight);
        let calls = SlowCalls { callee: callee.into(), first, step, weight };
        if found.get(&*entity.service).is_none_or(|known| known.weight < weight) {
            found.insert(&entity.service, calls);
        }
    }
    found
}

/// The services that are absent alone and lie, directly or through others that are, behind one that
/// gave up because of another callee.
fn not_called(
    services: &BTreeMap<&str, SuspectService>,
    failed_by: BTreeMap<&str, Arc<str>>,
) -> BTreeMap<Arc<str>, NotCalled> {
    let causes = failed_by.into_iter().map(|(caller, callee)| {
        (Arc::from(caller), NotCalled { caller: caller.into(), because_of: callee })
    });
    let mut queue: VecDeque<(Arc<str>, NotCalled)> = causes.collect();
    let mut found: BTreeMap<Arc<str>, NotCalled> = BTreeMap::new();
    while let Some((name, why)) = queue.pop_front() {
        let Some(caller) = services.get(&*name) else { continue };
        for callee in &caller.callees {
            let absent = services.get(&**callee).is_some_and(|callee| {
                !callee.present && caller.began_by(callee.first, callee.step)
            });
            // the other callee may have failed because this one is gone
            let other = services.get(&*why.because_of);
            let is_cause = other.is_some_and(|other| other.callees.contains(callee));
            if absent && !is_cause && *callee != why.because_of && !found.contains_key(callee) {
                found.insert(Arc::clone(callee), why.clone());
                queue.push_back((Arc::clone(callee), why.clone()));
            }
        }
    }
    found
}

/// Sets the weights of entities whose service was ranked by metrics.
///
/// The first service of that ranking gets the weight of the heaviest of these entities, the others
/// their share of it. Weights within one service keep their proportions.
fn weigh_by_metrics(
    suspects: &mut BTreeMap<EntityId, Suspect>,
    entities: &EntityTable,
    context: &impl RankingContext,
) {
    let mut heaviest: f64 = 0.0;
    let mut services: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (id, suspect) in &*suspects {
        let Some(entity) = entities.get(*id) else { continue };
        let Some(share) = context.metric_share(&entity.service) else { continue };
        heaviest = heaviest.max(suspect.weight);
        let (_, most) = services.entry(&entity.service).or_insert((share, 0.0));
        *most = most.max(suspect.weight);
    }
    for (id, suspect) in suspects {
        let service = entities.get(*id).and_then(|entity| services.get(&*entity.service));
        if let Some((share, most)) = service {
            suspect.weight *= heaviest * share / most;
        }
    }
}
