//! Sentences about error and latency budgets, and the facts behind the severity.

use super::front_door::FrontDoor;
use super::phrases::{against, against_errors, failing, peaks};
use super::words::{milliseconds, named, number, percent, rough_duration};
use crate::incident::Incident;
use crate::series::Signal;
use crate::slo::{Burn, SloImpact};

/// The budget use at the front door.
pub(super) fn budgets(incident: &Incident, front_door: &FrontDoor) -> Vec<String> {
    let entity = front_door.slo_of.as_ref().map(named);
    let impact = front_door.slo.as_ref().into_iter();
    impact.flat_map(|impact| sentences(impact, entity.as_deref(), incident)).collect()
}

/// `Failed requests used 3.9 % of the 30-day error budget (objective 99.9 %).` and, while the incident
/// is open, when the rest is used up.
fn sentences(impact: &SloImpact, entity: Option<&str>, incident: &Incident) -> Vec<String> {
    let slow = format!("requests longer than {}", milliseconds(impact.latency_ms));
    let burns = [
        (&impact.errors, "failed requests".to_owned(), "error"),
        (&impact.latency, slow, "latency"),
    ];
    let mut out = Vec::new();
    for (burn, what, which) in burns {
        let share = burn.budget_share();
        if burn.bad == 0 || !share.is_finite() {
            continue;
        }
        let subject = match entity {
            Some(entity) => format!("{entity}: {what}"),
            None => capitalized(&what),
        };
        out.push(format!(
            "{subject} used {} of the {} budget (objective {}).",
            percent(share),
            budget(impact, which),
            objective(burn),
        ));
        // for another entity the share is enough
        let shows_pace = entity.is_none() && incident.is_open();
        out.extend(shows_pace.then(|| pace(impact, burn, which, incident)).flatten());
    }
    out
}

/// `30-day error`.
fn budget(impact: &SloImpact, which: &str) -> String {
    format!("{}-day {which}", number(impact.window_days, 2))
}

/// `99.9 %`, with all digits of the configured objective.
fn objective(burn: &Burn) -> String {
    format!("{} %", number(100.0 * burn.objective, 4))
}

/// `At this rate the rest of the 30-day error budget is used up in 45 minutes.`, and of an incident that
/// ended `At that rate a 30-day error budget lasts 45 minutes.` `None` if the budget lasts, or nothing is
/// left of it.
fn pace(impact: &SloImpact, burn: &Burn, which: &str, incident: &Incident) -> Option<String> {
    let rate = burn.rate();
    if !rate.is_finite() || rate <= 1.0 {
        return None;
    }
    let (days, budget) = (impact.window_days / rate, budget(impact, which));
    if !incident.is_open() {
        return Some(format!("At that rate a {budget} budget lasts {}.", rough_duration(days)));
    }
    let rest = days * (1.0 - burn.budget_share());
    (rest > 0.0).then(|| {
        let rest = rough_duration(rest);
        format!("At this rate the rest of the {budget} budget is used up in {rest}.")
    })
}

/// A phrase with a capital letter at its start.
fn capitalized(phrase: &str) -> String {
    let mut letters = phrase.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The facts behind the severity.
pub(super) fn severity_evidence(incident: &Incident) -> Vec<String> {
    let mut out = Vec::new();
    let rate = peaks(incident).find(|peak| peak.signal.signal == Signal::ErrorRate);
    if let Some((share, usual)) = failing(incident) {
        let against = against_errors(incident, usual);
        out.push(format!("{} of its requests failed ({against}).", percent(share)));
    } else if let Some(peak) = rate.filter(|peak| peak.signal.z > 0.0) {
        let value = percent(peak.signal.value);
        out.push(format!("Its error rate reached {value} ({}).", against(peak)));
    }
    if let Some(impact) = &incident.slo {
        for (which, burn) in [("error", &impact.errors), ("latency", &impact.latency)] {
            out.extend(pace(impact, burn, which, incident));
        }
    }
    if incident.reached > 0 {
        let entities = if incident.reached == 1 { "entity" } else { "entities" };
        let count = number(incident.reached as f64, 0);
        out.push(format!("{count} other {entities} became anomalous."));
    }
    out
}
