//! How the lines of one template changed in an incident.

use serde::{Deserialize, Serialize};

use crate::telemetry::LogLevel;
use crate::time::Timestamp;

/// Evidence from which a change is reported: the logarithm of a likelihood ratio. A count changes by
/// as much in one of 10,000 windows by chance.
const REPORTED: f64 = 8.0;
/// Factor by which a rate that is reported rises or falls, at least. Thousands of lines prove a tenth
/// more, which says nothing of a fault.
const REPORTED_RATIO: f64 = 1.5;

/// The lines of one template of a service in a time range, against the time before.
///
/// Times are those of whole steps of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogChange {
    /// The template, with `<*>` for each variable part.
    pub template: String,
    /// [`LogLevel::Error`] for error lines, else [`LogLevel::Other`].
    pub level: LogLevel,
    /// Lines in the time range.
    pub lines: u64,
    /// Lines before it.
    pub lines_before: u64,
    /// Start of the time range.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// Start of the time before it: that of the first known step of the service's log.
    pub known_since: Timestamp,
}

impl LogChange {
    /// A change without its template; `None` if the counts could be chance.
    pub(crate) fn new(
        level: LogLevel,
        lines: u64,
        lines_before: u64,
        (from, to, known_since): (Timestamp, Timestamp, Timestamp),
    ) -> Option<Self> {
        let template = String::new();
        let change = Self { template, level, lines, lines_before, from, to, known_since };
        // without a time before there is nothing to compare with, and errors are worth a look
        let ratio = change.ratio();
        let counts = change.evidence() >= REPORTED
            && (ratio >= REPORTED_RATIO || ratio <= 1.0 / REPORTED_RATIO)
            && (from > known_since || level == LogLevel::Error);
        counts.then_some(change)
    }

    /// Lines that would have come in the time range at the rate of the time before it. NaN without
    /// such a time.
    pub fn expected(&self) -> f64 {
        let before = self.from.since(self.known_since) as f64;
        if before > 0.0 {
            self.lines_before as f64 * (self.to.since(self.from) as f64 / before)
        } else {
            f64::NAN
        }
    }

    /// Lines for each expected one: infinite for lines that did not come before, 0 for a template that
    /// stopped, 1 where nothing is expected and nothing came.
    pub fn ratio(&self) -> f64 {
        let expected = self.expected();
        match (self.lines, expected > 0.0) {
            (0, false) => 1.0,
            (_, false) => f64::INFINITY,
            (lines, true) => lines as f64 / expected,
        }
    }

    /// The logarithm of the likelihood ratio of two rates to one (Poisson counts in two times). Half a
    /// line more than were counted before is assumed, so that a few lines are no evidence by
    /// themselves.
    pub(crate) fn evidence(&self) -> f64 {
        let within = self.to.since(self.from).max(1) as f64;
        let before = self.from.since(self.known_since).max(0) as f64;
        let (lines, lines_before) = (self.lines as f64, self.lines_before as f64 + 0.5);
        if before <= 0.0 {
            return lines * (lines.max(0.5) / 0.5).ln() - lines + 0.5;
        }
        let part = |lines: f64, time: f64| {
            let expected = (self.lines as f64 + lines_before) * (time / (within + before));
            if lines > 0.0 { lines * (lines / expected).ln() } else { 0.0 }
        };
        part(lines, within) + part(lines_before, before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(lines: u64, before: u64, minutes_before: i64) -> Option<LogChange> {
        let at = |minute: i64| Timestamp::from_seconds(60 * minute);
        LogChange::new(LogLevel::Error, lines, before, (at(0), at(10), at(-minutes_before)))
    }

    #[test]
    fn chance_is_no_change() {
        assert_eq!(change(2, 0, 60), None);
        assert_eq!(change(12, 60, 60), None);
        assert_eq!(change(5, 60, 60), None);
        // The same rate of a busy log, and a tenth more of it.
        assert_eq!(change(300, 1_800, 60), None);
        assert_eq!(change(33_000, 180_000, 60), None);
    }

    #[test]
    fn new_more_and_missing_lines_are_changes() {
        let new = change(20, 0, 60).unwrap();
        assert_eq!((new.expected(), new.ratio()), (0.0, f64::INFINITY));
        let more = change(60, 60, 60).unwrap();
        assert_eq!((more.expected(), more.ratio()), (10.0, 6.0));
        let missing = change(0, 600, 60).unwrap();
        assert_eq!((missing.expected(), missing.ratio()), (100.0, 0.0));
    }

    #[test]
    fn errors_of_a_log_that_just_began_are_reported() {
        let first = change(60, 0, 0).unwrap();
        assert!(first.expected().is_nan() && first.ratio().is_infinite());
    }
}
