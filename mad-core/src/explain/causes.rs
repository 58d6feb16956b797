//! Likely causes and recommended actions by the pattern of flagged signals.

use super::phrases::{against_errors, change, failing, peaks};
use super::words::{
    date_clock, format_value, milliseconds, named, number, one_line, percent, plural,
};
use crate::culprit::Ranking;
use crate::history::FlaggedSignal;
use crate::incident::Incident;
use crate::series::{
    CALLS_TO, LOG_WARNINGS, MISSING_SPANS, NETWORK_GAP, SILENCE, Signal, counts_lines,
};

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

/// The flagged signals by kind. Latency and errors count if they rose.
pub(super) struct Pattern<'a> {
    incident: &'a Incident,
    service: String,
    /// Start of the incident: `2026-01-06 10:45 UTC`.
    since: String,
    latency: Option<&'a FlaggedSignal>,
    /// Share of failed requests and the usual share.
    errors: Option<(f64, f64)>,
    traffic: Option<&'a FlaggedSignal>,
    /// The metric with the strongest evidence.
    metric: Option<&'a FlaggedSignal>,
    /// Missing spans, unless another service explains why there were no calls.
    spans: Option<&'a FlaggedSignal>,
    /// The callee of a call edge and its network time.
    network: Option<(String, &'a FlaggedSignal)>,
    /// The time without requests.
    silence: Option<&'a FlaggedSignal>,
    /// Error or warning lines.
    lines: Option<&'a FlaggedSignal>,
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

impl<'a> Pattern<'a> {
    /// The pattern of an incident's peaks.
    pub fn new(incident: &'a Incident, ranking: Option<&Ranking>) -> Self {
        let own = ranking.into_iter().flat_map(|ranking| &ranking.culprits);
        let mut own = own.filter(|culprit| culprit.entity == incident.entity);
        let is_called = own.all(|culprit| culprit.not_called.is_none());
        let find = |wanted: &[Signal]| {
            let mut flagged = peaks(incident).map(|peak| &peak.signal);
            flagged.find(|flagged| wanted.iter().any(|signal| flagged.signal == *signal))
        };
        let metrics = || peaks(incident).map(|peak| &peak.signal);
        let rose = |wanted: &[Signal]| find(wanted).filter(|flagged| flagged.z > 0.0);
        Self {
            incident,
            service: one_line(&incident.entity.service),
            since: date_clock(incident.start, incident.step),
            latency: rose(&[Signal::P50Latency, Signal::P95Latency]),
            errors: rose(&[Signal::ErrorRate])
                .map(|flagged| (flagged.value, flagged.expected))
                .or_else(|| failing(incident)),
            traffic: find(&[Signal::RequestCount]),
            metric: metrics().find(|flagged| flagged.signal.unit().is_empty()),
            spans: metrics().find(|flagged| is_called && flagged.signal.as_str() == MISSING_SPANS),
            network: incident.entity.endpoint.strip_prefix(CALLS_TO).and_then(|callee| {
                let gap = metrics().find(|flagged| flagged.signal.as_str() == NETWORK_GAP)?;
                Some((one_line(callee), gap))
            }),
            silence: metrics().find(|flagged| flagged.signal.as_str() == SILENCE),
            lines: metrics().find(|flagged| counts_lines(flagged.signal.as_str())),
            culprit: ranking.and_then(|ranking| culprit_action(ranking, incident)),
        }
    }

    /// Likely causes, each with the signals that suggest it.
    pub fn causes(&self) -> Vec<String> {
        let service = &self.service;
        let mut out = Vec::new();
        match (self.latency, self.errors) {
            (Some(latency), Some((share, _))) => out.push(format!(
                "A dependency of {service} that is overloaded or timing out: latency ({}) and error \
                 rate ({}) rose together.",
                milliseconds(latency.value),
                percent(share),
            )),
            (Some(latency), None) => out.push(format!(
                "A slow dependency, a lock, or saturation of {service} itself: {}, without a \
                 significant rise of errors.",
                change(latency),
            )),
            (None, Some((share, usual))) => out.push(format!(
                "A failing dependency, or a faulty release or configuration of {service}: {} of \
                 the requests failed ({}), without a latency anomaly.",
                percent(share),
                against_errors(self.incident, usual),
            )),
            (None, None) => {}
        }
        if let Some(latency) = self.latency
            && latency.signal == Signal::P95Latency
            && !self.incident.signals().any(|signal| *signal == Signal::P50Latency)
        {
            out.push(format!(
                "A fault that affects only some requests (a shard, a cold cache, large payloads): \
                 the 95th percentile reached {} and the median was not flagged.",
                milliseconds(latency.value),
            ));
        }
        if let Some(traffic) = self.traffic {
            let arrived = format!(
                "{} arrived in one step (usual {}).",
                plural(traffic.value.round(), "request"),
                number(traffic.expected, 0),
            );
            out.push(if traffic.z < 0.0 {
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
        if let Some(spans) = self.spans {
            out.push(format!(
                "Calls to {} that no longer happen, or spans that are lost before they arrive: {}.",
                named(&self.incident.entity),
                change(spans),
            ));
        }
        if let Some(silence) = self.silence {
            out.push(format!(
                "{service} is down or cannot be reached, its callers stopped calling, or its telemetry \
                 is lost: no request for {}.",
                format_value(&silence.signal, silence.value),
            ));
        }
        if let Some((callee, gap)) = &self.network {
            out.push(format!(
                "The network between {service} and {callee}, a queue or a connection pool: {}.",
                change(gap),
            ));
        }
        if let Some(lines) = self.lines {
            out.push(format!("A fault that {service} reports in its log: {}.", change(lines)));
        }
        if let (Some(metric), true) = (self.metric, out.is_empty()) {
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
        let surge = self.traffic.is_some_and(|traffic| traffic.z > 0.0);
        let drop = self.traffic.is_some_and(|traffic| traffic.z < 0.0);
        let mut out: Vec<String> = self.culprit.clone().into_iter().collect();
        if self.errors.is_some() || self.lines.is_some() {
            let what = match self.lines {
                Some(lines) if lines.signal.as_str() == LOG_WARNINGS => "warnings",
                _ => "errors",
            };
            out.push(format!("Read the {what} that {service} logged from {since} on."));
        }
        if self.latency.is_some() {
            let endpoint = named(&self.incident.entity);
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
        let entity = &self.incident.entity;
        let name = format!("{} {}", entity.service, entity.endpoint).to_ascii_lowercase();
        let words: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).collect();
        let (_, kind, usual) =
            KINDS.into_iter().find(|(names, ..)| words.iter().any(|word| names.contains(word)))?;
        Some(format!("Its name suggests {kind}, which often depends on {usual}."))
    }
}
