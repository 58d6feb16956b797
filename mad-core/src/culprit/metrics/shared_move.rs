//! Moves that most services share, such as more processor time because of more load.

use std::collections::BTreeMap;

use super::effect::Effect;
use super::series::Series;
use crate::robust::median;

/// Services that a metric needs, so that the median of their changes is that of the fleet.
const LEAST_SERVICES: usize = 5;

/// Takes the change that most services share off the effects of resources and demand.
///
/// A higher load raises the processor time of all services at once, and one of them always rises the
/// most. The expected value of each series is therefore multiplied by the median of the relative
/// changes of its metric over the services. A service without an effect has the change 0, so that
/// nothing is taken off unless half of the services moved to the same side.
///
/// Latencies, errors and availability are left as they are, because a fault spreads to its callers by
/// them. So are metrics of fewer than five services.
pub(super) fn without_shared_moves<'a>(effects: &mut Vec<(&'a Series, Effect)>, all: &'a [Series]) {
    let is_meant = |series: &Series| {
        let kind = series.kind;
        !kind.is_symptom() && !kind.is_direct() && series.base().1.is_none()
    };
    // by metric and service: the largest change, 0 without an effect
    let mut changes: BTreeMap<&str, BTreeMap<&str, f64>> = BTreeMap::new();
    for series in all.iter().filter(|one| is_meant(one) && !one.incident().is_empty()) {
        changes.entry(series.base().0).or_default().entry(&series.service).or_insert(0.0);
    }
    for (series, effect) in effects.iter() {
        let services = changes.get_mut(series.base().0);
        if let Some(change) = services.and_then(|services| services.get_mut(&*series.service)) {
            let own = relative(effect);
            if own.abs() > change.abs() {
                *change = own;
            }
        }
    }
    let shared: BTreeMap<&str, f64> = changes
        .into_iter()
        .filter(|(_, services)| services.len() >= LEAST_SERVICES)
        .map(|(metric, services)| (metric, median(services.values())))
        .filter(|(_, change)| change.is_finite() && *change != 0.0)
        .collect();
    effects.retain_mut(|(series, effect)| {
        let Some(shared) = shared.get(series.base().0).filter(|_| is_meant(series)) else {
            return true;
        };
        let own = relative(effect);
        if own * shared <= 0.0 {
            return true;
        }
        // not beyond the value itself: less than the others moved is no fault
        if shared.abs() >= own.abs() {
            return false;
        }
        let expected = effect.expected * (1.0 + shared);
        let left = (effect.value - expected) / (effect.value - effect.expected);
        (effect.size, effect.expected) = (effect.size * left, expected);
        effect.size > 0.0
    });
}

/// The change of a series as a share of its expected value; 0 where that is 0.
fn relative(effect: &Effect) -> f64 {
    let change = (effect.value - effect.expected) / effect.expected.abs();
    if change.is_finite() { change } else { 0.0 }
}
