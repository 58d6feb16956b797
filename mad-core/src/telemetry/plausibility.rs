//! Signs that the values of an input do not mean what their fields say.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Record;
use crate::time::{MINUTE, SECOND, Timestamp};

/// Records before an input is doubted: fewer can have any distribution by chance.
const ENOUGH: u64 = 50;
/// Mean records at one time from which times count as rounded.
const CROWDED: u64 = 3;
/// Latency in ms below which requests of a typical service do not lie. A latency in seconds does.
const SHORT_MS: f64 = 1.0;
/// Latency in ms above which requests of a typical service do not lie. A latency in microseconds
/// does.
const LONG_MS: f64 = 30_000.0;

/// Watches records for latencies in another unit and for rounded times.
///
/// Both faults give records that are valid, and results that are wrong: the latencies by a factor
/// of a thousand, the times by up to their unit. The values alone cannot prove either, so the
/// answers are questions to the user. The records should come in the order of time. In another
/// order rounded times are not found.
///
/// # Examples
///
/// ```
/// use mad_core::telemetry::Plausibility;
/// use mad_core::{Record, Request, Timestamp};
///
/// let mut seen = Plausibility::default();
/// for second in 0..100 {
///     let at = Timestamp::from_seconds(second);
///     seen.see(&Record::from(Request::new(at, "payments", "/pay", 200, 0.08)));
/// }
/// let doubts = seen.doubts(60.0);
/// assert_eq!(doubts.len(), 1);
/// assert!(doubts[0].starts_with("100 of 100 latencies are below 1 ms"), "{doubts:?}");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plausibility {
    latencies: u64,
    short: u64,
    long: u64,
    timed: u64,
    /// How often the time differed from that of the record before.
    moves: u64,
    last: Option<Timestamp>,
    /// Smallest difference between two times in a row that differ, ns.
    gap: Option<i64>,
}

impl Plausibility {
    /// Looks at an accepted record. Times of requests, spans and log lines count, and latencies of
    /// requests and of spans without a parent: calls within a process often take microseconds.
    pub fn see(&mut self, record: &Record<'_>) {
        let (at, latency) = match record {
            Record::Request(request) => (request.timestamp, request.latency_ms),
            Record::Span(span) if span.parent_id.is_none() => (span.start, span.duration_ms),
            Record::Span(span) => (span.start, f64::NAN),
            Record::Log(line) => (line.timestamp, f64::NAN),
            _ => return,
        };
        // 0 is what a sender writes that does not measure
        if latency > 0.0 {
            self.latencies += 1;
            self.short += u64::from(latency < SHORT_MS);
            self.long += u64::from(latency > LONG_MS);
        }
        self.timed += 1;
        if let Some(last) = self.last
            && last != at
        {
            let gap = at.nanos().abs_diff(last.nanos());
            let gap = i64::try_from(gap).unwrap_or(i64::MAX);
            self.moves += 1;
            self.gap = Some(self.gap.map_or(gap, |known| known.min(gap)));
        }
        self.last = Some(at);
    }

    /// Adds the counts of another partition of the same input.
    pub fn merge(&mut self, other: &Self) {
        self.latencies += other.latencies;
        self.short += other.short;
        self.long += other.long;
        self.timed += other.timed;
        self.moves += other.moves;
        self.last = self.last.max(other.last);
        self.gap = self.gap.into_iter().chain(other.gap).min();
    }

    /// The smallest distance of two times in a row that differ; zero without any.
    pub fn resolution(&self) -> Duration {
        Duration::from_nanos(self.gap.unwrap_or(0).unsigned_abs())
    }

    /// Questions about the records so far, for rows of `step_seconds`; none for most inputs.
    ///
    /// - More than half of the latencies are below 1 ms, or above 30 s.
    /// - The times lie more than a step (and more than a minute) apart, with three records or more
    ///   at each on average.
    pub fn doubts(&self, step_seconds: f64) -> Vec<String> {
        let mut doubts = Vec::new();
        let most = |count: u64| self.latencies >= ENOUGH && 2 * count > self.latencies;
        for (count, side, unit) in [
            (self.short, "below 1 ms", "seconds"),
            (self.long, "above 30 s", "microseconds or nanoseconds"),
        ] {
            if most(count) {
                doubts.push(format!(
                    "{count} of {} latencies are {side}: are they in {unit}? A latency is read as \
                     milliseconds unless its field names another unit",
                    self.latencies
                ));
            }
        }
        let moments = self.moves + 1;
        if self.timed < ENOUGH || self.timed < CROWDED * moments {
            return doubts;
        }
        let apart = match self.gap {
            None => "all at the same time".to_owned(),
            Some(gap) if gap > MINUTE && gap as f64 > step_seconds * SECOND as f64 => {
                format!("only {moments} distinct times, {} or more apart", length(gap))
            }
            Some(_) => return doubts,
        };
        doubts.push(format!(
            "the {} records have rounded times ({apart}): a fault that is shorter than the distance \
             of these times cannot be found; write the times with seconds",
            self.timed
        ));
        doubts
    }
}

/// `90 min` or `2.8 h`.
fn length(nanos: i64) -> String {
    let minutes = nanos as f64 / MINUTE as f64;
    if minutes < 120.0 { format!("{minutes:.0} min") } else { format!("{:.1} h", minutes / 60.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{LogLine, Request, Span, SpanKind};

    fn requests(times: impl Iterator<Item = i64>, ms: impl Fn(u64) -> f64) -> Vec<String> {
        let mut seen = Plausibility::default();
        for (i, second) in times.enumerate() {
            let at = Timestamp::from_seconds(second);
            seen.see(&Record::from(Request::new(at, "shop", "/", 200, ms(i as u64))));
        }
        seen.doubts(60.0)
    }

    #[test]
    fn usual_latencies_and_times_raise_no_doubt() {
        assert!(requests(0..5_000, |i| 2.0 + i as f64 % 700.0).is_empty());
        // two thousand requests a second with times in whole seconds or minutes
        assert!(requests((0..20_000).map(|i| i / 2_000), |_| 80.0).is_empty());
        assert!(requests((0..20_000).map(|i| i / 500 * 60), |_| 80.0).is_empty());
        // one request an hour
        assert!(requests((0..200).map(|i| 3_600 * i), |_| 80.0).is_empty());
        // a mixed fleet with a fast cache, and senders that do not measure
        assert!(requests(0..500, |i| if i % 3 == 0 { 0.2 } else { 40.0 }).is_empty());
        assert!(requests(0..500, |_| 0.0).is_empty());
        assert!(requests(0..20, |_| 0.08).is_empty());
    }

    #[test]
    fn latencies_in_another_unit_are_questioned() {
        let seconds = requests(0..500, |i| 0.02 + (i % 40) as f64 / 40.0);
        assert!(seconds.len() == 1 && seconds[0].contains("are they in seconds?"), "{seconds:?}");
        let micro = requests(0..500, |i| 45_000.0 + i as f64);
        assert!(micro.len() == 1 && micro[0].contains("microseconds"), "{micro:?}");
    }

    #[test]
    fn rounded_times_are_named_with_their_distance() {
        for (unit, named) in
            [(300, "5 min"), (3_600, "60 min"), (10_000, "2.8 h"), (86_400, "24.0 h")]
        {
            let found = requests((0..600).map(|i| i / 100 * unit), |_| 80.0);
            assert!(found.len() == 1 && found[0].contains(named), "{unit}: {found:?}");
        }
        let one = requests((0..600).map(|_| 7), |_| 80.0);
        assert!(one[0].contains("all at the same time"), "{one:?}");
    }

    #[test]
    fn spans_within_a_process_and_log_lines_have_no_latency() {
        let mut seen = Plausibility::default();
        for second in 0..400 {
            let at = Timestamp::from_seconds(second);
            seen.see(&Record::from(Span {
                trace_id: "t",
                span_id: "s",
                parent_id: Some("p"),
                service: "db",
                operation: "query",
                start: at,
                duration_ms: 0.2,
                status: "",
                kind: SpanKind::parse(""),
                peer: None,
                host: "",
                version: "",
            }));
            seen.see(&Record::from(LogLine::new(at, "db", "INFO", "x")));
        }
        assert!(seen.doubts(60.0).is_empty());
    }
}
