//! What a pattern of signals suggests, and what to look at first.

use super::words::{milliseconds, number, percent};
use crate::feature::Signal;
use crate::history::FlaggedSignal;
use crate::incident::Incident;

/// At most so many causes and actions.
const MOST: usize = 5;

/// Which signals were flagged, and which way.
pub(super) struct Pattern<'a> {
    incident: &'a Incident,
    latency: Option<&'a FlaggedSignal>,
    /// Worst share of failed requests and the expected one.
    errors: Option<(f64, f64)>,
    traffic: Option<&'a FlaggedSignal>,
}

impl<'a> Pattern<'a> {
    pub fn new(incident: &'a Incident) -> Self {
        let find = |wanted: &[Signal]| {
            let flagged = incident.peaks.iter().map(|peak| &peak.signal);
            flagged.into_iter().find(|flagged| wanted.contains(&flagged.signal))
        };
        Self {
            incident,
            latency: find(&[Signal::P50Latency, Signal::P95Latency]),
            errors: find(&[Signal::ErrorRate])
                .map(|flagged| (flagged.value, flagged.expected))
                .or_else(|| {
                    incident
                        .errors_rose
                        .then(|| (incident.error_rate(), incident.expected_error_rate))
                }),
            traffic: find(&[Signal::RequestCount]),
        }
    }

    pub fn causes(&self) -> Vec<String> {
        let service = &self.incident.entity.service;
        let mut out = Vec::new();
        match (self.latency, self.errors) {
            (Some(latency), Some(errors)) => out.push(format!(
                "A dependency of {service} that is overloaded or timing out: latency ({} against \
                 {}) and errors ({} against {}) rose together.",
                milliseconds(latency.value),
                milliseconds(latency.expected),
                percent(errors.0),
                percent(errors.1),
            )),
            (Some(latency), None) => out.push(format!(
                "A slow dependency, a lock, or saturation of {service} itself: latency rose to {} \
                 times what was expected, errors did not.",
                number(latency.value / latency.expected, 1),
            )),
            (None, Some(errors)) => out.push(format!(
                "A failing dependency, or a faulty release or configuration of {service}: {} of \
                 the requests failed at the worst, latency was not flagged.",
                percent(errors.0),
            )),
            (None, None) => {}
        }
        if let Some(latency) = self.latency
            && latency.signal == Signal::P95Latency
            && !self.incident.signals().any(|signal| signal == Signal::P50Latency)
        {
            out.push(format!(
                "Something that only some requests meet (a shard, a cold cache, large payloads): \
                 the 95th percentile rose to {}, the median was not flagged.",
                milliseconds(latency.value),
            ));
        }
        if let Some(traffic) = self.traffic {
            let (value, expected) = (number(traffic.value, 0), number(traffic.expected, 0));
            if traffic.z < 0.0 {
                out.push(format!(
                    "Callers that stopped calling, or a fault in front of {service} that keeps \
                     requests away: {value} requests came where {expected} were expected.",
                ));
            } else if self.latency.is_some() || self.errors.is_some() {
                out.push(format!(
                    "Overload: {value} requests came where {expected} were expected.",
                ));
            } else {
                out.push(format!(
                    "A surge of demand, retries of a caller, or a crawler: {value} requests came \
                     where {expected} were expected.",
                ));
            }
        }
        if self.latency.is_some() || self.errors.is_some() {
            out.extend(self.hint());
        }
        out.truncate(MOST);
        out
    }

    pub fn actions(&self) -> Vec<String> {
        let entity = &self.incident.entity;
        let mut out = Vec::new();
        if self.errors.is_some() {
            out.push(format!(
                "Read the errors that {} logged from {} on.",
                entity.service,
                super::words::date_clock(self.incident.start, crate::time::MINUTE),
            ));
        }
        if self.latency.is_some() {
            out.push(format!(
                "Follow a slow trace of {} {} to see where its time goes.",
                entity.service, entity.endpoint,
            ));
        }
        if self.traffic.is_some_and(|traffic| traffic.z < 0.0) {
            out.push(format!("Check the callers of {} and the gateway before it.", entity.service));
        }
        out.push(format!(
            "Check what changed in {} shortly before {}: releases, configuration, restarts.",
            entity.service,
            super::words::date_clock(self.incident.start, crate::time::MINUTE),
        ));
        if self.latency.is_some() || self.traffic.is_some_and(|traffic| traffic.z > 0.0) {
            out.push(format!(
                "Check saturation of {}: cpu, memory, connection pools, queues.",
                entity.service,
            ));
        }
        if self.latency.is_some() || self.errors.is_some() {
            out.push(format!("Check the health of what {} depends on.", entity.service));
        }
        out.truncate(MOST);
        out
    }

    /// What endpoints of this kind usually depend on; said as a hint, not as a finding.
    fn hint(&self) -> Option<String> {
        let name = format!("{} {}", self.incident.entity.service, self.incident.entity.endpoint);
        let name = name.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        let (kind, usual) = if has(&["pay", "refund", "billing", "charge"]) {
            ("a payment endpoint", "the payment provider or its fraud check")
        } else if has(&["login", "auth", "verify", "token", "session"]) {
            ("an authentication endpoint", "the identity provider or the session store")
        } else if has(&["search", "query", "suggest"]) {
            ("a search endpoint", "the search index, or a query that misses it")
        } else if has(&["cart", "checkout", "order"]) {
            ("an ordering endpoint", "stock or payment calls, or the order database")
        } else {
            return None;
        };
        Some(format!("By its name this is {kind}: a usual suspect is {usual}."))
    }
}
