//! Requests that ended early: a statement is missing where the other steps of its service are there.

use std::collections::{BTreeMap, BTreeSet};

use super::effect::Effect;

/// Statements and operations of a service that are compared within traces: those in the most traces.
const FLOW_STEPS: usize = u64::BITS as usize;
/// Share of the traces with one step that have another, from which on the second comes with the first.
const FOLLOWS: f64 = 0.8;
/// Smallest number of traces, in normal time and in the incident.
const MIN_TRACES: usize = 4;
/// Largest share of its usual one that a statement still has when it is missing.
pub(super) const MISSING_SHARE: f64 = 0.5;

/// The trace, name and time of a statement or an operation.
pub(super) type Part<'a> = (&'a str, &'a str, i64);

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

/// What a service did, by trace.
fn flows<'a>(
    statements: impl Iterator<Item = Part<'a>>,
    operations: &[Part<'a>],
    is_incident: impl Fn(i64) -> bool,
) -> BTreeMap<&'a str, Flow<'a>> {
    let lines = statements.map(|(trace, name, at)| (trace, Step::Statement(name), at));
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
/// time, is not. `operations` are those of the service's spans.
///
/// Within a trace one step follows another whatever else is requested, so a statement that is missing
/// there was not reached. The size is the root of the deviance of two binomial shares to one.
pub(super) fn interrupted<'a>(
    statements: impl Iterator<Item = Part<'a>>,
    operations: &[Part<'a>],
    is_incident: impl Fn(i64) -> bool,
) -> Option<Effect> {
    let flows = flows(statements, operations, is_incident);
    let inside = flows.values().filter(|flow| flow.inside).count();
    if inside.min(flows.len() - inside) < MIN_TRACES {
        return None;
    }
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
