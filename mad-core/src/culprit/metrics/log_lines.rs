//! Effects from log lines: more error lines than expected, and lines that stopped.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::call_gaps::CallSpans;
use super::effect::Effect;
use super::requests::{MISSING_SHARE, interrupted};
use crate::telemetry::LogLine;

/// Log lines by service.
#[derive(Debug, Clone, Default)]
pub(super) struct LogLines {
    services: BTreeMap<Arc<str>, Vec<Line>>,
}

/// One line. `place` identifies the statement that wrote it.
#[derive(Debug, Clone)]
struct Line {
    at: i64,
    error: bool,
    place: String,
    trace: Option<Arc<str>>,
}

/// The effects from the lines of one service.
pub(super) struct LineEffects {
    pub errors: Option<Effect>,
    /// Of the statement that fell silent most.
    pub missing: Option<Effect>,
    /// Of requests that ended before a statement that belongs to them.
    pub interrupted: Option<Effect>,
}

/// Lines in normal time and in the incident.
#[derive(Clone, Copy, Default)]
struct Count {
    normal: u64,
    incident: u64,
    onset: Option<i64>,
}

impl Count {
    fn add(&mut self, at: i64, in_incident: bool) {
        if in_incident {
            self.incident += 1;
            self.onset = Some(self.onset.map_or(at, |onset| onset.min(at)));
        } else {
            self.normal += 1;
        }
    }

    /// The expected count in the incident, and the scale of the difference of two Poisson counts.
    ///
    /// Half a line is added to the count of normal time. The ratio of `all` lines between incident
    /// and normal time adjusts for their lengths and for the load.
    fn expected(self, all: Self) -> (f64, f64) {
        let ratio = (all.incident as f64 + 1.0) / (all.normal as f64 + 1.0);
        let expected = (self.normal as f64 + 0.5) * ratio;
        (expected, (expected * (1.0 + ratio)).sqrt())
    }

    /// The effect in the direction of `sign`: 1 for more lines, -1 for fewer.
    fn effect(self, all: Self, sign: f64) -> Option<Effect> {
        let (expected, scale) = self.expected(all);
        let value = self.incident as f64;
        let size = sign * (value - expected) / scale;
        let onset = self.onset.or(all.onset)?;
        (size > 0.0).then_some(Effect { size, value, expected, scale, onset })
    }
}

impl LogLines {
    pub fn push(&mut self, line: &LogLine<'_>) {
        let level = line.level.to_ascii_lowercase();
        let error = matches!(level.as_str(), "error" | "fatal" | "critical" | "severe");
        let line_of = Line {
            at: line.timestamp.nanos(),
            error,
            place: place(line.body),
            trace: line.trace_id.map(Into::into),
        };
        match self.services.get_mut(line.service) {
            Some(lines) => lines.push(line_of),
            None => drop(self.services.insert(line.service.into(), vec![line_of])),
        }
    }

    /// The effects of the lines of every service.
    pub fn effects(
        &self,
        spans: &CallSpans,
        is_incident: impl Fn(i64) -> bool,
    ) -> Vec<(Arc<str>, LineEffects)> {
        let mut operations: BTreeMap<&str, Vec<(&str, &str, i64)>> = BTreeMap::new();
        for (service, trace, operation, at) in spans.operations() {
            operations.entry(service).or_default().push((trace, operation, at));
        }
        let of = |service: &str, lines: &[Line]| {
            // counts of all lines, of error lines and of each statement
            let (mut all, mut errors) = (Count::default(), Count::default());
            let mut places: BTreeMap<&str, Count> = BTreeMap::new();
            for line in lines {
                let inside = is_incident(line.at);
                all.add(line.at, inside);
                places.entry(&line.place).or_default().add(line.at, inside);
                if line.error {
                    errors.add(line.at, inside);
                }
            }
            let silent = |place: Count| {
                let effect = place.effect(all, -1.0)?;
                (effect.value <= MISSING_SHARE * effect.expected).then_some(effect)
            };
            let missing = places.into_values().filter_map(silent);
            let operations = operations.get(service).map_or(&[][..], Vec::as_slice);
            let statements = lines
                .iter()
                .filter_map(|line| Some((line.trace.as_deref()?, &*line.place, line.at)));
            LineEffects {
                errors: errors.effect(all, 1.0),
                missing: missing.max_by(|a, b| a.size.total_cmp(&b.size)),
                interrupted: interrupted(statements, operations, &is_incident),
            }
        };
        let services = self.services.iter();
        services.map(|(service, lines)| (Arc::clone(service), of(service, lines))).collect()
    }
}

/// The statement that wrote a line: the place in the code if the line names one (`TripService#42`),
/// otherwise its first twelve words without digits.
fn place(body: &str) -> String {
    let is_place = |word: &&str| {
        word.rsplit_once('#').is_some_and(|(name, line)| {
            name.starts_with(|first: char| first.is_alphabetic())
                && !line.is_empty()
                && line.bytes().all(|digit| digit.is_ascii_digit())
        })
    };
    if let Some(place) = body.split_whitespace().find(is_place) {
        return place.to_owned();
    }
    let words = body.split_whitespace().filter(|word| !word.contains(|c: char| c.is_numeric()));
    words.take(12).collect::<Vec<_>>().join(" ")
}
