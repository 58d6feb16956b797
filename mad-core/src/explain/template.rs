//! The explainer: sentences that take every number from the evidence of an incident.
//!
//! The file is longer than others because one type writes all sections of an
//! explanation from the same evidence.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::budgets::{budgets, severity_evidence};
use super::causes::Pattern;
use super::chain::{self, Link};
use super::explanation::Explanation;
use super::findings::{checks, first_failure, root_cause};
use super::front_door::FrontDoor;
use super::log_evidence::log_evidence;
use super::phrases::{
    SLOWEST, against, against_errors, change, failing, list, peaks, slow_change, slow_requests,
    statuses, usual_of, without_response,
};
use super::rules;
use super::standout::standout;
use super::words::{
    date_clock, describe_signal, duration, format_value, is_outside_alone, likelihood,
    milliseconds, moment, named, number, one_line, percent, plural, span,
};
use crate::config::CauseRule;
use crate::culprit::{Evidence, NotCalled, Ranking, RankingContext};
use crate::history::FlaggedSignal;
use crate::incident::{Incident, Member, Peak};
use crate::series::Signal;
use crate::time::{Timestamp, nanos_of};

/// Explains incidents with sentence templates.
///
/// Every number comes from the evidence of the incident, and a sentence without evidence is left out.
/// Each text quotes one usual value of a signal: the value expected in the row of its peak. Names are
/// written on one line with control characters escaped.
///
/// # Examples
///
/// ```
/// use mad_core::{Pipeline, PipelineConfig, Request, TemplateExplainer, Timestamp};
///
/// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
/// let requests: Vec<Request<'_>> = (0..3_600_i64)
///     .map(|second| {
///         let ms = if second >= 3_000 { 2_000.0 } else { 100.0 + (second * 37 % 50) as f64 };
///         Request::new(Timestamp::from_seconds(second), "payments", "/pay", 200, ms)
///     })
///     .collect();
/// pipeline.ingest(requests);
/// pipeline.finish();
/// let incident = pipeline.incidents()[0];
/// let explanation = TemplateExplainer.explain(incident, None);
/// assert!(explanation.summary.starts_with("payments /pay: median latency reached 2,000 ms"));
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateExplainer;

/// Largest number of other entities that are named; further ones are counted.
const MAX_NAMED: usize = 3;
/// Largest number of changes of the first culprit that are listed.
const MAX_CHANGES: usize = 5;
/// Largest number of recommended actions, and of likely causes beside those of the ranking.
const MAX_ITEMS: usize = 5;

impl TemplateExplainer {
    /// Explains an incident. `ranking` is the ranking at its end.
    pub fn explain(&self, incident: &Incident, ranking: Option<&Ranking>) -> Explanation {
        self.explain_with(incident, ranking, &[], &FrontDoor::of_lead(incident), None, &[])
    }

    /// Explains an incident with its propagation [`chain`](Self::chain) and the
    /// [`front_door`](Self::front_door), where its impact is counted. `known_since` is the start of the
    /// first row of its entity, so that the text can say what a short past does not show. `rules` name
    /// further causes before the shipped ones do.
    pub fn explain_with(
        &self,
        incident: &Incident,
        ranking: Option<&Ranking>,
        chain: &[Link],
        front_door: &FrontDoor,
        known_since: Option<Timestamp>,
        rules: &[CauseRule],
    ) -> Explanation {
        let pattern = Pattern::new(incident, ranking);
        let service = one_line(&pattern.entity().service);
        let first = ranking.and_then(|ranking| ranking.culprits.first());
        let is_first = first.is_none_or(|first| first.entity == *pattern.entity());
        let found = standout(incident, pattern.entity()).filter(|_| is_first);
        let culprit = first.filter(|first| first.entity.service == pattern.entity().service);
        let template = culprit.and_then(|culprit| culprit.log.as_ref());
        let template = template.filter(|log| log.lines > 0 && log.ratio() > 1.0);
        let changed = culprit.is_some_and(|culprit| !culprit.changes.is_empty());
        let facts = pattern.facts(changed, template.map(|log| &*log.template));
        let (causes, actions) = rules::said(rules, &facts);
        let ranked = ranking.into_iter().flat_map(|ranking| causes_of(ranking, incident));
        let suggested = causes.into_iter().chain(pattern.causes()).take(MAX_ITEMS);
        let likely_causes = ranked.chain(suggested).collect();
        let mut recommended_actions = pattern.actions();
        let specific = found.iter().map(|standout| standout.action(&service)).chain(actions);
        let place = usize::from(pattern.leads_to_another());
        recommended_actions.splice(place..place, specific);
        recommended_actions.truncate(MAX_ITEMS);
        Explanation {
            summary: Self::summary(incident, ranking),
            root_cause: root_cause(ranking, &pattern, found.as_ref()),
            first_failure: first_failure(incident, chain),
            why_flagged: peaks(incident).map(|peak| Self::why(incident, peak)).collect(),
            log_evidence: log_evidence(ranking),
            impact: Self::impact(incident, front_door),
            chain: chain::sentences(incident, chain),
            likely_causes,
            recommended_actions,
            checks: checks(incident, ranking, pattern.entity(), known_since),
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

    /// Where the requests of an incident enter, by the calls that `context` knows: the affected entities
    /// that no other affected service calls.
    pub fn front_door(&self, incident: &Incident, context: &impl RankingContext) -> FrontDoor {
        FrontDoor::of(incident, context)
    }

    fn summary(incident: &Incident, ranking: Option<&Ranking>) -> String {
        let first = peaks(incident).next();
        let failed = failing(incident)
            .filter(|_| !incident.signals().any(|signal| *signal == Signal::ErrorRate));
        let what = match (first, failed) {
            (Some(peak), _) => change(peak),
            (None, Some((share, usual))) => {
                format!("error rate was {} ({})", percent(share), against_errors(incident, usual))
            }
            (None, None) => "flagged".to_owned(),
        };
        let mut sentences = vec![format!(
            "{}: {what}, {} ({}).",
            named(&incident.entity),
            span(incident.start, incident.end, incident.step),
            Self::rows(incident),
        )];
        // the other signals with their values; their usual values are in `why_flagged`
        let others: Vec<String> = peaks(incident).skip(1).map(|peak| value(&peak.signal)).collect();
        if !others.is_empty() {
            sentences.push(format!("Also anomalous: {}.", list(&others)));
        }
        // an error rate that was not flagged by itself
        if let (Some(_), Some((share, _))) = (first, failed) {
            sentences.push(format!("The error rate was {}.", percent(share)));
        }
        let culprits = ranking.map_or(&[][..], |ranking| &ranking.culprits);
        match culprits.first() {
            // a member can have been anomalous before the time of the ranking
            Some(first)
                if first.entity == incident.entity
                    && first.score >= 1.0
                    && incident.reached == 0 =>
            {
                sentences.push("Nothing else was flagged around that time.".to_owned());
            }
            Some(first) if first.score.is_finite() => sentences.push(format!(
                "{} ranks first{}.",
                named(&first.entity),
                match culprits.len() {
                    1 => String::new(),
                    some => format!(
                        " of {} entities with anomalies around that time",
                        number(some as f64, 0)
                    ),
                },
            )),
            _ => {}
        }
        sentences.join(" ")
    }

    /// `9 minutes, all flagged`, or how many rows or steps were flagged.
    fn rows(incident: &Incident) -> String {
        let length = incident.end.since(incident.start);
        let steps = (length / nanos_of(incident.step).max(1)).max(0).unsigned_abs();
        let unit = if incident.steps_differ || steps < incident.rows {
            "row"
        } else if steps == incident.rows {
            return format!("{}, all flagged", duration(length));
        } else {
            step_unit(incident)
        };
        format!("{} flagged", plural(incident.rows as f64, unit))
    }

    /// `At 10:53 UTC`.
    fn at(incident: &Incident, peak: &Peak) -> String {
        format!("At {}", moment(peak.at, incident.start, incident.end, incident.step))
    }

    fn why(incident: &Incident, peak: &Peak) -> String {
        let flagged = &peak.signal;
        let (at, name) = (Self::at(incident, peak), describe_signal(&flagged.signal));
        if let Some(slow) = slow_change(peak) {
            return format!("{at} the {name} had {slow}.");
        }
        let what = slow_requests(flagged).unwrap_or_else(|| {
            format!("the {name} was {}", format_value(&flagged.signal, flagged.value))
        });
        if !peak.is_flagged {
            // the highest value is in a row that has too few requests or too weak a deviation
            return format!(
                "{at} {what} ({}). Its least likely value was {}.",
                against(peak),
                likelihood(peak.neg_log10_p),
            );
        }
        format!(
            "{at} {what} ({}), {}{}.",
            against(peak),
            likelihood(flagged.neg_log10_p),
            Self::together(incident, peak),
        )
    }

    /// Names the signals or rows that share the evidence of a peak.
    ///
    /// Signals with the same evidence in the same row were combined. Otherwise, a value inside its
    /// range was flagged together with the rows before it.
    fn together(incident: &Incident, peak: &Peak) -> String {
        let FlaggedSignal { signal, neg_log10_p, .. } = &peak.signal;
        let combined = |other: &&Peak| {
            let same = other.signal.neg_log10_p.to_bits() == neg_log10_p.to_bits();
            other.at == peak.at && other.signal.signal != *signal && same && *neg_log10_p < 300.0
        };
        let names: Vec<_> = peaks(incident)
            .filter(combined)
            .map(|other| describe_signal(&other.signal.signal))
            .collect();
        if !names.is_empty() {
            format!(" together with the {}", names.join(" and the "))
        } else if is_outside_alone(&peak.signal) {
            String::new()
        } else {
            " together with the rows before it".to_owned()
        }
    }

    fn line(incident: &Incident) -> String {
        let what = peaks(incident).next().map_or_else(
            || "flagged".to_owned(),
            |peak| {
                let flagged = &peak.signal;
                let against = slow_change(peak).unwrap_or_else(|| against(peak));
                format!("{} ({against})", value(flagged))
            },
        );
        let failed = failing(incident)
            .map_or_else(String::new, |(share, _)| format!(", {} failed", percent(share)));
        format!(
            "[{}] {}: {what}{failed}, {}",
            incident.severity.as_str(),
            named(&incident.entity),
            span(incident.start, incident.end, incident.step),
        )
    }

    fn impact(incident: &Incident, front_door: &FrontDoor) -> Vec<String> {
        let mut out = if front_door.is_lead(incident) {
            Self::own_impact(incident)
        } else {
            front_door.sentences(incident)
        };
        out.extend(budgets(incident, front_door));
        out.extend(reopened(incident));
        out.extend(flapping(incident));
        out.extend(members(incident));
        out
    }

    /// What happened to the requests of the entity that opened the incident.
    fn own_impact(incident: &Incident) -> Vec<String> {
        let mut out: Vec<String> = failures(incident).into_iter().collect();
        out.extend(statuses(&incident.statuses));
        let find = |signal: Signal| peaks(incident).find(|peak| peak.signal.signal == signal);
        let slow = |signal: Signal| find(signal).filter(|peak| peak.signal.z > 0.0);
        let p50 = slow(Signal::P50Latency).map(|peak| (peak, "half of the requests"));
        let p95 = || slow(Signal::P95Latency).map(|peak| (peak, SLOWEST));
        if let Some((peak, who)) = p50.or_else(p95) {
            out.push(format!(
                "{} {who} took {} or longer (usual {}).",
                Self::at(incident, peak),
                milliseconds(peak.signal.value),
                milliseconds(usual_of(peak)),
            ));
        }
        if let Some(peak) = find(Signal::RequestCount).filter(|peak| peak.signal.z < 0.0) {
            let missing = (usual_of(peak) - peak.signal.value).max(0.0).round();
            out.push(format!(
                "{} about {} fewer than usual arrived.",
                Self::at(incident, peak),
                plural(missing, "request"),
            ));
        }
        out
    }
}

/// `It ended at 10:48 UTC and reopened at 10:56 UTC, 8 minutes later.`
fn reopened(incident: &Incident) -> Option<String> {
    let (ended, back) = incident.quiet?;
    let when = |time| moment(time, incident.start, incident.end, incident.step);
    let often = match incident.reopened {
        0 | 1 => String::new(),
        times => format!(" It has reopened {times} times."),
    };
    Some(format!(
        "It ended at {} and reopened at {}, {} later.{often}",
        when(ended),
        when(back),
        duration(back.since(ended)),
    ))
}

/// `It is flapping: the same fault occurred 5 times, with up to 15 minutes between.`
fn flapping(incident: &Incident) -> Option<String> {
    let times = incident.recurred + incident.reopened + 1;
    incident.is_flapping().then(|| {
        format!(
            "It is flapping: the same fault occurred {} times or more, with up to {} between.",
            number(times as f64, 0),
            duration(nanos_of(incident.longest_quiet)),
        )
    })
}

/// `2 other entities became anomalous: cart /add at 10:44 UTC and mail /send at 10:45 UTC.`
fn members(incident: &Incident) -> Option<String> {
    let named_at = |member: &Member| {
        let at = moment(member.start, incident.start, incident.end, incident.step);
        format!("{} at {at}", named(&member.entity))
    };
    let mut names: Vec<String> = incident.members.iter().take(MAX_NAMED).map(named_at).collect();
    let more = incident.reached.saturating_sub(names.len() as u64);
    if more > 0 {
        names.push(format!("{} more", number(more as f64, 0)));
    }
    let entities = if incident.reached == 1 { "entity" } else { "entities" };
    let count = number(incident.reached as f64, 0);
    let why = if incident.by_time {
        " They are grouped because their faults began at the same time; no calls between all of \
         their services are known."
    } else {
        ""
    };
    (incident.reached > 0)
        .then(|| format!("{count} other {entities} became anomalous: {}.{why}", list(&names)))
}

/// Causes from a ranking: the changes of its first culprit, and the callees of the incident's own entity.
fn causes_of(ranking: &Ranking, incident: &Incident) -> Vec<String> {
    let mut out = Vec::new();
    let changes = ranking.culprits.first().into_iter();
    let changes = changes.flat_map(|one| one.changes.iter().map(move |change| (one, change)));
    for (first, change) in changes.take(MAX_CHANGES) {
        let what = [&change.name, &change.version].map(|word| one_line(word));
        let what: Vec<String> = what.into_iter().filter(|word| !word.is_empty()).collect();
        let what = if what.is_empty() { String::new() } else { format!(" ({})", what.join(" ")) };
        out.push(format!(
            "A change of {}: {}{what} at {}, {} its first anomalous {}.",
            one_line(&change.service),
            one_line(&change.kind),
            date_clock(change.at, incident.step),
            match first.onset.since(change.at) {
                ..=0 => "within".to_owned(),
                before => format!("{} before", duration(before)),
            },
            step_unit(incident),
        ));
    }
    let service = one_line(&incident.entity.service);
    let own = ranking.culprits.iter().find(|culprit| culprit.entity == incident.entity);
    let explaining = own.and_then(|own| own.explained_by.as_ref());
    let first = ranking.culprits.first().map(|first| &first.entity.service);
    // where the callee is not the culprit either, the causes of the culprit say more
    if let Some(callee) = explaining.filter(|callee| first == Some(*callee)) {
        let callee = one_line(callee);
        // within one step the order of their beginnings is not known
        out.push(format!(
            "{callee}, which {service} calls and whose anomalies began at most one {} later.",
            step_unit(incident),
        ));
    }
    if let Some(callee) = own.and_then(|own| own.slow_calls_to.as_ref()) {
        out.push(format!(
            "The network between {service} and {}: calls spent longer in it, beginning no later.",
            one_line(callee),
        ));
    }
    if let Some(NotCalled { caller, because_of }) = own.and_then(|own| own.not_called.as_ref()) {
        let (caller, because_of) = (one_line(caller), one_line(because_of));
        out.push(format!(
            "Calls to {service} that were never made, because {caller} failed with its calls to \
             {because_of} no later.",
        ));
    }
    out
}

/// `95th-percentile latency 3,260 ms`.
fn value(flagged: &FlaggedSignal) -> String {
    if let Some(slow) = slow_requests(flagged) {
        return slow;
    }
    let name = describe_signal(&flagged.signal);
    format!("{name} {}", format_value(&flagged.signal, flagged.value))
}

/// The noun for a step of the incident.
fn step_unit(incident: &Incident) -> &'static str {
    if incident.step == Duration::from_secs(60) { "minute" } else { "step" }
}

/// The failed requests of the flagged rows; `None` for an incident of metrics.
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
        Some((share, usual)) => {
            let against = against_errors(incident, usual);
            format!(" The error rate was {} ({against}).", percent(share))
        }
        None if rate.is_finite() => format!(" The error rate was {}.", percent(rate)),
        None => String::new(),
    };
    let failed = number(incident.errors as f64, 0);
    let silent = without_response(incident.no_response, incident.errors);
    Some(format!("{failed} of {requests} failed in the flagged time{silent}.{share}"))
}

fn confidence_rule(incident: &Incident) -> String {
    // the evidence of a series adds up over rows; that of requests stands in each row
    let of_members = incident.members.iter().flat_map(|member| &member.peaks);
    let mut all = incident.peaks.iter().chain(of_members);
    let adds_up = all.any(|peak| peak.signal.signal.request().is_none());
    format!(
        "{} flagged, the strongest {}{}. High needs 3 rows and 1 in 10^8. Medium needs 2 rows or \
         1 in 10^6.",
        match incident.rows {
            1 => "1 row was".to_owned(),
            rows => format!("{} rows were", number(rows as f64, 0)),
        },
        likelihood(incident.neg_log10_p),
        if adds_up { ", alone or with the rows before it" } else { "" },
    )
}

/// `median latency 3,260 ms (usual 265 ms), flagged in 9 rows`.
pub(crate) fn evidence_text(evidence: &Evidence) -> String {
    format!(
        "{} {} (usual {}), flagged in {}",
        describe_signal(&evidence.signal),
        format_value(&evidence.signal, evidence.value),
        format_value(&evidence.signal, evidence.usual),
        plural(evidence.rows as f64, "row"),
    )
}
