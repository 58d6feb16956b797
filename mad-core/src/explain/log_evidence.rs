//! Sentences about the log templates that changed in an incident.

use std::time::Duration;

use super::words::{duration, number, one_line, plural, quoted, span};
use crate::culprit::Ranking;
use crate::logs::LogChange;
use crate::telemetry::LogLevel;
use crate::time::MINUTE;

/// Most services whose logs are named.
const MAX_SERVICES: usize = 3;

/// One sentence for the log of each ranked service that changed.
pub(super) fn log_evidence(ranking: Option<&Ranking>) -> Vec<String> {
    let mut services: Vec<&str> = Vec::new();
    let mut out = Vec::new();
    for culprit in ranking.into_iter().flat_map(|ranking| &ranking.culprits) {
        let Some(log) = &culprit.log else { continue };
        if !services.contains(&&*culprit.entity.service) {
            services.push(&culprit.entity.service);
            out.push(log_text(&culprit.entity.service, log));
        }
    }
    out.truncate(MAX_SERVICES);
    out
}

/// ``Log of db, 2026-01-06 10:45 to 10:53 UTC: 480 error lines `no connection after <*> ms`, 60 times the
/// usual rate (32 lines in the 32 minutes before).``
pub(crate) fn log_text(service: &str, log: &LogChange) -> String {
    let is_minutes = [log.from, log.to].iter().all(|time| time.nanos() % MINUTE == 0);
    let step = Duration::from_secs(if is_minutes { 60 } else { 1 });
    let noun = if log.level == LogLevel::Error { "error line" } else { "line" };
    let before = log.from.since(log.known_since);
    let (ratio, earlier) = (log.ratio(), plural(log.lines_before as f64, "line"));
    let against = if before <= 0 {
        "; the log is not known before".to_owned()
    } else if log.lines_before == 0 {
        format!(", none in the {} before", duration(before))
    } else if log.lines == 0 {
        format!(", {earlier} in the {} before", duration(before))
    } else if ratio >= 1.0 {
        let times = number(ratio, usize::from(ratio < 10.0));
        format!(", {times} times the usual rate ({earlier} in the {} before)", duration(before))
    } else {
        format!(", fewer than usual ({earlier} in the {} before)", duration(before))
    };
    let lines = match log.lines {
        0 => format!("no {noun}"),
        some => plural(some as f64, noun),
    };
    format!(
        "Log of {}, {}: {lines} `{}`{against}.",
        one_line(service),
        span(log.from, log.to, step),
        quoted(&log.template),
    )
}
