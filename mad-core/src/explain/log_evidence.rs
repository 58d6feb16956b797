//! Sentences about the log templates that changed in an incident.

use std::time::Duration;

use super::messages::{self, log};
use super::phrase::Phrase;
use super::words::{count, duration, number, one_line, quoted, span};
use crate::culprit::Ranking;
use crate::logs::LogChange;
use crate::telemetry::LogLevel;
use crate::time::MINUTE;

/// Most services whose logs are named.
const MAX_SERVICES: usize = 3;

/// One sentence for the log of each ranked service that changed.
pub(super) fn log_evidence(ranking: Option<&Ranking>) -> Vec<Phrase> {
    let mut services: Vec<&str> = Vec::new();
    let mut out = Vec::new();
    for culprit in ranking.into_iter().flat_map(|ranking| &ranking.culprits) {
        let Some(log) = &culprit.log else { continue };
        if !services.contains(&&*culprit.entity.service) {
            services.push(&culprit.entity.service);
            out.push(log_phrase(&culprit.entity.service, log));
        }
    }
    out.truncate(MAX_SERVICES);
    out
}

/// ``Log of db, 2026-01-06 10:45 to 10:53 UTC: 480 error lines `no connection after <*> ms`, 60 times the
/// usual rate (32 lines in the 32 minutes before).``
pub(crate) fn log_phrase(service: &str, change: &LogChange) -> Phrase {
    let is_minutes = [change.from, change.to].iter().all(|time| time.nanos() % MINUTE == 0);
    let step = Duration::from_secs(if is_minutes { 60 } else { 1 });
    let when = span(change.from, change.to, step);
    let written = count(change.lines as f64);
    let lines = match (change.lines, change.level == LogLevel::Error) {
        (0, true) => messages::count::no_error_line(),
        (0, false) => messages::count::no_line(),
        (_, true) => messages::count::error_line(written),
        (_, false) => messages::count::line(written),
    };
    let (service, template) = (one_line(service), quoted(&change.template));
    let known = change.from.since(change.known_since);
    if known <= 0 {
        return log::unknown_before(service, when, lines, template);
    }
    let before = duration(known);
    if change.lines_before == 0 {
        return log::none_before(service, when, lines, template, before);
    }
    let earlier = messages::count::line(count(change.lines_before as f64));
    let ratio = change.ratio();
    if change.lines == 0 {
        log::gone(service, when, lines, template, earlier, before)
    } else if ratio >= 1.0 {
        let times = number(ratio, usize::from(ratio < 10.0));
        log::more(service, when, lines, template, times, earlier, before)
    } else {
        log::fewer(service, when, lines, template, earlier, before)
    }
}
