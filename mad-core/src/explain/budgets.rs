//! Sentences about error and latency budgets, and the facts behind the severity.

use super::front_door::FrontDoor;
use super::messages::{self, budget};
use super::phrase::Phrase;
use super::phrases::{against, against_errors, failing, peaks};
use super::words::{milliseconds, named, number, percent, rough_duration};
use crate::incident::Incident;
use crate::series::Signal;
use crate::slo::{Burn, SloImpact};

/// The budget use at the front door.
pub(super) fn budgets(incident: &Incident, front_door: &FrontDoor) -> Vec<Phrase> {
    let entity = front_door.slo_of.as_ref().map(named);
    let impact = front_door.slo.as_ref().into_iter();
    impact.flat_map(|impact| sentences(impact, entity.as_deref(), incident)).collect()
}

/// The two kinds of budgets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Budget {
    Errors,
    Latency,
}

/// `Failed requests used 3.9 % of the 30-day error budget (objective 99.9 %).` and, while the incident
/// is open, when the rest is used up.
fn sentences(impact: &SloImpact, entity: Option<&str>, incident: &Incident) -> Vec<Phrase> {
    let limit = milliseconds(impact.latency_ms);
    let mut out = Vec::new();
    for (kind, burn) in [(Budget::Errors, &impact.errors), (Budget::Latency, &impact.latency)] {
        let share = burn.budget_share();
        if burn.bad == 0 || !share.is_finite() {
            continue;
        }
        let (share, days, limit) = (percent(share), days(impact), &*limit);
        let objective = objective(burn);
        out.push(match (kind, entity) {
            (Budget::Errors, None) => budget::errors(share, days, objective),
            (Budget::Latency, None) => budget::latency(limit, share, days, objective),
            (Budget::Errors, Some(entity)) => budget::errors_of(entity, share, days, objective),
            (Budget::Latency, Some(entity)) => {
                budget::latency_of(entity, limit, share, days, objective)
            }
        });
        // for another entity the share is enough
        let shows_pace = entity.is_none() && incident.is_open();
        out.extend(shows_pace.then(|| pace(impact, burn, kind, incident)).flatten());
    }
    out
}

/// Days of the window of the budgets.
fn days(impact: &SloImpact) -> String {
    number(impact.window_days, 2)
}

/// `99.9 %`, with all digits of the configured objective.
fn objective(burn: &Burn) -> String {
    format!("{} %", number(100.0 * burn.objective, 4))
}

/// `At this rate the rest of the 30-day error budget is used up in 45 minutes.`, and of an incident that
/// ended `At that rate a 30-day error budget lasts 45 minutes.` `None` if the budget lasts, or nothing is
/// left of it.
fn pace(impact: &SloImpact, burn: &Burn, kind: Budget, incident: &Incident) -> Option<Phrase> {
    let rate = burn.rate();
    if !rate.is_finite() || rate <= 1.0 {
        return None;
    }
    let lasts = impact.window_days / rate;
    if !incident.is_open() {
        let pace: fn(_, _) -> _ = match kind {
            Budget::Errors => budget::errors_pace,
            Budget::Latency => budget::latency_pace,
        };
        return Some(pace(days(impact), rough_duration(lasts)));
    }
    let rest = lasts * (1.0 - burn.budget_share());
    let text: fn(_, _) -> _ = match kind {
        Budget::Errors => budget::errors_rest,
        Budget::Latency => budget::latency_rest,
    };
    (rest > 0.0).then(|| text(days(impact), rough_duration(rest)))
}

/// The facts behind the severity.
pub(super) fn severity_evidence(incident: &Incident) -> Vec<Phrase> {
    let mut out = Vec::new();
    let rate = peaks(incident).find(|peak| peak.signal.signal == Signal::ErrorRate);
    if let Some((share, usual)) = failing(incident) {
        let against = against_errors(incident, usual);
        out.push(messages::severity::failed(percent(share), against));
    } else if let Some(peak) = rate.filter(|peak| peak.signal.z > 0.0) {
        out.push(messages::severity::rate(percent(peak.signal.value), against(peak)));
    }
    if let Some(impact) = &incident.slo {
        for (kind, burn) in [(Budget::Errors, &impact.errors), (Budget::Latency, &impact.latency)] {
            out.extend(pace(impact, burn, kind, incident));
        }
    }
    if incident.reached > 0 {
        out.push(messages::severity::others(number(incident.reached as f64, 0)));
    }
    out
}
