//! Templates that can only say what the evidence holds.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::budgets::{budgets, severity_evidence};
use super::causes::Pattern;
use super::chain::{self, Link};
use super::explanation::Explanation;
use super::phrases::{change, failing, peaks};
use super::words::{
    bound, date_clock, duration, likelihood, milliseconds, moment, name, named, number, one_line,
    percent, plural, quantity, says_alone, span,
};
use crate::culprit::{Evidence, NotCalled, Ranking, RankingContext};
use crate::history::FlaggedSignal;
use crate::incident::{Incident, Member, Peak};
use crate::series::{Entity, Signal};

/// Explains incidents by templates: each sentence takes its numbers from the incident's evidence
/// and is left out where there are none. Names are written on one line, control characters escaped.
///
/// # Examples
///
/// See [`Pipeline::explain`](crate::Pipeline::explain).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateExplainer;

/// Others named in words; further ones are counted.
const MOST_NAMED: usize = 3;

impl TemplateExplainer {
    /// Explains an incident; `ranking` is the one at its end, if there is one.
    pub fn explain(&self, incident: &Incident, ranking: Option<&Ranking>) -> Explanation {
        self.explain_with(incident, ranking, &[])
    }

    /// The same with how it spread, as [`chain`](Self::chain) tells.
    pub fn explain_with(
        &self,
        incident: &Incident,
        ranking: Option<&Ranking>,
        chain: &[Link],
    ) -> Explanation {
        let pattern = Pattern::new(incident, ranking);
        let mut likely_causes = pattern.causes();
        likely_causes.splice(0..0, ranking.into_iter().flat_map(|ranking| told(ranking, incident)));
        Explanation {
            summary: Self::summary(incident, ranking),
            why_flagged: peaks(incident).map(|peak| Self::why(incident, peak)).collect(),
            impact: Self::impact(incident),
            chain: chain::sentences(incident, chain),
            likely_causes,
            recommended_actions: pattern.actions(),
            confidence: incident.confidence(),
            confidence_rule: confidence_rule(incident),
            severity_evidence: severity_evidence(incident),
            line: Self::line(incident),
        }
    }

    /// The first anomalies of all entities that an incident lists, in order of time, then by name.
    ///
    /// Empty for an incident of a single entity. The chain says which entity became anomalous when and
    /// which services call each other. It is an order in time and no proof of a cause.
    pub fn chain(&self, incident: &Incident, context: &impl RankingContext) -> Vec<Link> {
        chain::links(incident, context)
    }

    fn summary(incident: &Incident, ranking: Option<&Ranking>) -> String {
        let mut changes: Vec<String> = peaks(incident).map(|peak| change(&peak.signal)).collect();
        if let Some((share, usual)) = failing(incident)
            && !incident.signals().any(|signal| *signal == Signal::ErrorRate)
        {
            let (share, usual) = (percent(share), percent(usual));
            changes.push(format!("error rate rose to {share} ({usual} expected)"));
        }
        let what = format!(
            "{}: {}, {} ({}).",
            named(&incident.entity),
            if changes.is_empty() { "flagged".to_owned() } else { list(&changes) },
            span(incident.start, incident.end, incident.step),
            Self::rows(incident),
        );
        match ranking.and_then(|ranking| ranking.culprits.first()) {
            Some(first) if first.entity == incident.entity && first.score >= 1.0 => {
                format!("{what} Nothing else was flagged around that time.")
            }
            Some(first) if first.score.is_finite() => {
                let whose = whose(&first.entity, &incident.entity);
                format!("{what} {whose} {} of the evidence around that time.", percent(first.score))
            }
            _ => what,
        }
    }

    fn rows(incident: &Incident) -> String {
        let unit = if incident.step == crate::time::MINUTE { "minute" } else { "step" };
        let length = incident.end.since(incident.start);
        let all = (length / incident.step.max(1)).max(0).unsigned_abs();
        match all.cmp(&incident.rows) {
            Ordering::Equal => format!("{}, all flagged", duration(length)),
            // its metrics come at steps of their own
            Ordering::Less => {
                format!("{}, {} flagged", duration(length), plural(incident.rows as f64, "row"))
            }
            Ordering::Greater => {
                format!("flagged in {} of {}", incident.rows, plural(all as f64, unit))
            }
        }
    }

    /// `At 10:53 UTC`.
    fn at(incident: &Incident, peak: &Peak) -> String {
        format!("At {}", moment(peak.at, incident.start, incident.end, incident.step))
    }

    fn why(incident: &Incident, peak: &Peak) -> String {
        let flagged = &peak.signal;
        if let Some(leaving) = flagged.drifting_for {
            return format!(
                "{} the {} had been leaving {} for {}: it was {} (z {}).",
                Self::at(incident, peak),
                name(&flagged.signal),
                quantity(&flagged.signal, flagged.expected),
                duration(leaving),
                quantity(&flagged.signal, flagged.value),
                number(flagged.z, 1),
            );
        }
        format!(
            "{} the {} was {}; {} was expected (z {}, {}{}).",
            Self::at(incident, peak),
            name(&flagged.signal),
            quantity(&flagged.signal, flagged.value),
            bound(flagged),
            number(flagged.z, 1),
            likelihood(flagged.neg_log10_p),
            Self::together(incident, peak),
        )
    }

    /// Signals that have one evidence in one row have it together; else it is of the rows before too
    /// where a value does not have it alone.
    fn together(incident: &Incident, peak: &Peak) -> String {
        let FlaggedSignal { signal, neg_log10_p, .. } = &peak.signal;
        let beside = |other: &&Peak| {
            let same = other.signal.neg_log10_p.to_bits() == neg_log10_p.to_bits();
            other.at == peak.at && other.signal.signal != *signal && same && *neg_log10_p < 300.0
        };
        let names: Vec<_> =
            peaks(incident).filter(beside).map(|other| name(&other.signal.signal)).collect();
        if names.is_empty() {
            let before = if says_alone(&peak.signal) { "" } else { " with those before it" };
            before.to_owned()
        } else {
            format!(" together with the {}", names.join(" and the "))
        }
    }

    fn line(incident: &Incident) -> String {
        let what = peaks(incident).next().map_or_else(
            || "flagged".to_owned(),
            |peak| {
                let FlaggedSignal { signal, value, expected, drifting_for: leaving, .. } =
                    &peak.signal;
                let usual = match leaving {
                    Some(leaving) => {
                        format!(
                            "leaving {} for {}",
                            quantity(signal, *expected),
                            duration(*leaving)
                        )
                    }
                    None => format!("{} expected", bound(&peak.signal)),
                };
                format!("{} {} ({usual})", name(signal), quantity(signal, *value))
            },
        );
        let failed = failing(incident)
            .map_or_else(String::new, |(share, _)| format!(", {} failed", percent(share)));
        format!(
            "[{}] {}: {what}{failed}, {}, {}",
            incident.severity.as_str(),
            named(&incident.entity),
            span(incident.start, incident.end, incident.step),
            plural(incident.rows as f64, "row"),
        )
    }

    fn impact(incident: &Incident) -> Vec<String> {
        let mut out: Vec<String> = failures(incident).into_iter().collect();
        let find = |signal: Signal| peaks(incident).find(|peak| peak.signal.signal == signal);
        let slow = |signal: Signal| find(signal).filter(|peak| peak.signal.z > 0.0);
        let p50 = slow(Signal::P50Latency).map(|peak| (peak, "half of the requests"));
        let p95 = || slow(Signal::P95Latency).map(|peak| (peak, "the slowest twentieth"));
        if let Some((peak, who)) = p50.or_else(p95) {
            out.push(format!(
                "{} {who} took {} or longer; {} is usual.",
                Self::at(incident, peak),
                milliseconds(peak.signal.value),
                milliseconds(peak.signal.expected),
            ));
        }
        if let Some(peak) = find(Signal::RequestCount).filter(|peak| peak.signal.z < 0.0) {
            out.push(format!(
                "{} about {} expected {} did not come.",
                Self::at(incident, peak),
                number((peak.signal.expected - peak.signal.value).max(0.0), 0),
                if peak.signal.expected - peak.signal.value < 1.5 { "request" } else { "requests" },
            ));
        }
        out.extend(budgets(incident));
        out.extend(came_back(incident));
        out.extend(reached(incident));
        out
    }
}

/// `It ended at 10:48 UTC and came back at 10:56 UTC, 2 times so far.`
fn came_back(incident: &Incident) -> Option<String> {
    let (ended, back) = incident.quiet?;
    let when = |time| moment(time, incident.start, incident.end, incident.step);
    let often = match incident.reopened {
        0 | 1 => String::new(),
        times => format!(", the last of {times} times"),
    };
    Some(format!(
        "It ended at {} and came back at {}, {} later{often}.",
        when(ended),
        when(back),
        duration(back.since(ended)),
    ))
}

/// `2 others became anomalous too: cart /add from 10:44 UTC and mail /send from 10:45 UTC.`
fn reached(incident: &Incident) -> Option<String> {
    let named_at = |member: &Member| {
        let at = moment(member.start, incident.start, incident.end, incident.step);
        format!("{} from {at}", named(&member.entity))
    };
    let mut names: Vec<String> = incident.members.iter().take(MOST_NAMED).map(named_at).collect();
    let more = incident.reached.saturating_sub(names.len() as u64);
    if more > 0 {
        names.push(format!("{} more", number(more as f64, 0)));
    }
    let others = plural(incident.reached as f64, "other");
    (incident.reached > 0).then(|| format!("{others} became anomalous too: {}.", list(&names)))
}

/// What the first of a ranking had done to it, and whom the incident's own entity waits for.
fn told(ranking: &Ranking, incident: &Incident) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(first) = ranking.culprits.first()
        && let Some(change) = &first.change
    {
        let what = [&change.name, &change.version].map(|word| one_line(word));
        let what: Vec<String> = what.into_iter().filter(|word| !word.is_empty()).collect();
        let what = if what.is_empty() { String::new() } else { format!(" ({})", what.join(" ")) };
        out.push(format!(
            "A change of {}: {}{what} at {}, {} before the end of its first anomalous {}.",
            one_line(&change.service),
            one_line(&change.kind),
            date_clock(change.at, incident.step),
            duration(first.onset.plus(incident.step).since(change.at)),
            if incident.step == crate::time::MINUTE { "minute" } else { "step" },
        ));
    }
    let service = one_line(&incident.entity.service);
    let own = ranking.culprits.iter().find(|culprit| culprit.entity == incident.entity);
    if let Some(callee) = own.and_then(|own| own.explained_by.as_ref()) {
        let callee = one_line(callee);
        out.push(format!("{callee}, which {service} calls: its anomalies began no later."));
    }
    if let Some(callee) = own.and_then(|own| own.slow_calls_to.as_ref()) {
        out.push(format!(
            "What lies between {service} and {}: calls took longer on their way, no later.",
            one_line(callee),
        ));
    }
    if let Some(NotCalled { caller, because_of }) = own.and_then(|own| own.not_called.as_ref()) {
        let (caller, because_of) = (one_line(caller), one_line(because_of));
        out.push(format!(
            "Calls of {service} that were never made: {because_of}, which {caller} calls too, went \
             bad no later.",
        ));
    }
    out
}

/// Whose part of the evidence is told, and in what relation to the incident.
fn whose(first: &Entity, own: &Entity) -> String {
    if first == own {
        "It holds".to_owned()
    } else {
        format!("{} comes first in the ranking, with", named(first))
    }
}

/// Nothing for an incident of metrics alone.
fn failures(incident: &Incident) -> Option<String> {
    if incident.requests == 0 {
        return None;
    }
    let requests = plural(incident.requests as f64, "request");
    if incident.errors == 0 {
        return Some(format!("No request failed in the flagged time ({requests})."));
    }
    let rate = incident.error_rate();
    let share = match failing(incident) {
        Some((share, usual)) => format!(" ({}; {} is usual)", percent(share), percent(usual)),
        None if rate.is_finite() => format!(" ({})", percent(rate)),
        None => String::new(),
    };
    let failed = number(incident.errors as f64, 0);
    Some(format!("{failed} of {requests} in the flagged time failed{share}."))
}

fn confidence_rule(incident: &Incident) -> String {
    format!(
        "{} flagged, the strongest {}; High needs 3 rows and 1 in 10^8, Medium 2 rows or 1 in 10^6.",
        plural(incident.rows as f64, "row"),
        likelihood(incident.neg_log10_p),
    )
}

/// `median latency 3,260 ms against 265 ms expected, flagged in 9 rows`.
pub(crate) fn evidence_text(evidence: &Evidence) -> String {
    format!(
        "{} {} against {} expected, flagged in {}",
        name(&evidence.signal),
        quantity(&evidence.signal, evidence.value),
        quantity(&evidence.signal, evidence.expected),
        plural(evidence.rows as f64, "row"),
    )
}

/// `a, b and c`.
fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
