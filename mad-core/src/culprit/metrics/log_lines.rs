//! Effects from log lines: more error lines than expected, lines that stopped, and requests that ended
//! early.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::call_gaps::CallSpans;
use super::effect::Effect;
use crate::telemetry::LogLine;

/// Statements and operations of a service that are compared within traces: those in the most traces.
const FLOW_STEPS: usize = u64::BITS as usize;
/// Share of the traces with one step that have another, from which on the second comes with the first.
const FOLLOWS: f64 = 0.8;
/// Smallest number of traces, in normal time and in the incident.
const MIN_TRACES: usize = 4;
/// Largest share of its usual one that a statement still has when it is missing.
const MISSING_SHARE: f64 = 0.5;

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
            let flows = flows(lines, operations, &is_incident);
            let inside = flows.values().filter(|flow| flow.inside).count();
            let is_traced = inside.min(flows.len() - inside) >= MIN_TRACES;
            LineEffects {
                errors: errors.effect(all, 1.0),
                missing: missing.max_by(|a, b| a.size.total_cmp(&b.size)),
                interrupted: is_traced.then(|| interrupted(&flows)).flatten(),
            }
        };
        let services = self.services.iter();
        services.map(|(service, lines)| (Arc::clone(service), of(service, lines))).collect()
    }
}

/// What a service did within one trace.
struct Flow<'a> {
    inside: bool,
    first: i64,
    steps: BTreeSet<Step<'a>>,
}

/// One part of the work for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step<'a> {
    /// A statement that wrote a line.
    Statement(&'a str),
    /// The operation of a span.
    Operation(&'a str),
}

/// What a service did, by trace. `operations` are those of its spans: trace, name and start.
fn flows<'a>(
    lines: &'a [Line],
    operations: &[(&'a str, &'a str, i64)],
    is_incident: impl Fn(i64) -> bool,
) -> BTreeMap<&'a str, Flow<'a>> {
    let lines = lines
        .iter()
        .filter_map(|line| Some((line.trace.as_deref()?, Step::Statement(&line.place), line.at)));
    let spans = operations.iter().map(|(trace, name, at)| (*trace, Step::Operation(name), *at));
    let mut flows: BTreeMap<&str, Flow<'_>> = BTreeMap::new();
    for (trace, step, at) in lines.chain(spans) {
        let new = || Flow { inside: false, first: i64::MAX, steps: BTreeSet::new() };
        let flow = flows.entry(trace).or_insert_with(new);
        flow.first = flow.first.min(at);
        flow.steps.insert(step);
    }
    for flow in flows.values_mut() {
        flow.inside = is_incident(flow.first);
    }
    flows
}

/// The effect of the statement that is missing most where another step, with which it comes in normal
/// time, is not.
///
/// Within a trace one step follows another whatever else is requested, so a statement that is missing
/// there was not reached. The size is the root of the deviance of two binomial shares to one.
fn interrupted(flows: &BTreeMap<&str, Flow<'_>>) -> Option<Effect> {
    let mut traces: BTreeMap<Step<'_>, usize> = BTreeMap::new();
    for step in flows.values().flat_map(|flow| &flow.steps) {
        *traces.entry(*step).or_default() += 1;
    }
    let mut steps: Vec<(Step<'_>, usize)> = traces.into_iter().collect();
    steps.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    steps.truncate(FLOW_STEPS);
    let bits: BTreeMap<Step<'_>, u64> =
        steps.iter().zip(0..).map(|((step, _), bit)| (*step, 1 << bit)).collect();
    let of = |flow: &Flow<'_>| flow.steps.iter().filter_map(|step| bits.get(step)).sum::<u64>();
    let traces: Vec<(u64, &Flow<'_>)> = flows.values().map(|flow| (of(flow), flow)).collect();
    let statements = bits.iter().filter(|(step, _)| matches!(step, Step::Statement(_)));
    let mut most: Option<Effect> = None;
    for statement in statements.map(|(_, bit)| *bit) {
        for known in bits.values().filter(|known| **known != statement) {
            // traces with the known step: in normal time and in the incident, and those with both
            let (mut all, mut both) = ([0.0; 2], [0.0; 2]);
            let mut onset = i64::MAX;
            for (steps, flow) in traces.iter().filter(|(steps, _)| steps & known != 0) {
                let has = steps & statement != 0;
                for (counts, counted) in [(&mut all, true), (&mut both, has)] {
                    let [normal, incident] = counts;
                    *(if flow.inside { incident } else { normal }) += f64::from(u8::from(counted));
                }
                if flow.inside && !has {
                    onset = onset.min(flow.first);
                }
            }
            let effect = absent(all, both, onset);
            if effect.is_some_and(|one| most.is_none_or(|most| one.size > most.size)) {
                most = effect;
            }
        }
    }
    most
}

/// The effect of a statement that is in fewer of the traces than in normal time.
fn absent(all: [f64; 2], both: [f64; 2], onset: i64) -> Option<Effect> {
    let ([normal, incident], [with_normal, value]) = (all, both);
    let share = with_normal / normal;
    let expected = incident * share;
    let follows = share >= FOLLOWS && value <= MISSING_SHARE * expected;
    // 0 ln 0 is 0
    let term = |count: f64, share: f64| if count > 0.0 { count * share.ln() } else { 0.0 };
    let fit = |with: f64, all: f64, share: f64| term(with, share) + term(all - with, 1.0 - share);
    let common = (with_normal + value) / (normal + incident);
    let apart = fit(with_normal, normal, share) + fit(value, incident, value / incident);
    let together = fit(with_normal, normal, common) + fit(value, incident, common);
    let size = (2.0 * (apart - together)).max(0.0).sqrt();
    (follows && size > 0.0).then_some(Effect {
        size,
        value,
        expected,
        scale: (expected - value) / size,
        onset,
    })
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
