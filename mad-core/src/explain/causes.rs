//! Likely causes and recommended actions by the pattern of flagged signals.

use super::phrases::{against, against_errors, change, failing, is_complete, peaks, usual_of};
use super::rules::Facts;
use super::words::{
    date_clock, format_value, milliseconds, named, number, one_line, percent, plural,
};
use crate::config::Symptom;
use crate::culprit::{Culprit, Evidence, Ranking};
use crate::history::FlaggedSignal;
use crate::incident::{Incident, Peak};
use crate::series::{
    CALLS_TO, Entity, LOG_WARNINGS, MISSING_SPANS, NETWORK_GAP, SILENCE, Signal, counts_lines,
};
use crate::telemetry::Status;

/// Largest number of causes, and of actions.
const MAX_ITEMS: usize = 5;

/// Words in names of endpoints, the kind of endpoint, and its usual dependencies.
const KINDS: [(&[&str], &str, &str); 4] = [
    (
        &["pay", "payment", "payments", "refund", "refunds", "billing", "charge", "charges"],
        "a payment endpoint",
        "the payment provider or its fraud check",
    ),
    (
        &["login", "auth", "authentication", "verify", "token", "tokens", "session", "sessions"],
        "an authentication endpoint",
        "the identity provider or the session store",
    ),
    (&["search", "query", "suggest"], "a search endpoint", "the search index"),
    (
        &["cart", "checkout", "order", "orders"],
        "an ordering endpoint",
        "stock and payment calls and the order database",
    ),
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
    errors: Option<(f64, String)>,
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
    /// What to look at in the service of the first culprit, if that is another one.
    culprit: Option<String>,
}

/// `Start with store /get, anomalous since 2026-01-06 10:44 UTC: its errors, releases and
/// dependencies.`; `None` if the first culprit belongs to the service of the incident.
fn culprit_action(ranking: &Ranking, incident: &Incident) -> Option<String> {
    let first = ranking.culprits.first()?;
    if first.entity.service == incident.entity.service || !first.score.is_finite() {
        return None;
    }
    let since = date_clock(first.onset, incident.step);
    let what = match first.metric.as_str() {
        SILENCE => "find out whether it still runs and is reachable",
        NETWORK_GAP => "check the network and the connection pools on this way",
        _ => "read its log, and check its releases, saturation and dependencies",
    };
    Some(format!("Start with {}, anomalous since {since}: {what}.", named(&first.entity)))
}

/// Why a service refuses or redirects requests, by the most frequent status (RFC 9110, section 15).
const fn refusal(status: Option<Status>) -> &'static str {
    match status {
        Some(Status::Http(401 | 403 | 407)) => {
            "A key, token or permission that expired or was changed, or somebody who tries to guess one"
        }
        Some(Status::Http(404 | 405 | 410)) => {
            "A route that was moved or removed, a client with wrong addresses, or a scan"
        }
        Some(Status::Http(429)) => "A rate limit that clients reach, or that was lowered",
        Some(Status::Http(408 | 499)) => "Clients that give up before the answer",
        Some(Status::Http(400 | 406 | 409 | 411..=428)) => {
            "Requests in a form that the service does not take, as after a release of either side"
        }
        Some(Status::Http(300..=399)) => "An address that moved, or a redirect loop",
        _ => {
            "Requests that the service refuses or redirects: a change of the service or of its clients"
        }
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
            lines: of_metric(&counts_lines),
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
    pub fn causes(&self) -> Vec<String> {
        let service = &self.service;
        let mut out = Vec::new();
        match (&self.latency, &self.errors) {
            (Some(latency), Some((share, _))) => out.push(format!(
                "A dependency of {service} that is overloaded or timing out: latency ({}) and error \
                 rate ({}) rose together.",
                milliseconds(latency.signal.value),
                percent(*share),
            )),
            (Some(latency), None) => out.push(format!(
                "A slow dependency, a lock, or saturation of {service} itself: {}, without a \
                 significant rise of errors.",
                change(latency),
            )),
            (None, Some((share, against))) => out.push(format!(
                "A failing dependency, or a faulty release or configuration of {service}: {} of \
                 the requests failed ({}), without a latency anomaly.",
                percent(*share),
                against,
            )),
            (None, None) => {}
        }
        if let Some((refused, status)) = &self.refused {
            out.push(format!("{}: {}.", refusal(*status), change(refused)));
        }
        if let Some(latency) = &self.latency
            && latency.signal.signal == Signal::P95Latency
            && !self.peaks.iter().any(|peak| peak.signal.signal == Signal::P50Latency)
        {
            out.push(format!(
                "A fault that affects only some requests (a shard, a cold cache, large payloads): \
                 the 95th percentile reached {} and the median was not flagged.",
                milliseconds(latency.signal.value),
            ));
        }
        if let Some(traffic) = &self.traffic {
            let arrived = format!(
                "{} arrived in one step (usual {}).",
                plural(traffic.signal.value.round(), "request"),
                number(usual_of(traffic), 0),
            );
            out.push(if traffic.signal.z < 0.0 {
                format!(
                    "Callers that stopped calling, or a fault in front of {service} that blocks \
                     requests: {arrived}",
                )
            } else if self.latency.is_some() || self.errors.is_some() {
                format!("Overload: {arrived}")
            } else {
                format!("A surge of demand, retries of a caller, or a crawler: {arrived}")
            });
        }
        if let Some(spans) = &self.spans {
            out.push(format!(
                "Calls to {} that no longer happen, or spans that are lost before they arrive: {}.",
                named(&self.entity),
                change(spans),
            ));
        }
        if let Some(silence) = &self.silence {
            out.push(format!(
                "{service} is down or cannot be reached, its callers stopped calling, or its telemetry \
                 is lost: no request for {}.",
                format_value(&silence.signal.signal, silence.signal.value),
            ));
        }
        if let Some((callee, gap)) = &self.network {
            out.push(format!(
                "The network between {service} and {callee}, a queue or a connection pool: {}.",
                change(gap),
            ));
        }
        if let Some(lines) = &self.lines {
            out.push(format!("A fault that {service} reports in its log: {}.", change(lines)));
        }
        if let (Some(metric), true) = (&self.metric, out.is_empty()) {
            out.push(format!(
                "A change in the load, release, configuration or dependencies of {service}: {}.",
                change(metric),
            ));
        }
        if self.latency.is_some() || self.errors.is_some() {
            out.extend(self.hint());
        }
        out.truncate(MAX_ITEMS);
        out
    }

    /// Recommended actions, most urgent first. Where another service than that of the incident is the
    /// first culprit, the first action is about it.
    pub fn actions(&self) -> Vec<String> {
        let Self { service, since, .. } = self;
        let surge = self.traffic.as_ref().is_some_and(|traffic| traffic.signal.z > 0.0);
        let drop = self.traffic.as_ref().is_some_and(|traffic| traffic.signal.z < 0.0);
        let mut out: Vec<String> = self.culprit.clone().into_iter().collect();
        if self.errors.is_some() || self.lines.is_some() {
            let what = match &self.lines {
                Some(lines) if lines.signal.signal.as_str() == LOG_WARNINGS => "warnings",
                _ => "errors",
            };
            out.push(format!("Read the {what} that {service} logged from {since} on."));
        }
        if self.refused.is_some() {
            out.push(format!(
                "Group the refused requests of {} by client, version and address: one client, or all.",
                named(&self.entity),
            ));
        }
        if self.latency.is_some() {
            let endpoint = named(&self.entity);
            out.push(format!("Follow a slow trace of {endpoint} to see where its time goes."));
        }
        if let Some((callee, _)) = &self.network {
            out.push(format!(
                "Check the network, the connection pools and the queues between {service} and {callee}.",
            ));
        }
        if self.silence.is_some() {
            out.push(format!(
                "Check whether {service} is running and can be reached, and whether its telemetry \
                 still arrives.",
            ));
        }
        if drop || self.silence.is_some() {
            out.push(format!("Check the callers of {service} and the gateway before it."));
        }
        if surge {
            out.push(format!(
                "Find out which callers send more requests to {service} than before."
            ));
        }
        out.push(format!(
            "Check the changes of {service} shortly before {since}: releases, configuration, restarts.",
        ));
        if self.latency.is_some() || surge {
            out.push(format!(
                "Check saturation of {service}: cpu, memory, connection pools, queues.",
            ));
        }
        if self.latency.is_some() || self.errors.is_some() || self.metric.is_some() {
            out.push(format!("Check the health of the dependencies of {service}."));
        }
        out.truncate(MAX_ITEMS);
        out
    }

    /// The usual dependencies of endpoints with such a name. It is a hint and no finding.
    fn hint(&self) -> Option<String> {
        let entity = &self.entity;
        let name = format!("{} {}", entity.service, entity.endpoint).to_ascii_lowercase();
        let words: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).collect();
        let (_, kind, usual) =
            KINDS.into_iter().find(|(names, ..)| words.iter().any(|word| names.contains(word)))?;
        Some(format!("Its name suggests {kind}, which often depends on {usual}."))
    }
}
