//! What an incident took of what callers were promised, and what its severity goes by.

use super::phrases::{failing, peaks};
use super::words::{milliseconds, named, number, percent, plural};
use crate::incident::Incident;
use crate::series::Signal;
use crate::slo::{Burn, SloImpact};

/// What the incident's own rows took, and the member that took most if that was more.
pub(super) fn budgets(incident: &Incident) -> Vec<String> {
    let mut out: Vec<String> = incident.slo.iter().flat_map(|impact| told(impact, "")).collect();
    let own = incident.slo.as_ref().map_or(0.0, SloImpact::worst_share);
    let impacts = incident.members.iter().filter_map(|member| Some((member, member.slo.as_ref()?)));
    let worst = impacts.max_by(|(_, a), (_, b)| a.worst_share().total_cmp(&b.worst_share()));
    if let Some((member, impact)) = worst
        && impact.worst_share() > own
    {
        out.extend(told(impact, &format!("{}: ", named(&member.entity))));
    }
    out
}

/// `126 failed requests are 0.4 % of what may fail in 30 days (objective 99.9 %), ...`.
fn told(impact: &SloImpact, whose: &str) -> Vec<String> {
    let slow = format!("longer than {}", milliseconds(impact.latency_ms));
    let lines = [(&impact.errors, None), (&impact.latency, Some(slow))];
    let told = lines.into_iter().filter_map(|(burn, slow)| {
        let (share, rate) = (burn.budget_share(), burn.rate());
        let what =
            plural(burn.bad as f64, if slow.is_some() { "request" } else { "failed request" });
        let (took, may) = match &slow {
            Some(slow) => (format!("{what} that took {slow} used"), "latency"),
            None => (format!("{what} used"), "error"),
        };
        (burn.bad > 0 && share.is_finite() && rate.is_finite()).then(|| {
            format!(
                "{whose}{took} {} of the {may} budget of {} (objective {}, at the traffic so far), \
                 {}.",
                percent(share),
                plural(impact.window_days, "day"),
                objective(burn),
                pace(rate),
            )
        })
    });
    told.collect()
}

/// `99.9 %`, with all digits that were promised.
fn objective(burn: &Burn) -> String {
    format!("{} %", number(100.0 * burn.objective, 4))
}

fn pace(rate: f64) -> String {
    format!("{} times as fast as it allows", number(rate, usize::from(rate < 100.0)))
}

/// What the severity goes by.
pub(super) fn severity_evidence(incident: &Incident) -> Vec<String> {
    let mut out = Vec::new();
    let rate = peaks(incident).find(|peak| peak.signal.signal == Signal::ErrorRate);
    if let Some((share, usual)) = failing(incident) {
        out.push(format!(
            "{} of its requests failed; {} is usual.",
            percent(share),
            percent(usual)
        ));
    } else if let Some(peak) = rate.filter(|peak| peak.signal.z > 0.0) {
        let (value, high) = (percent(peak.signal.value), percent(peak.signal.high));
        out.push(format!("Its error rate reached {value}; at most {high} was expected."));
    }
    if let Some(impact) = &incident.slo {
        for (which, burn) in [("error", &impact.errors), ("latency", &impact.latency)] {
            if burn.rate() >= 1.0 {
                out.push(format!("The {which} budget was used {}.", pace(burn.rate())));
            }
        }
    }
    if incident.reached > 0 {
        let others = plural(incident.reached as f64, "other");
        out.push(format!("It reached {others}."));
    }
    out
}
