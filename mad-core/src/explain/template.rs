//! The explainer: sentences that take every number from the evidence of an incident.
//!
//! The file is longer than others because one type writes all sections of an
//! explanation from the same evidence.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::budgets::{budgets, severity_evidence};
use super::catalogue::Catalogue;
use super::causes::Pattern;
use super::chain::{self, Link};
use super::explanation::Explanation;
use super::findings::{checks, first_failure, root_cause};
use super::front_door::FrontDoor;
use super::log_evidence::log_evidence;
use super::messages::{self, cause, count, impact, summary, why};
use super::phrase::Phrase;
use super::phrases::{
    Slow, against, against_errors, change, failing, list, named_value, peaks, slow_change,
    slow_requests, some_named, statuses, usual_of,
};
use super::rules;
use super::standout::standout;
use super::words::{
    self, date_clock, duration, is_outside_alone, likelihood, milliseconds, moment, named, number,
    one_line, percent, signal_phrase, span, value_phrase,
};
use crate::config::CauseRule;
use crate::culprit::{Evidence, NotCalled, Ranking, RankingContext};
use crate::guard::Severity;
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
        self.explain_in(incident, ranking, Catalogue::english())
    }

    /// Explains an incident in the language of a catalogue.
    pub fn explain_in(
        &self,
        incident: &Incident,
        ranking: Option<&Ranking>,
        catalogue: &Catalogue,
    ) -> Explanation {
        let front_door = FrontDoor::of_lead(incident);
        self.explain_with(incident, ranking, &[], &front_door, None, &[]).in_language(catalogue)
    }

    /// Explains an incident with its propagation [`chain`](Self::chain) and the
    /// [`front_door`](Self::front_door), where its impact is counted. `known_since` is the start of the
    /// first row of its entity, so that the text can say what a short past does not show. `rules` name
    /// further causes before the shipped ones do. The texts can be written in any language.
    pub fn explain_with(
        &self,
        incident: &Incident,
        ranking: Option<&Ranking>,
        chain: &[Link],
        front_door: &FrontDoor,
        known_since: Option<Timestamp>,
        rules: &[CauseRule],
    ) -> Explanation<Phrase> {
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

    fn summary(incident: &Incident, ranking: Option<&Ranking>) -> Phrase {
        let first = peaks(incident).next();
        let failed = failing(incident)
            .filter(|_| !incident.signals().any(|signal| *signal == Signal::ErrorRate));
        let what = match (first, failed) {
            (Some(peak), _) => change(peak),
            (None, Some((share, usual))) => {
                summary::errors(percent(share), against_errors(incident, usual))
            }
            (None, None) => messages::change::flagged(),
        };
        let when = span(incident.start, incident.end, incident.step);
        let entity = named(&incident.entity);
        let mut sentences = vec![summary::whole(entity, what, when, Self::rows(incident))];
        // the other signals with their values; their usual values are in `why_flagged`
        let others: Vec<Phrase> = peaks(incident).skip(1).map(|peak| value(&peak.signal)).collect();
        if !others.is_empty() {
            sentences.push(summary::also(list(others)));
        }
        // an error rate that was not flagged by itself
        if let (Some(_), Some((share, _))) = (first, failed) {
            sentences.push(impact::rate(percent(share)));
        }
        let culprits = ranking.map_or(&[][..], |ranking| &ranking.culprits);
        match culprits.first() {
            // a member can have been anomalous before the time of the ranking
            Some(first)
                if first.entity == incident.entity
                    && first.score >= 1.0
                    && incident.reached == 0 =>
            {
                sentences.push(summary::alone());
            }
            Some(first) if first.score.is_finite() => sentences.push(match culprits.len() {
                1 => summary::first(named(&first.entity)),
                some => summary::first_of(named(&first.entity), number(some as f64, 0)),
            }),
            _ => {}
        }
        Phrase::Sentences(sentences)
    }

    /// `9 minutes, all flagged`, or how many rows or steps were flagged.
    fn rows(incident: &Incident) -> Phrase {
        let length = incident.end.since(incident.start);
        let steps = (length / nanos_of(incident.step).max(1)).max(0).unsigned_abs();
        let rows = words::count(incident.rows as f64);
        if incident.steps_differ || steps < incident.rows {
            summary::some_flagged(count::row(rows))
        } else if steps == incident.rows {
            summary::all_flagged(duration(length))
        } else if is_of_minutes(incident) {
            summary::some_flagged(count::minute(rows))
        } else {
            summary::some_flagged(count::step(rows))
        }
    }

    /// `10:53 UTC`.
    fn at(incident: &Incident, peak: &Peak) -> String {
        moment(peak.at, incident.start, incident.end, incident.step)
    }

    fn why(incident: &Incident, peak: &Peak) -> Phrase {
        let flagged = &peak.signal;
        let at = Self::at(incident, peak);
        let (name, value) = named_value(flagged);
        if let Some(Slow { from, to, time, falls }) = slow_change(peak) {
            let had: fn(_, _, _, _, _) -> _ = if falls { why::fallen } else { why::climbed };
            return had(at, name, from, to, time);
        }
        let what = slow_requests(flagged).unwrap_or_else(|| why::value(name, value));
        let against = against(peak);
        if !peak.is_flagged {
            // the highest value is in a row that has too few requests or too weak a deviation
            return why::extreme(at, what, against, likelihood(peak.neg_log10_p));
        }
        let chance = likelihood(flagged.neg_log10_p);
        let others = Self::combined(incident, peak);
        if !others.is_empty() {
            let join = messages::list::and_the;
            why::together(at, what, against, chance, Phrase::joined(others, join, join))
        } else if is_outside_alone(flagged) {
            why::alone(at, what, against, chance)
        } else {
            // a value inside its range was flagged together with the rows before it
            why::in_a_run(at, what, against, chance)
        }
    }

    /// Names the signals that share the evidence of a peak: those with the same evidence in the same row
    /// were combined.
    fn combined(incident: &Incident, peak: &Peak) -> Vec<Phrase> {
        let FlaggedSignal { signal, neg_log10_p, .. } = &peak.signal;
        let combined = |other: &&Peak| {
            let same = other.signal.neg_log10_p.to_bits() == neg_log10_p.to_bits();
            other.at == peak.at && other.signal.signal != *signal && same && *neg_log10_p < 300.0
        };
        let others = peaks(incident).filter(combined);
        others.map(|other| signal_phrase(&other.signal.signal)).collect()
    }

    fn line(incident: &Incident) -> Phrase {
        let what = peaks(incident).next().map_or_else(messages::change::flagged, |peak| {
            let against = match slow_change(peak) {
                Some(Slow { from, to, time, falls: true }) => {
                    messages::against::fallen(from, to, time)
                }
                Some(Slow { from, to, time, falls: false }) => {
                    messages::against::climbed(from, to, time)
                }
                None => against(peak),
            };
            messages::against::value(value(&peak.signal), against)
        });
        let severity = match incident.severity {
            Severity::Info => messages::severity::info(),
            Severity::Warning => messages::severity::warning(),
            Severity::Critical => messages::severity::critical(),
        };
        let entity = named(&incident.entity);
        let when = span(incident.start, incident.end, incident.step);
        match failing(incident) {
            Some((share, _)) => {
                messages::line::failed(severity, entity, what, percent(share), when)
            }
            None => messages::line::whole(severity, entity, what, when),
        }
    }

    fn impact(incident: &Incident, front_door: &FrontDoor) -> Vec<Phrase> {
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
    fn own_impact(incident: &Incident) -> Vec<Phrase> {
        let mut out: Vec<Phrase> = failures(incident).into_iter().collect();
        out.extend(statuses(&incident.statuses));
        let find = |signal: Signal| peaks(incident).find(|peak| peak.signal.signal == signal);
        let slow = |signal: Signal| find(signal).filter(|peak| peak.signal.z > 0.0);
        let half = slow(Signal::P50Latency);
        if let Some(peak) = half.or_else(|| slow(Signal::P95Latency)) {
            let text: fn(_, _, _) -> _ =
                if half.is_some() { impact::half } else { impact::slowest };
            let usual = milliseconds(usual_of(peak));
            out.push(text(Self::at(incident, peak), milliseconds(peak.signal.value), usual));
        }
        if let Some(peak) = find(Signal::RequestCount).filter(|peak| peak.signal.z < 0.0) {
            let missing = (usual_of(peak) - peak.signal.value).max(0.0).round();
            let missing = count::request(words::count(missing));
            out.push(impact::fewer(Self::at(incident, peak), missing));
        }
        out
    }
}

/// `It ended at 10:48 UTC and reopened at 10:56 UTC, 8 minutes later.`
fn reopened(incident: &Incident) -> Option<Phrase> {
    let (ended, back) = incident.quiet?;
    let when = |time| moment(time, incident.start, incident.end, incident.step);
    let once = impact::reopened(when(ended), when(back), duration(back.since(ended)));
    Some(match incident.reopened {
        0 | 1 => once,
        times => Phrase::Sentences(vec![once, impact::reopened_times(times.to_string())]),
    })
}

/// `It is flapping: the same fault occurred 5 times, with up to 15 minutes between.`
fn flapping(incident: &Incident) -> Option<Phrase> {
    let times = incident.recurred + incident.reopened + 1;
    incident.is_flapping().then(|| {
        let longest = duration(nanos_of(incident.longest_quiet));
        impact::flapping(number(times as f64, 0), longest)
    })
}

/// `2 other entities became anomalous: cart /add at 10:44 UTC and mail /send at 10:45 UTC.`
fn members(incident: &Incident) -> Option<Phrase> {
    if incident.reached == 0 {
        return None;
    }
    let named_at = |member: &Member| {
        let at = moment(member.start, incident.start, incident.end, incident.step);
        impact::entity(named(&member.entity), at)
    };
    let names: Vec<Phrase> = incident.members.iter().take(MAX_NAMED).map(named_at).collect();
    let names = some_named(names, incident.reached);
    let others = impact::others(number(incident.reached as f64, 0), names);
    Some(if incident.by_time { Phrase::Sentences(vec![others, impact::by_time()]) } else { others })
}

/// Causes from a ranking: the changes of its first culprit, and the callees of the incident's own entity.
fn causes_of(ranking: &Ranking, incident: &Incident) -> Vec<Phrase> {
    let mut out = Vec::new();
    let step = if is_of_minutes(incident) { messages::time::minute } else { messages::time::step };
    let changes = ranking.culprits.first().into_iter();
    let changes = changes.flat_map(|one| one.changes.iter().map(move |change| (one, change)));
    for (first, change) in changes.take(MAX_CHANGES) {
        let what = [&change.name, &change.version].map(|word| one_line(word));
        let what: Vec<String> = what.into_iter().filter(|word| !word.is_empty()).collect();
        let mut kind = one_line(&change.kind);
        if !what.is_empty() {
            kind = format!("{kind} ({})", what.join(" "));
        }
        let (service, at) = (one_line(&change.service), date_clock(change.at, incident.step));
        out.push(match first.onset.since(change.at) {
            ..=0 => cause::change_within(service, kind, at, step()),
            before => cause::change_before(service, kind, at, duration(before), step()),
        });
    }
    let service = &*one_line(&incident.entity.service);
    let own = ranking.culprits.iter().find(|culprit| culprit.entity == incident.entity);
    let explaining = own.and_then(|own| own.explained_by.as_ref());
    let first = ranking.culprits.first().map(|first| &first.entity.service);
    // where the callee is not the culprit either, the causes of the culprit say more
    if let Some(callee) = explaining.filter(|callee| first == Some(*callee)) {
        // within one step the order of their beginnings is not known
        out.push(cause::callee(one_line(callee), service, step()));
    }
    if let Some(callee) = own.and_then(|own| own.slow_calls_to.as_ref()) {
        out.push(cause::slow_calls(service, one_line(callee)));
    }
    if let Some(NotCalled { caller, because_of }) = own.and_then(|own| own.not_called.as_ref()) {
        out.push(cause::not_called(service, one_line(caller), one_line(because_of)));
    }
    out
}

/// `95th-percentile latency 3,260 ms`.
fn value(flagged: &FlaggedSignal) -> Phrase {
    slow_requests(flagged).unwrap_or_else(|| {
        let (name, value) = named_value(flagged);
        messages::against::signal(name, value)
    })
}

/// Whether the steps of an incident are minutes.
fn is_of_minutes(incident: &Incident) -> bool {
    incident.step == Duration::from_secs(60)
}

/// The failed requests of the flagged rows; `None` for an incident of metrics.
fn failures(incident: &Incident) -> Option<Phrase> {
    if incident.requests == 0 {
        return None;
    }
    let requests = count::request(words::count(incident.requests as f64));
    if incident.errors == 0 {
        return Some(impact::no_failure(requests));
    }
    let failed = number(incident.errors as f64, 0);
    let failures = match incident.no_response {
        0 => impact::failed(failed, requests),
        all if all == incident.errors => impact::failed_all_silent(failed, requests),
        some => impact::failed_silent(failed, requests, number(some as f64, 0)),
    };
    let rate = incident.error_rate();
    let share = match failing(incident) {
        Some((share, usual)) => impact::rate_usual(percent(share), against_errors(incident, usual)),
        None if rate.is_finite() => impact::rate(percent(rate)),
        None => return Some(failures),
    };
    Some(Phrase::Sentences(vec![failures, share]))
}

fn confidence_rule(incident: &Incident) -> Phrase {
    // the evidence of a series adds up over rows; that of requests stands in each row
    let of_members = incident.members.iter().flat_map(|member| &member.peaks);
    let mut all = incident.peaks.iter().chain(of_members);
    let adds_up = all.any(|peak| peak.signal.signal.request().is_none());
    let rule: fn(_, _) -> _ =
        if adds_up { messages::confidence::rule_of_runs } else { messages::confidence::rule };
    rule(number(incident.rows as f64, 0), likelihood(incident.neg_log10_p))
}

/// `median latency 3,260 ms (usual 265 ms), flagged in 9 rows`.
pub(crate) fn evidence_phrase(evidence: &Evidence) -> Phrase {
    messages::evidence::value(
        signal_phrase(&evidence.signal),
        value_phrase(&evidence.signal, evidence.value),
        value_phrase(&evidence.signal, evidence.usual),
        count::row(words::count(evidence.rows as f64)),
    )
}
