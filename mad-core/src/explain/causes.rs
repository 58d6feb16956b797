//! Likely causes and recommended actions by the pattern of flagged signals.

use std::time::Duration;

use super::messages::{self, action, cause, cause_status};
use super::phrase::Phrase;
use super::phrases::{against, against_errors, change, failing, is_complete, peaks, usual_of};
use super::rules::Facts;
use super::words::{
    count, date_clock, milliseconds, named, number, one_line, percent, quoted, value_phrase,
};
use crate::config::Symptom;
use crate::culprit::{Culprit, Evidence, Ranking};
use crate::history::FlaggedSignal;
use crate::incident::{Incident, Peak};
use crate::series::{
    CALLS_TO, Entity, LOG_WARNINGS, MISSING_SPANS, NETWORK_GAP, SILENCE, Signal, counts_lines,
    log_template_of,
};
use crate::telemetry::Status;

/// Largest number of causes, and of actions.
const MAX_ITEMS: usize = 5;

/// A kind of endpoint: words in its name, and a hint.
type Kind = (&'static [&'static str], fn() -> Phrase);

/// Words in names of endpoints, and the hint at the usual dependencies of such endpoints.
const KINDS: [Kind; 4] = [
    (
        &["pay", "payment", "payments", "refund", "refunds", "billing", "charge", "charges"],
        messages::hint::payment,
    ),
    (
        &["login", "auth", "authentication", "verify", "token", "tokens", "session", "sessions"],
        messages::hint::authentication,
    ),
    (&["search", "query", "suggest"], messages::hint::search),
    (&["cart", "checkout", "order", "orders"], messages::hint::ordering),
];

/// The entity that causes and actions speak of, and its flagged signals by kind: the first culprit
/// of the ranking, or the entity that opened the incident. Latency and errors count if they rose.
pub(super) struct Pattern {
    entity: Entity,
    service: String,
    /// Start of its anomalies: `2026-01-06 10:45 UTC`.
    since: String,
    peaks: Vec<Peak>,
    latency: Option<Peak>,
    /// Share of failed requests and what it is compared with: `usual 2 %`.
    errors: Option<(f64, Phrase)>,
    /// Share of the requests that the service refused or redirected, with the most frequent such
    /// status.
    refused: Option<(Peak, Option<Status>)>,
    traffic: Option<Peak>,
    /// The metric with the strongest evidence.
    metric: Option<Peak>,
    /// Missing spans, unless another service explains why there were no calls.
    spans: Option<Peak>,
    /// The callee of a call edge and its network time.
    network: Option<(String, Peak)>,
    /// The time without requests.
    silence: Option<Peak>,
    /// Error or warning lines.
    lines: Option<Peak>,
    /// The lines of one template of the log, and the template.
    template: Option<(Peak, String)>,
    /// The length of a step: `minute`.
    step: Phrase,
    /// What to look at in the service of the first culprit, if that is another one.
    culprit: Option<Phrase>,
}

/// `Start with store /get, anomalous since 2026-01-06 10:44 UTC: its errors, releases and
/// dependencies.`; `None` if the first culprit belongs to the service of the incident.
fn culprit_action(ranking: &Ranking, incident: &Incident) -> Option<Phrase> {
    let first = ranking.culprits.first()?;
    if first.entity.service == incident.entity.service || !first.score.is_finite() {
        return None;
    }
    let start: fn(_, _) -> _ = match first.metric.as_str() {
        SILENCE => action::start_silent,
        NETWORK_GAP => action::start_network,
        _ => action::start,
    };
    Some(start(named(&first.entity), date_clock(first.onset, incident.step)))
}

/// Why a service refuses or redirects requests, by the most frequent status (RFC 9110, section 15).
fn refusal(status: Option<Status>, change: Phrase) -> Phrase {
    match status {
        Some(Status::Http(401 | 403 | 407)) => cause_status::refused(change),
        Some(Status::Http(404 | 405 | 410)) => cause_status::not_found(change),
        Some(Status::Http(429)) => cause_status::rate_limit(change),
        Some(Status::Http(408 | 499)) => cause_status::given_up(change),
        Some(Status::Http(400 | 406 | 409 | 411..=428)) => cause_status::wrong_form(change),
        Some(Status::Http(300..=399)) => cause_status::redirected(change),
        _ => cause_status::other(change),
    }
}

/// The peaks of a culprit: those of the member of the incident, or its evidence if it is no member.
fn peaks_of(culprit: &Culprit, incident: &Incident) -> Vec<Peak> {
    let known = incident.peaks_of(&culprit.entity).map(<[Peak]>::to_vec).unwrap_or_default();
    let of_evidence = culprit.evidence.iter().map(|evidence| {
        let Evidence { signal, value, expected, usual, low, high, z, neg_log10_p, .. } = evidence;
        let signal = FlaggedSignal::new(signal.clone(), *value, *neg_log10_p)
            .expected(*expected, *low, *high)
            .z(*z);
        Peak { usual: *usual, ..Peak::new(evidence.at, &signal) }
    });
    let peaks = if known.is_empty() { of_evidence.collect() } else { known };
    peaks.into_iter().filter(|peak| is_complete(&peak.signal)).collect()
}

impl Pattern {
    /// The pattern of the first culprit, or of the incident's entity without another culprit.
    pub fn new(incident: &Incident, ranking: Option<&Ranking>) -> Self {
        let own = ranking.into_iter().flat_map(|ranking| &ranking.culprits);
        let mut own = own.filter(|culprit| culprit.entity == incident.entity);
        let is_called = own.all(|culprit| culprit.not_called.is_none());
        let first = ranking.and_then(|ranking| ranking.culprits.first());
        let other = first
            .filter(|first| first.entity != incident.entity && first.score.is_finite())
            .map(|first| (first, peaks_of(first, incident)))
            .filter(|(_, peaks)| !peaks.is_empty());
        let (entity, since, all, is_own) = match other {
            Some((first, peaks)) => (first.entity.clone(), first.onset, peaks, false),
            None => {
                (incident.entity.clone(), incident.start, peaks(incident).cloned().collect(), true)
            }
        };
        let of_signal = |wanted: &[Signal]| {
            let mut peaks = all.iter();
            peaks.find(|peak| wanted.iter().any(|signal| peak.signal.signal == *signal)).cloned()
        };
        let of_metric = |wanted: &dyn Fn(&str) -> bool| {
            all.iter().find(|peak| wanted(peak.signal.signal.as_str())).cloned()
        };
        let rose = |wanted: &[Signal]| of_signal(wanted).filter(|peak| peak.signal.z > 0.0);
        let failing = || failing(incident).filter(|_| is_own);
        Self {
            service: one_line(&entity.service),
            since: date_clock(since, incident.step),
            latency: rose(&[Signal::P50Latency, Signal::P95Latency]),
            errors: rose(&[Signal::ErrorRate])
                .map(|peak| (peak.signal.value, against(&peak)))
                .or_else(|| {
                    failing().map(|(share, usual)| (share, against_errors(incident, usual)))
                }),
            refused: rose(&[Signal::ClientErrorRate]).map(|peak| {
                let refused = |status: &Status| matches!(status, Status::Http(300..=499));
                let mut statuses = incident.statuses.iter().map(|(status, _)| status);
                (peak, statuses.find(|status| is_own && refused(status)))
            }),
            traffic: of_signal(&[Signal::RequestCount]),
            metric: all.iter().find(|peak| peak.signal.signal.unit().is_empty()).cloned(),
            spans: of_metric(&|name| is_called && name == MISSING_SPANS),
            network: entity.endpoint.strip_prefix(CALLS_TO).and_then(|callee| {
                Some((one_line(callee), of_metric(&|name| name == NETWORK_GAP)?))
            }),
            silence: of_metric(&|name| name == SILENCE),
            lines: of_metric(&|name| counts_lines(name) && log_template_of(name).is_none()),
            template: of_metric(&|name| log_template_of(name).is_some()).and_then(|peak| {
                let template = quoted(log_template_of(peak.signal.signal.as_str())?);
                Some((peak, template))
            }),
            step: if incident.step == Duration::from_secs(60) {
                messages::time::minute()
            } else {
                messages::time::step()
            },
            culprit: ranking.and_then(|ranking| culprit_action(ranking, incident)),
            peaks: all,
            entity,
        }
    }

    /// The entity.
    pub const fn entity(&self) -> &Entity {
        &self.entity
    }

    /// Whether the first action leads to another service than that of the incident.
    pub const fn leads_to_another(&self) -> bool {
        self.culprit.is_some()
    }

    /// Start of its anomalies.
    pub fn since(&self) -> &str {
        &self.since
    }

    /// Its signal with most evidence.
    pub fn strongest(&self) -> Option<&Peak> {
        self.peaks.first()
    }

    /// What rules are compared with. `changed` is whether its service was changed shortly before,
    /// `template` the template of its log whose lines rose most.
    pub fn facts<'a>(&'a self, changed: bool, template: Option<&'a str>) -> Facts<'a> {
        let traffic = self.traffic.as_ref().map(|traffic| traffic.signal.z > 0.0);
        let symptoms = [
            (Symptom::Latency, self.latency.is_some()),
            (Symptom::Errors, self.errors.is_some()),
            (Symptom::Refused, self.refused.is_some()),
            (Symptom::Surge, traffic == Some(true)),
            (Symptom::Drop, traffic == Some(false)),
            (Symptom::Silence, self.silence.is_some()),
            (Symptom::MissingSpans, self.spans.is_some()),
            (Symptom::Network, self.network.is_some()),
            (Symptom::Change, changed),
        ];
        let metrics = self.peaks.iter().map(|peak| &peak.signal).filter(|one| one.z > 0.0);
        Facts {
            entity: &self.entity,
            since: &self.since,
            symptoms: symptoms.into_iter().filter(|(_, is)| *is).map(|(one, _)| one).collect(),
            metrics: metrics
                .filter(|one| one.signal.request().is_none() && !counts_lines(one.signal.as_str()))
                .map(|one| one.signal.as_str())
                .collect(),
            template,
        }
    }

    /// Likely causes, each with the signals that suggest it.
    pub fn causes(&self) -> Vec<Phrase> {
        let service = &*self.service;
        let mut out = Vec::new();
        match (&self.latency, &self.errors) {
            (Some(latency), Some((share, _))) => out.push(cause::slow_and_failing(
                service,
                milliseconds(latency.signal.value),
                percent(*share),
            )),
            (Some(latency), None) => out.push(cause::slow(service, change(latency))),
            (None, Some((share, against))) => {
                out.push(cause::failing(service, percent(*share), against));
            }
            (None, None) => {}
        }
        if let Some((refused, status)) = &self.refused {
            out.push(refusal(*status, change(refused)));
        }
        if let Some(latency) = &self.latency
            && latency.signal.signal == Signal::P95Latency
            && !self.peaks.iter().any(|peak| peak.signal.signal == Signal::P50Latency)
        {
            out.push(cause::some_requests(milliseconds(latency.signal.value)));
        }
        if let Some(traffic) = &self.traffic {
            let requests = messages::count::request(count(traffic.signal.value.round()));
            let usual = number(usual_of(traffic), 0);
            out.push(if traffic.signal.z < 0.0 {
                cause::fewer_requests(service, requests, usual)
            } else if self.latency.is_some() || self.errors.is_some() {
                cause::overload(requests, usual)
            } else {
                cause::more_requests(requests, usual)
            });
        }
        if let Some(spans) = &self.spans {
            out.push(cause::missing_spans(named(&self.entity), change(spans)));
        }
        if let Some(silence) = &self.silence {
            let length = value_phrase(&silence.signal.signal, silence.signal.value);
            out.push(cause::silence(service, length));
        }
        if let Some((callee, gap)) = &self.network {
            out.push(cause::network(service, &**callee, change(gap)));
        }
        if let Some(lines) = &self.lines {
            out.push(cause::log(service, change(lines)));
        }
        if let Some((peak, template)) = &self.template {
            let times = messages::count::time(count(peak.signal.value));
            let usual = number(usual_of(peak), usize::from(usual_of(peak) < 9.95));
            let said: fn(_, _, _, _, _) -> _ =
                if peak.signal.z < 0.0 { cause::log_stopped } else { cause::log_repeated };
            out.push(said(service, template.clone(), times, self.step.clone(), usual));
        }
        if let (Some(metric), true) = (&self.metric, out.is_empty()) {
            out.push(cause::metric(service, change(metric)));
        }
        if self.latency.is_some() || self.errors.is_some() {
            out.extend(self.hint());
        }
        out.truncate(MAX_ITEMS);
        out
    }

    /// Recommended actions, most urgent first. Where another service than that of the incident is the
    /// first culprit, the first action is about it.
    pub fn actions(&self) -> Vec<Phrase> {
        let (service, since) = (&*self.service, &*self.since);
        let surge = self.traffic.as_ref().is_some_and(|traffic| traffic.signal.z > 0.0);
        let drop = self.traffic.as_ref().is_some_and(|traffic| traffic.signal.z < 0.0);
        let mut out: Vec<Phrase> = self.culprit.clone().into_iter().collect();
        if self.errors.is_some() || self.lines.is_some() {
            out.push(match &self.lines {
                Some(lines) if lines.signal.signal.as_str() == LOG_WARNINGS => {
                    action::read_warnings(service, since)
                }
                _ => action::read_errors(service, since),
            });
        }
        if let Some((_, template)) = &self.template {
            out.push(action::read_template(service, &**template, since));
        }
        if self.refused.is_some() {
            out.push(action::group_refused(named(&self.entity)));
        }
        if self.latency.is_some() {
            out.push(action::follow_trace(named(&self.entity)));
        }
        if let Some((callee, _)) = &self.network {
            out.push(action::check_network(service, &**callee));
        }
        if self.silence.is_some() {
            out.push(action::check_running(service));
        }
        if drop || self.silence.is_some() {
            out.push(action::check_callers(service));
        }
        if surge {
            out.push(action::find_callers(service));
        }
        out.push(action::check_changes(service, since));
        if self.latency.is_some() || surge {
            out.push(action::check_saturation(service));
        }
        if self.latency.is_some() || self.errors.is_some() || self.metric.is_some() {
            out.push(action::check_dependencies(service));
        }
        out.truncate(MAX_ITEMS);
        out
    }

    /// The usual dependencies of endpoints with such a name. It is a hint and no finding.
    fn hint(&self) -> Option<Phrase> {
        let entity = &self.entity;
        let name = format!("{} {}", entity.service, entity.endpoint).to_ascii_lowercase();
        let words: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).collect();
        let mut kinds = KINDS.into_iter();
        let (_, hint) = kinds.find(|(names, _)| words.iter().any(|word| names.contains(word)))?;
        Some(hint())
    }
}
