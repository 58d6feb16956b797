//! From the effects of single series to the services behind them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::effect::Effect;
use super::window::Series;
use super::{MetricKind, MetricRankerConfig};

/// What is left of the weight of a metric of another kind than the target's, and of another
/// statistic of the same kind.
const OTHER_KIND: f64 = 0.5;
const OTHER_METRIC: f64 = 0.7;
/// What is left of the weight of a view from the client's side.
const CLIENT_VIEW: f64 = 0.5;
/// The same of a call that names its peer: it is known whom it is about.
const CLIENT_CALL: f64 = 0.8;
/// The same of a latency, where there are spans.
const TRACED: f64 = 0.5;
/// How much of a service's weight a callee can take over by explaining its effect.
const EXPLAINED: f64 = 0.9;
/// Scales at which an effect explains half of what it could.
const HALF_EXPLAINS: f64 = 2.0;
/// Scales from which an effect explains anything, and from which it makes a sibling a twin.
const MIN_EXPLAINS: f64 = 1.5;
const MIN_TWIN: f64 = 3.5;

/// One effect against a service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charge<'a> {
    pub series: &'a Series,
    pub effect: Effect,
    /// `ln(1 + effect)`, times what the series counts.
    pub weight: f64,
}

/// A service and what speaks against it.
#[derive(Debug, Clone)]
pub(super) struct Suspect<'a> {
    pub service: &'a str,
    pub weight: f64,
    /// The strongest first; never empty.
    pub charges: Vec<Charge<'a>>,
}

/// Who calls whom.
pub(super) struct Graph<'a> {
    callees: BTreeMap<&'a str, BTreeSet<&'a str>>,
    callers: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Graph<'a> {
    pub fn new(edges: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut graph = Self { callees: BTreeMap::new(), callers: BTreeMap::new() };
        for (caller, callee) in edges.filter(|(caller, callee)| caller != callee) {
            graph.callees.entry(caller).or_default().insert(callee);
            graph.callers.entry(callee).or_default().insert(caller);
        }
        graph
    }

    fn callees(&self, service: &str) -> impl Iterator<Item = &'a str> {
        self.callees.get(service).into_iter().flatten().copied()
    }

    pub fn callers(&self, service: &str) -> impl Iterator<Item = &'a str> {
        self.callers.get(service).into_iter().flatten().copied()
    }

    /// The shortest way down the calls, both ends included; services between must be `fine`.
    pub fn path<'b>(
        &'b self,
        from: &'b str,
        to: &'b str,
        fine: impl Fn(&str) -> bool,
    ) -> Option<Vec<&'b str>> {
        let mut came: BTreeMap<&str, &str> = BTreeMap::from([(from, from)]);
        let mut queue = VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            if at == to {
                let before =
                    |service: &&'b str| came.get(service).filter(|b| *b != service).copied();
                let mut path: Vec<&str> = std::iter::successors(Some(at), before).collect();
                path.reverse();
                return Some(path);
            }
            for callee in self.callees(at).filter(|callee| *callee == to || fine(callee)) {
                came.entry(callee).or_insert_with(|| {
                    queue.push_back(callee);
                    at
                });
            }
        }
        None
    }

    /// The only caller of a service that calls nobody.
    fn only_caller(&self, service: &str) -> Option<&'a str> {
        let callers = self.callers.get(service).filter(|callers| callers.len() == 1)?;
        let leaf = !self.callees.contains_key(service);
        callers.first().copied().filter(|_| leaf)
    }
}

/// The suspects, the heaviest first.
pub(super) fn suspects<'a>(
    effects: &[(&'a Series, Effect)],
    target: Option<&'a Series>,
    graph: &Graph<'_>,
    has_spans: bool,
    config: &MetricRankerConfig,
) -> Vec<Suspect<'a>> {
    let mut charges: BTreeMap<&str, Vec<Charge<'a>>> = BTreeMap::new();
    for (series, effect) in effects {
        let (service, counts) = if config.client_views {
            about(series, has_spans)
        } else {
            (&*series.service, series.kind.weight())
        };
        let weight = counts * relevance(series, target) * effect.size.ln_1p();
        let charge = Charge { series, effect: *effect, weight };
        charges.entry(service).or_default().push(charge);
    }
    for list in charges.values_mut() {
        list.sort_by(|a, b| {
            b.weight.total_cmp(&a.weight).then_with(|| a.series.name().cmp(&b.series.name()))
        });
    }
    let own_target = target.map(|series| &*series.service);
    let mut suspects: Vec<Suspect<'a>> = charges
        .iter()
        .filter_map(|(service, list)| {
            let first = list.first()?;
            let explained = graph
                .callees(service)
                .filter(|callee| Some(*callee) != own_target && !first.series.kind.is_direct())
                .filter_map(|callee| charges.get(callee))
                .map(|callee| explained_by(list, callee, first.series.kind))
                .fold(0.0, f64::max);
            let explained = if config.explain { explained } else { 0.0 };
            let mut weight = first.weight * (1.0 - EXPLAINED * explained);
            let viewed =
                is_client_view(service) || has_twin(service, first.series.kind, &charges, graph);
            if config.client_views && viewed {
                weight *= CLIENT_VIEW;
            }
            Some(Suspect { service, weight, charges: list.clone() })
        })
        .collect();
    suspects.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.service.cmp(b.service)));
    suspects
}

/// Whom a series is about, and how much it counts: a client's view of a call is about the peer.
/// What a service sees of all its calls together is about none of them, and where spans tell of
/// calls, latencies that were counted elsewhere tell little more.
fn about(series: &Series, has_spans: bool) -> (&str, f64) {
    let (base, peer) = series.base();
    let client = base.to_ascii_lowercase().contains("client");
    let traced = has_spans && series.kind == MetricKind::Latency;
    let weight = series.kind.weight() * if traced { TRACED } else { 1.0 };
    match peer {
        Some(peer) if client => (peer, CLIENT_CALL * weight),
        None if client => (&series.service, CLIENT_VIEW * weight),
        _ => (&series.service, weight),
    }
}

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

/// Share of a caller's change that a callee's change of the same kind makes up, 0 to 1: by the
/// metric of both in which the caller's effect is the largest, or by the largest changes where they
/// share none.
fn explained_by(caller: &[Charge<'_>], callee: &[Charge<'_>], kind: MetricKind) -> f64 {
    let (own, theirs) = (changes(caller, kind), changes(callee, kind));
    let common = own.iter().filter_map(|(metric, own)| Some((own, theirs.get(metric)?)));
    let widest = common.max_by(|a, b| a.0.size.total_cmp(&b.0.size));
    let sure = |change: &Change| change.amount * change.size / (change.size + HALF_EXPLAINS);
    let share = if let Some((own, theirs)) = widest {
        sure(theirs) / own.amount
    } else {
        let most = |all: &BTreeMap<_, Change>, amount: fn(&Change) -> f64| {
            all.values().map(amount).fold(0.0, f64::max)
        };
        most(&theirs, sure) / most(&own, |change| change.amount)
    };
    // NaN where neither changed
    if share > 0.0 { share.min(1.0) } else { 0.0 }
}

/// A change of a metric: in scales, and in the metric's own unit.
#[derive(Clone, Copy)]
struct Change {
    size: f64,
    amount: f64,
}

/// The largest change of each metric of a kind.
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

/// Whether a service is named as the inferred other end of calls (X-Ray's way).
fn is_client_view(service: &str) -> bool {
    service.ends_with("_remote") || service.ends_with("_client")
}

/// Whether a service that one caller alone sees may be that caller's view of another callee: one
/// with a life of its own (callees or other callers) that shows the same kind of effect.
fn has_twin(
    service: &str,
    kind: MetricKind,
    charges: &BTreeMap<&str, Vec<Charge<'_>>>,
    graph: &Graph<'_>,
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
