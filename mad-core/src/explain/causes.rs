//! What a pattern of signals suggests, and what to look at first.

use super::phrases::{change, failing, peaks};
use super::words::{date_clock, milliseconds, named, number, one_line, percent, plural};
use crate::culprit::Ranking;
use crate::history::FlaggedSignal;
use crate::incident::Incident;
use crate::series::{CALLS_TO, LOG_WARNINGS, MISSING_SPANS, NETWORK_GAP, Signal, counts_lines};

/// At most so many causes and actions.
const MOST: usize = 5;

/// Names by which endpoints of a kind go, what they are called, and what they usually depend on.
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
    (
        &["search", "query", "suggest"],
        "a search endpoint",
        "the search index, or a query that misses it",
    ),
    (
        &["cart", "checkout", "order", "orders"],
        "an ordering endpoint",
        "stock or payment calls, or the order database",
    ),
];

/// Which signals were flagged, and which way. Latency and errors count when they rose.
pub(super) struct Pattern<'a> {
    incident: &'a Incident,
    service: String,
    /// When it began: `2026-01-06 10:45 UTC`.
    since: String,
    latency: Option<&'a FlaggedSignal>,
    /// Share of failed requests and the expected one.
    errors: Option<(f64, f64)>,
    traffic: Option<&'a FlaggedSignal>,
    /// The metric with the strongest evidence.
    metric: Option<&'a FlaggedSignal>,
    /// Spans that are missing from their traces, where nobody else is why it was not called.
    spans: Option<&'a FlaggedSignal>,
    /// Whom its calls go to, and how long they were on their way.
    way: Option<(String, &'a FlaggedSignal)>,
    /// Error or warning lines.
    lines: Option<&'a FlaggedSignal>,
}

impl<'a> Pattern<'a> {
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
            way: incident.entity.endpoint.strip_prefix(CALLS_TO).and_then(|callee| {
                let gap = metrics().find(|flagged| flagged.signal.as_str() == NETWORK_GAP)?;
                Some((one_line(callee), gap))
            }),
            lines: metrics().find(|flagged| counts_lines(flagged.signal.as_str())),
        }
    }

    pub fn causes(&self) -> Vec<String> {
        let service = &self.service;
        let mut out = Vec::new();
        match (self.latency, self.errors) {
            (Some(latency), Some((share, usual))) => out.push(format!(
                "A dependency of {service} that is overloaded or timing out: latency ({} against \
                 {}) and errors ({} against {}) rose together.",
                milliseconds(latency.value),
                milliseconds(latency.expected),
                percent(share),
                percent(usual),
            )),
            (Some(latency), None) => out.push(format!(
                "A slow dependency, a lock, or saturation of {service} itself: {}, with no \
                 significant rise of errors.",
                change(latency),
            )),
            (None, Some((share, usual))) => out.push(format!(
                "A failing dependency, or a faulty release or configuration of {service}: {} of \
                 the requests failed ({} expected), while latency did not stand out.",
                percent(share),
                percent(usual),
            )),
            (None, None) => {}
        }
        if let Some(latency) = self.latency
            && latency.signal == Signal::P95Latency
            && !self.incident.signals().any(|signal| *signal == Signal::P50Latency)
        {
            out.push(format!(
                "Something that only some requests meet (a shard, a cold cache, large payloads): \
                 the 95th percentile rose to {}, the median was not flagged.",
                milliseconds(latency.value),
            ));
        }
        if let Some(traffic) = self.traffic {
            let came = format!(
                "{} came in a step where {} were expected.",
                plural(traffic.value.round(), "request"),
                number(traffic.expected, 0),
            );
            out.push(if traffic.z < 0.0 {
                format!(
                    "Callers that stopped calling, or a fault in front of {service} that keeps \
                     requests away: {came}",
                )
            } else if self.latency.is_some() || self.errors.is_some() {
                format!("Overload: {came}")
            } else {
                format!("A surge of demand, retries of a caller, or a crawler: {came}")
            });
        }
        if let Some(spans) = self.spans {
            out.push(format!(
                "Calls of {} that no longer happen, or spans that get lost on their way: {}.",
                named(&self.incident.entity),
                change(spans),
            ));
        }
        if let Some((callee, gap)) = &self.way {
            out.push(format!(
                "The network between {service} and {callee}, a queue or a pool of connections: {}.",
                change(gap),
            ));
        }
        if let Some(lines) = self.lines {
            out.push(format!("What {service} itself tells of in its log: {}.", change(lines)));
        }
        if let (Some(metric), true) = (self.metric, out.is_empty()) {
            out.push(format!(
                "A change in the load of {service}, in its release or configuration, or in what it \
                 depends on: {}.",
                change(metric),
            ));
        }
        if self.latency.is_some() || self.errors.is_some() {
            out.extend(self.hint());
        }
        out.truncate(MOST);
        out
    }

    pub fn actions(&self) -> Vec<String> {
        let Self { service, since, .. } = self;
        let surge = self.traffic.is_some_and(|traffic| traffic.z > 0.0);
        let drop = self.traffic.is_some_and(|traffic| traffic.z < 0.0);
        let mut out = Vec::new();
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
        if let Some((callee, _)) = &self.way {
            out.push(format!(
                "Check the network, the connection pools and the queues between {service} and {callee}.",
            ));
        }
        if drop {
            out.push(format!("Check the callers of {service} and the gateway before it."));
        }
        if surge {
            out.push(format!("Look up who calls {service} more than before."));
        }
        out.push(format!(
            "Check what changed in {service} shortly before {since}: releases, configuration, \
             restarts.",
        ));
        if self.latency.is_some() || surge {
            out.push(format!(
                "Check saturation of {service}: cpu, memory, connection pools, queues.",
            ));
        }
        if self.latency.is_some() || self.errors.is_some() || self.metric.is_some() {
            out.push(format!("Check the health of what {service} depends on."));
        }
        out.truncate(MOST);
        out
    }

    /// What endpoints of this kind usually depend on; said as a hint, not as a finding.
    fn hint(&self) -> Option<String> {
        let entity = &self.incident.entity;
        let name = format!("{} {}", entity.service, entity.endpoint).to_ascii_lowercase();
        let words: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).collect();
        let (_, kind, usual) =
            KINDS.into_iter().find(|(names, ..)| words.iter().any(|word| names.contains(word)))?;
        Some(format!("Its name suggests {kind}: a usual suspect is {usual}."))
    }
}
