//! Charges the effects of single series to services.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::call_gaps::{CallGap, SLOW};
use super::call_graph::CallGraph;
use super::case::{INTERRUPTED, LOG_ERRORS};
use super::config::{MetricRankerConfig, RankerPart};
use super::effect::Effect;
use super::kind::MetricKind;
use super::precedence::{Move, earlier_callees};
use super::series::Series;

/// Factor for a metric of another kind than the target's.
const OTHER_KIND: f64 = 0.5;
/// Factor for another metric of the target's kind.
const OTHER_METRIC: f64 = 0.7;
/// Factor for a client's view of all its calls together.
const CLIENT_VIEW: f64 = 0.5;
/// Factor for a client's view of calls to a named peer. It is higher because the peer is known.
const CLIENT_CALL: f64 = 0.8;
/// Factor for a latency metric if there are spans, which measure latency more precisely.
const TRACED: f64 = 0.5;
/// Factor for a service that no span is of, if there are spans: what they show rarely begins outside.
const UNTRACED: f64 = 0.5;
/// Largest share of a service's weight that a callee can explain.
const EXPLAINED: f64 = 0.9;
/// Effect of a callee at which half of its change counts as an explanation, in scales.
const HALF_EXPLAINS: f64 = 2.0;
/// Smallest effect that can explain or be explained, in scales.
const MIN_EXPLAINS: f64 = 1.5;
/// Smallest effect of a sibling for [`has_twin`], in scales.
const MIN_TWIN: f64 = 3.5;

/// One effect charged to a service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charge<'a> {
    pub series: &'a Series,
    pub effect: Effect,
    /// `ln(1 + effect)` times the weight of the series.
    pub weight: f64,
    /// The same without the factor for metrics that differ from the target's.
    pub own_weight: f64,
}

/// A service with its charges.
#[derive(Debug, Clone)]
pub(super) struct Candidate<'a> {
    pub service: &'a str,
    pub weight: f64,
    /// Strongest first; never empty.
    pub charges: Vec<Charge<'a>>,
}

/// The gaps of calls, by the services at both ends.
pub(super) struct Calls<'a> {
    /// Whether there are gaps from spans, which are in ms. Others are in the unit of the latencies.
    are_spans: bool,
    /// The gaps from metrics by caller, each with its callee.
    waits: BTreeMap<&'a str, Vec<(&'a str, &'a Effect)>>,
    /// Sizes of the effect on each service.
    by_service: BTreeMap<&'a str, f64>,
    /// Caller and callee of slow calls.
    slow: BTreeSet<(&'a str, &'a str)>,
    /// Services with spans.
    traced: BTreeSet<&'a str>,
}

impl<'a> Calls<'a> {
    /// The calls of these gaps, and of their effect on each service. `traced` are the services with
    /// spans; where there are any, the gaps are from spans.
    pub fn new(
        gaps: &'a [CallGap],
        by_service: &'a [(Arc<str>, Effect)],
        traced: BTreeSet<&'a str>,
    ) -> Self {
        let is_traced = !traced.is_empty();
        let mut waits: BTreeMap<&str, Vec<(&str, &Effect)>> = BTreeMap::new();
        let mut slow = BTreeSet::new();
        for gap in gaps.iter().filter(|_| !is_traced) {
            waits.entry(&gap.caller).or_default().push((&gap.callee, &gap.effect));
            if gap.effect.size > SLOW {
                slow.insert((&*gap.caller, &*gap.callee));
            }
        }
        let by_service = by_service.iter().map(|(name, effect)| (&**name, effect.size)).collect();
        Self { are_spans: is_traced && !gaps.is_empty(), waits, by_service, slow, traced }
    }

    /// Whether other services have spans, and this one has none.
    fn is_untraced(&self, service: &str) -> bool {
        self.are_spans && !self.traced.contains(service)
    }

    /// The waits of the calls of a service, each with its callee.
    fn waits_of(&self, caller: &str) -> impl Iterator<Item = (&'a str, &'a Effect)> {
        self.waits.get(caller).into_iter().flatten().copied()
    }

    /// Whether slow calls meet at the caller of a slow call, and not at its callee.
    fn meet_at(&self, caller: &str, callee: &str) -> bool {
        let at = |service| self.by_service.get(service).copied().unwrap_or(0.0);
        self.slow.contains(&(caller, callee)) && at(caller) > at(callee)
    }
}

/// All candidates, heaviest first.
pub(super) fn candidates<'a>(
    effects: &[(&'a Series, Effect)],
    target: Option<&'a Series>,
    graph: &CallGraph<'a>,
    calls: &Calls<'_>,
    step: i64,
    config: &MetricRankerConfig,
) -> Vec<Candidate<'a>> {
    // charge every effect to a service with its weight
    let mut charges: BTreeMap<&str, Vec<Charge<'a>>> = BTreeMap::new();
    for (series, effect) in effects {
        let (service, counts) = if config.applies(RankerPart::ClientViews) {
            charged_service(series, calls)
        } else {
            (&*series.service, series.kind.weight())
        };
        let own_weight = counts * effect.size.ln_1p();
        let weight = relevance(series, target) * own_weight;
        let charge = Charge { series, effect: *effect, weight, own_weight };
        charges.entry(service).or_default().push(charge);
    }
    // strongest charge first; names decide ties
    for list in charges.values_mut() {
        list.sort_by(|a, b| {
            b.weight.total_cmp(&a.weight).then_with(|| a.series.name().cmp(&b.series.name()))
        });
    }
    let own_target = target.map(|series| &*series.service);
    // the target shows the symptom, so it explains none of the services that it depends on
    let below = own_target.and_then(|target| graph.reached(target)).unwrap_or_default();
    let explains =
        |callee: &str, caller: &str| Some(callee) != own_target || !below.contains(caller);
    let moves = charges.iter().map(|(service, list)| (*service, moves(list))).collect();
    let earlier = earlier_callees(&moves, graph, step, own_target);
    let mut candidates: Vec<Candidate<'a>> = charges
        .iter()
        .filter_map(|(service, list)| {
            let first = list.first()?;
            // largest share of the effect that one callee explains
            let explained = graph
                .callees(service)
                .filter(|callee| explains(callee, service) && !first.series.kind.is_direct())
                .filter_map(|callee| charges.get(callee))
                .map(|callee| explained_by(list, callee, first.series.kind))
                .chain(calls.waits_of(service).filter_map(|(callee, wait)| {
                    // a slow call makes its caller slow; the target's own wait is no explanation
                    let is_slow = first.series.kind == MetricKind::Latency;
                    (is_slow && Some(callee) != own_target).then(|| explained_by_gap(list, wait))
                }))
                .chain(
                    earlier
                        .get(service)
                        .filter(|_| first.series.kind.is_symptom())
                        .map(|earlier| earlier.size / (earlier.size + HALF_EXPLAINS)),
                )
                .fold(0.0, f64::max);
            // log lines of all that is called explain log lines, because a failed call ends the caller's
            // work too
            let has_lines = list.iter().any(|charge| charge.series.kind == MetricKind::Logs);
            let reached = has_lines.then(|| graph.reached(service)).flatten().unwrap_or_default();
            let by_lines = reached
                .into_iter()
                .filter(|callee| callee != service && explains(callee, service))
                .filter_map(|callee| charges.get(callee))
                .map(|callee| explained_by_lines(callee))
                .fold(0.0, f64::max);
            let left = |charge: &Charge<'_>| {
                let explained = match charge.series.kind {
                    MetricKind::Logs => by_lines,
                    // nothing explains slow calls
                    MetricKind::Calls => 0.0,
                    _ => explained,
                };
                let applies = config.applies(RankerPart::CalleeExplanation);
                charge.weight * (1.0 - if applies { EXPLAINED * explained } else { 0.0 })
            };
            // a service weighs its strongest charge, less the explained part
            let mut weight = left(first);
            let mut list = list.clone();
            let direct = list.iter().enumerate().filter(|(_, one)| one.series.kind.is_direct());
            let direct = direct.map(|(at, charge)| (at, left(charge)));
            let strongest = direct.max_by(|(_, a), (_, b)| a.total_cmp(b));
            if let Some((at, own)) = strongest.filter(|(_, own)| *own > weight) {
                let charge = list.remove(at);
                weight = own;
                list.insert(0, charge);
            }
            let viewed =
                is_client_view(service) || has_twin(service, first.series.kind, &charges, graph);
            if config.applies(RankerPart::ClientViews) && viewed {
                weight *= CLIENT_VIEW;
            }
            if calls.is_untraced(service) {
                weight *= UNTRACED;
            }
            Some(Candidate { service, weight, charges: list })
        })
        .collect();
    candidates.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.service.cmp(b.service)));
    candidates
}

/// The service that a series is charged to, and its weight.
///
/// A client's view of a call is charged to the called peer. A client's view of all calls together
/// weighs less, because it does not say which callee is slow. If there are spans, latency metrics add
/// little and weigh less. Where the wait of the call grew, and more slow calls meet at the caller than at
/// the peer, the view is charged to the caller.
fn charged_service<'a>(series: &'a Series, calls: &Calls<'_>) -> (&'a str, f64) {
    let (base, peer) = series.base();
    let client = base.to_ascii_lowercase().contains("client");
    let traced = calls.are_spans && series.kind == MetricKind::Latency;
    let weight = series.kind.weight() * if traced { TRACED } else { 1.0 };
    match peer {
        Some(peer) if client && calls.meet_at(&series.service, peer) => {
            (&series.service, CLIENT_VIEW * weight)
        }
        Some(peer) if client => (peer, CLIENT_CALL * weight),
        None if client => (&series.service, CLIENT_VIEW * weight),
        _ => (&series.service, weight),
    }
}

/// Factor of a series by its kind and metric relative to the target.
fn relevance(series: &Series, target: Option<&Series>) -> f64 {
    match target {
        Some(_) if series.kind.is_direct() => 1.0,
        Some(target) if !series.kind.is_kin(target.kind) => OTHER_KIND,
        Some(target) if series.kind == target.kind && series.metric != target.metric => {
            OTHER_METRIC
        }
        _ => 1.0,
    }
}

/// The share of a caller's change that a callee's change of the same kind explains, 0 to 1.
///
/// Both changes are taken from the common metric in which the caller's effect is largest, or from
/// their largest changes if they have no metric in common.
fn explained_by(caller: &[Charge<'_>], callee: &[Charge<'_>], kind: MetricKind) -> f64 {
    let (own, theirs) = (changes(caller, kind), changes(callee, kind));
    // prefer a metric that both services have
    let common = own.iter().filter_map(|(metric, own)| Some((own, theirs.get(metric)?)));
    let widest = common.max_by(|a, b| a.0.size.total_cmp(&b.0.size));
    // the callee's change counts less if it is only a few scales
    let sure = |change: &Change| change.amount * change.size / (change.size + HALF_EXPLAINS);
    let share = if let Some((own, theirs)) = widest {
        sure(theirs) / own.amount
    } else {
        let most = |all: &BTreeMap<_, Change>, amount: fn(&Change) -> f64| {
            all.values().map(amount).fold(0.0, f64::max)
        };
        most(&theirs, sure) / most(&own, |change| change.amount)
    };
    // the share is NaN if neither changed
    if share > 0.0 { share.min(1.0) } else { 0.0 }
}

/// The share of a caller's changed log lines that a callee's explain, 0 to 1.
///
/// Fewer lines of a callee explain nothing: they come from a caller that no longer calls it.
fn explained_by_lines(callee: &[Charge<'_>]) -> f64 {
    let fails = |charge: &&Charge<'_>| {
        charge.series.kind == MetricKind::Logs
            && matches!(&*charge.series.metric, LOG_ERRORS | INTERRUPTED)
    };
    let sizes = callee.iter().filter(fails).map(|charge| charge.effect.size);
    let size = sizes.filter(|size| *size >= MIN_EXPLAINS).fold(0.0, f64::max);
    size / (size + HALF_EXPLAINS)
}

/// The share of a caller's slower latency that the wait of one of its calls explains, 0 to 1.
fn explained_by_gap(caller: &[Charge<'_>], gap: &Effect) -> f64 {
    // the smallest of its changes: a wait is a median or mean, and high percentiles change more
    let own = changes(caller, MetricKind::Latency);
    let least = own.values().map(|change| change.amount).fold(f64::INFINITY, f64::min);
    let sure = gap.size * gap.scale * gap.size / (gap.size + HALF_EXPLAINS);
    let share = if gap.size >= MIN_EXPLAINS { sure / least } else { 0.0 };
    if share > 0.0 { share.min(1.0) } else { 0.0 }
}

/// A change of a metric, in scales and in the unit of the metric.
#[derive(Clone, Copy)]
struct Change {
    size: f64,
    amount: f64,
}

/// The largest change of each metric of one kind.
fn changes<'a>(charges: &[Charge<'a>], kind: MetricKind) -> BTreeMap<&'a str, Change> {
    let mut found: BTreeMap<&str, Change> = BTreeMap::new();
    for charge in charges {
        let Effect { size, scale, .. } = charge.effect;
        if charge.series.kind == kind && size >= MIN_EXPLAINS {
            let change = Change { size, amount: size * scale };
            let most = found.entry(charge.series.base().0).or_insert(change);
            if change.amount > most.amount {
                *most = change;
            }
        }
    }
    found
}

/// The moves of a service for the worse, without those that depend on how much it is called.
fn moves(charges: &[Charge<'_>]) -> Vec<Move> {
    let faults = charges.iter().filter(|charge| charge.series.kind.is_one_sided());
    faults.map(|Charge { effect, .. }| Move { onset: effect.onset, size: effect.size }).collect()
}

/// Whether a name marks an inferred peer: AWS X-Ray adds these endings.
fn is_client_view(service: &str) -> bool {
    service.ends_with("_remote") || service.ends_with("_client")
}

/// Whether a leaf with a single caller may be that caller's view of another service.
///
/// That is so if the caller has another callee with further callees or callers that shows the same
/// kind of effect.
fn has_twin(
    service: &str,
    kind: MetricKind,
    charges: &BTreeMap<&str, Vec<Charge<'_>>>,
    graph: &CallGraph<'_>,
) -> bool {
    let Some(caller) = graph.only_caller(service) else { return false };
    graph.callees(caller).any(|sibling| {
        let shows =
            |charge: &Charge<'_>| charge.series.kind == kind && charge.effect.size >= MIN_TWIN;
        sibling != service
            && graph.only_caller(sibling).is_none()
            && charges.get(sibling).is_some_and(|charges| charges.iter().any(shows))
    })
}
